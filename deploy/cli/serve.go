package cli

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/marina-cloud/marina/deploy/artifacts"
	"github.com/marina-cloud/marina/deploy/host"
	"github.com/marina-cloud/marina/deploy/server"
	"github.com/marina-cloud/marina/gateway"
	"github.com/marina-cloud/marina/internal/home"
	"github.com/marina-cloud/marina/internal/logs"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

// rootHome returns the home that the flags mean, to somebody who may work on it.
func (e *env) rootHome() (home.Home, error) {
	if os.Geteuid() != 0 {
		return home.Home{}, errNotRoot
	}
	return e.at()
}

// listenFlags are what `up` hands on to the server that it starts.
type listenFlags struct {
	api, router, domain, endpoint, publicURL string
	untrusted, proxies                       string
	egress                                   []string
	vault                                    vaultFlags
	smtp                                     smtpFlags
	metrics                                  string
	mirror                                   string
	keepDeleted                              time.Duration
	providers                                string // file
}

func (l *listenFlags) bind(c *cobra.Command) {
	c.Flags().StringVar(&l.api, "listen", server.DefaultListen, "`address` of the API")
	c.Flags().StringVar(&l.router, "router-listen", server.DefaultRouter, "`address` of the clusters' endpoints")
	c.Flags().StringVar(&l.metrics, "metrics-listen", "", "`address` at which your Prometheus gets /metrics and /metrics/router, such as localhost:9464; keep it away from strangers (default: none; `marina metrics` shows them, too)")
	c.Flags().StringVar(&l.domain, "domain", server.DefaultDomain, "`domain` of the clusters' names")
	c.Flags().StringVar(&l.endpoint, "endpoint", "", "`HOST:PORT` of the clusters' endpoints as kubeconfigs name it (default: where the router listens)")
	c.Flags().StringVar(&l.publicURL, "public-url", "", "`URL` of the API as clusters' identity documents name it (default: where the API listens)")
	c.Flags().StringVar(&l.providers, "openid-providers", "", "YAML `file` of the OpenID providers with which people may log in: id, name, issuer, client_id and client_secret_file of each; a provider sends browsers back to PUBLIC-URL/login/openid/ID")
	c.Flags().StringVar(&l.untrusted, "local-provider-untrusted", "refuse", "`accept` or refuse machines for a second organization, which would share this host's kernel")
	c.Flags().StringSliceVar(&l.egress, "egress-allow", nil, "what clusters' API servers may call (webhooks, token issuers) beyond HTTPS on the public Internet: `HOST:PORT`, CIDR, CIDR:PORT or :PORT")
	c.Flags().StringVar(&l.proxies, "trusted-proxies", "", trustedProxiesHelp)
	c.Flags().DurationVar(&l.keepDeleted, "keep-deleted", controlplane.KeepDeleted, "how long deleted clusters can be brought back, a `time` such as 72h; those that are deleted already keep theirs")
	l.vault.bind(c)
	l.smtp.bind(c)
	c.Flags().StringVar(&l.mirror, "registry-mirror", "", "`URL` of a registry that nodes ask for an image before the image's own registry, through the gateway")
	accept := cobra.FixedCompletions([]cobra.Completion{"accept", "refuse"}, cobra.ShellCompDirectiveNoFileComp)
	_ = c.RegisterFlagCompletionFunc("local-provider-untrusted", accept) // the flag exists
}

func (l *listenFlags) check(c *cobra.Command) error {
	if l.untrusted != "accept" && l.untrusted != "refuse" {
		return &usageError{c, fmt.Sprintf("--local-provider-untrusted is %q: say accept or refuse", l.untrusted)}
	}
	if _, err := networks(l.proxies); err != nil {
		return &usageError{c, err.Error()}
	}
	if err := l.vault.check(); err != nil {
		return &usageError{c, err.Error()}
	}
	if err := l.smtp.check(); err != nil {
		return &usageError{c, err.Error()}
	}
	if _, err := l.mirrorURL(); err != nil {
		return &usageError{c, fmt.Sprintf("--registry-mirror is %q: write it like http://127.0.0.1:5000", l.mirror)}
	}
	if l.keepDeleted <= 0 {
		return &usageError{c, fmt.Sprintf("--keep-deleted is %s: say a time that is longer than none, such as 72h", l.keepDeleted)}
	}
	addresses := map[string]string{"listen": l.api, "router-listen": l.router}
	if l.metrics != "" {
		addresses["metrics-listen"] = l.metrics
	}
	for flag, address := range addresses {
		if _, _, err := net.SplitHostPort(address); err != nil {
			return &usageError{c, fmt.Sprintf("--%s is %q: write it like localhost:8080, or :8080 for every address of this machine", flag, address)}
		}
	}
	return nil
}

const trustedProxiesHelp = "`NETWORKS`, separated by commas, of proxies in front of the endpoints and the API: they must send PROXY headers to the former and X-Forwarded-For to the latter"

