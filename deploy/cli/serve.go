package cli

import (
	"fmt"
	"log/slog"
	"net"
	"os"

	"github.com/spf13/cobra"

	"github.com/marina-cloud/marina/deploy/artifacts"
	"github.com/marina-cloud/marina/deploy/host"
	"github.com/marina-cloud/marina/deploy/server"
	"github.com/marina-cloud/marina/internal/home"
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
	untrusted                                string
	egress                                   []string
}

func (l *listenFlags) bind(c *cobra.Command) {
	c.Flags().StringVar(&l.api, "listen", server.DefaultListen, "`address` of the API")
	c.Flags().StringVar(&l.router, "router-listen", server.DefaultRouter, "`address` of the clusters' endpoints")
	c.Flags().StringVar(&l.domain, "domain", server.DefaultDomain, "`domain` of the clusters' names")
	c.Flags().StringVar(&l.endpoint, "endpoint", "", "`HOST:PORT` of the clusters' endpoints as kubeconfigs name it (default: where the router listens)")
	c.Flags().StringVar(&l.publicURL, "public-url", "", "`URL` of the API as clusters' identity documents name it (default: where the API listens)")
	c.Flags().StringVar(&l.untrusted, "local-provider-untrusted", "refuse", "`accept` or refuse machines for a second organization, which would share this host's kernel")
	c.Flags().StringSliceVar(&l.egress, "egress-allow", nil, "what clusters' API servers may call (webhooks, token issuers) beyond HTTPS on the public Internet: `HOST:PORT`, CIDR, CIDR:PORT or :PORT")
	accept := cobra.FixedCompletions([]cobra.Completion{"accept", "refuse"}, cobra.ShellCompDirectiveNoFileComp)
	_ = c.RegisterFlagCompletionFunc("local-provider-untrusted", accept) // the flag exists
}

func (l *listenFlags) check(c *cobra.Command) error {
	if l.untrusted != "accept" && l.untrusted != "refuse" {
		return &usageError{c, fmt.Sprintf("--local-provider-untrusted is %q: say accept or refuse", l.untrusted)}
	}
	for flag, address := range map[string]string{"listen": l.api, "router-listen": l.router} {
		if _, _, err := net.SplitHostPort(address); err != nil {
			return &usageError{c, fmt.Sprintf("--%s is %q: write it like localhost:8080, or :8080 for every address of this machine", flag, address)}
		}
	}
	return nil
}

func (l *listenFlags) args() []string {
	args := []string{
		"--listen", l.api, "--router-listen", l.router, "--domain", l.domain, "--endpoint", l.endpoint,
		"--public-url", l.publicURL, "--local-provider-untrusted", l.untrusted,
	}
	for _, rule := range l.egress {
		args = append(args, "--egress-allow", rule)
	}
	return args
}

func (e *env) serveCommand() *cobra.Command {
	var l listenFlags
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run the server in the foreground (`marina up` does it for you)",
		Long: "Run the server in the foreground. Clusters go on when it ends; the next one takes them over.\n\n" +
			"MARINA_POSTGRES_DSN and MARINA_NATS_URL name an external Postgres and NATS;\n" +
			"MARINA_LOG is debug, info (the default), warn or error.",
		Args: takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := l.check(cmd); err != nil {
				return err
			}
			h, err := e.rootHome()
			if err != nil {
				return err
			}
			built, err := builtFiles()
			if err != nil {
				return err
			}
			c := server.Config{
				Home: h, Artifacts: built, Listen: l.api, Router: l.router, Domain: l.domain, Endpoint: l.endpoint, PublicURL: l.publicURL,
				Egress: l.egress, TrustAll: l.untrusted == "accept", Version: Version, Log: e.logger(),
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

func (e *env) logger() *slog.Logger {
	var level slog.Level // info
	_ = level.UnmarshalText([]byte(os.Getenv("MARINA_LOG")))
	return slog.New(slog.NewTextHandler(e.errs, &slog.HandlerOptions{Level: level}))
}

// builtFiles finds what `make build` made.
func builtFiles() (a server.Artifacts, err error) {
	a.Kubernetes = map[string]string{}
	for name, field := range map[string]*string{artifacts.Etcd: &a.Etcd, artifacts.Runc: &a.Runc, artifacts.Node: &a.Node} {
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
