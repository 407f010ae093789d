package server

import (
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/marina-cloud/marina/gateway"
	"github.com/marina-cloud/marina/gateway/mailer"
	"github.com/marina-cloud/marina/internal/home"
	"github.com/marina-cloud/marina/internal/seal/vault"
	"github.com/marina-cloud/marina/internal/secret"
)

// Config is how an installation is set up. What is empty is embedded: a child
// Postgres, a NATS server inside the process.
type Config struct {
	Home      home.Home
	Artifacts Artifacts
	Listen    string        // address of the console and the API
	Router    string        // address of the clusters' endpoints
	Metrics   string        // address at which the operator's Prometheus asks; empty: none, there is still the socket
	Domain    string        // of the clusters' names
	PublicURL string        // of the API as clusters' identity documents name it; default: http://<Listen>
	Endpoint  string        // of the router as kubeconfigs name it, HOST:PORT; default: what the router listens on
	Postgres  secret.Text   // DSN; empty: a child process
	NATS      secret.Text   // URL; empty: inside this process
	Vault     vault.Config  // not Enabled: secrets are sealed by the built-in keystore
	SMTP      mailer.Config // not Enabled: mails stay here, for the operator
	Egress    []string      // what clusters may call beyond HTTPS on the public Internet; see controlplaneapp.Deps
	Mirror    *url.URL      // of a registry that nodes ask before an image's own one; nil: none
	// TrustedProxies are the networks of proxies in front of the API and of the
	// router: they say whom they speak for, and must.
	TrustedProxies []netip.Prefix
	Providers      []gateway.Provider // OpenID providers with which people log in
	KeepDeleted    time.Duration      // how long deleted clusters can be brought back; 0: seven days
	TrustAll       bool               // give local machines to more than one organization, though they share this host's kernel
	Version        string             // of Marina
	Log            *slog.Logger
}

// Artifacts are the built files that a server starts.
type Artifacts struct {
	Marina     string            // this program, to start the router
	Etcd       string            // marina-etcd
	Runc       string            // runc
	Kubernetes map[string]string // by minor
	Node       string            // root file system of a local machine
	Terminal   string            // root file system of the terminals in the browser
}

// Defaults of an installation.
const (
	DefaultListen = "localhost:8080"
	DefaultRouter = ":6443"
	DefaultDomain = "marina.localhost"
)

// SecretsFromEnvironment takes the addresses of external services, which may hold
// passwords, out of the environment, so that no child process inherits them.
func SecretsFromEnvironment(c *Config) error {
	for name, field := range map[string]*secret.Text{"MARINA_POSTGRES_DSN": &c.Postgres, "MARINA_NATS_URL": &c.NATS} {
		if v, ok := os.LookupEnv(name); ok {
			*field = secret.Text(strings.TrimSpace(v))
			if err := os.Unsetenv(name); err != nil {
				return fmt.Errorf("take %s out of the environment: %w", name, err)
			}
		}
	}
	return nil
}