// networks reads the flag --trusted-proxies. An address is a network of its own.
func networks(flag string) (all []netip.Prefix, err error) {
	for text := range strings.SplitSeq(flag, ",") {
		text = strings.TrimSpace(text)
		if text == "" {
			continue
		}
		p, err := netip.ParsePrefix(text)
		if a, wrong := netip.ParseAddr(text); err != nil && wrong == nil {
			p, err = a.Prefix(a.BitLen())
		}
		if err != nil || p != p.Masked() || p.Bits() == 0 {
			return nil, fmt.Errorf("--trusted-proxies has %q: write networks like 10.0.0.0/8 or addresses like 192.0.2.1, separated by commas", text)
		}
		all = append(all, p)
	}
	return all, nil
}

// mirrorURL is nil where there is no mirror.
func (l *listenFlags) mirrorURL() (*url.URL, error) {
	if l.mirror == "" {
		return nil, nil
	}
	u, err := url.Parse(l.mirror)
	if err != nil {
		return nil, err
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		return nil, errors.New("not the address of a registry")
	}
	return u, nil
}

func (l *listenFlags) args() []string {
	args := []string{
		"--listen", l.api, "--router-listen", l.router, "--domain", l.domain, "--endpoint", l.endpoint,
		"--metrics-listen", l.metrics, "--public-url", l.publicURL, "--local-provider-untrusted", l.untrusted, "--trusted-proxies", l.proxies,
		"--keep-deleted", l.keepDeleted.String(),
	}
	if l.mirror != "" {
		args = append(args, "--registry-mirror", l.mirror)
	}
	if l.providers != "" {
		file := l.providers
		if absolute, err := filepath.Abs(file); err == nil { // the server may start elsewhere
			file = absolute
		}
		args = append(args, "--openid-providers", file)
	}
	for _, rule := range l.egress {
		args = append(args, "--egress-allow", rule)
	}
	return append(append(args, l.vault.args()...), l.smtp.args()...)
}

func (e *env) serveCommand() *cobra.Command {
	var l listenFlags
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run the server in the foreground (`marina up` does it for you)",
		Long: "Run the server in the foreground. Clusters go on when it ends; the next one takes them over.\n\n" +
			"MARINA_POSTGRES_DSN and MARINA_NATS_URL name an external Postgres and NATS;\n" +
			"MARINA_LOG is debug, info (the default), warn or error. Lines are JSON unless a person reads them\nat a terminal.",
		Args: takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := l.check(cmd); err != nil {
				return err
			}
			h, err := e.rootHome()
			if err != nil {
				return err
			}
			proxies, err := networks(l.proxies)
			if err != nil {
				return err
			}
			built, err := builtFiles()
			if err != nil {
				return err
			}
			mirror, err := l.mirrorURL()
			if err != nil {
				return err
			}
			var providers []gateway.Provider
			if l.providers != "" {
				if providers, err = server.ReadProviders(l.providers); err != nil {
					return err
				}
			}
			c := server.Config{
				Home: h, Artifacts: built, Listen: l.api, Router: l.router, Metrics: l.metrics, Domain: l.domain, Endpoint: l.endpoint, PublicURL: l.publicURL,
				Vault: l.vault.Config, SMTP: l.smtp.Config, Egress: l.egress, Mirror: mirror, TrustedProxies: proxies, KeepDeleted: l.keepDeleted, Providers: providers, TrustAll: l.untrusted == "accept", Version: Version, Log: e.logger(),
			}
			if err := server.SecretsFromEnvironment(&c); err != nil {
				return err
			}
			if err := host.Claim(h); err != nil {
				return err
			}
			return server.Run(cmd.Context(), c)
		},
	}
	l.bind(c)
	return c
}

// logger is what servers write their log with, this program's default one, too.
func (e *env) logger() *slog.Logger {
	var level slog.Level // info
	_ = level.UnmarshalText([]byte(os.Getenv("MARINA_LOG")))
	f, isFile := e.errs.(*os.File)
	log := logs.New(e.errs, level, isFile && term.IsTerminal(int(f.Fd())))
	slog.SetDefault(log)
	return log
}

// builtFiles finds what `make build` made.
func builtFiles() (a server.Artifacts, err error) {
	a.Kubernetes = map[string]string{}
	for name, field := range map[string]*string{artifacts.Etcd: &a.Etcd, artifacts.Runc: &a.Runc, artifacts.Node: &a.Node, artifacts.Terminal: &a.Terminal} {
		if *field, err = artifacts.Path(name); err != nil {
			return a, err
		}
	}
	for _, minor := range server.Minors() {
		if a.Kubernetes[minor], err = artifacts.Path(artifacts.Kubernetes(minor)); err != nil {
			return a, err
		}
	}
	if a.Marina, err = os.Executable(); err != nil {
		return a, fmt.Errorf("find this program: %w", err)
	}
	return a, nil
}
