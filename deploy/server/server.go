package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/marina-cloud/marina/billing/billingapp"
	"github.com/marina-cloud/marina/deploy/host"
	"github.com/marina-cloud/marina/gateway"
	"github.com/marina-cloud/marina/gateway/live"
	"github.com/marina-cloud/marina/gateway/mailer"
	"github.com/marina-cloud/marina/internal/bus"
	"github.com/marina-cloud/marina/internal/home"
	"github.com/marina-cloud/marina/internal/metrics"
	"github.com/marina-cloud/marina/internal/runc"
	"github.com/marina-cloud/marina/internal/seal"
	"github.com/marina-cloud/marina/migrations"
	"github.com/marina-cloud/marina/migrations/pg"
	"github.com/marina-cloud/marina/node-fleet/fleetapp"
	"github.com/marina-cloud/marina/node-fleet/provider/local"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
	"github.com/marina-cloud/marina/tenant-controlplane/controlplaneapp"
	"github.com/marina-cloud/marina/web"
)

// NodePort is where local machines reach the router, in their network namespace.
const NodePort = 6443

// Minors are the Kubernetes minors that a server needs binaries of.
func Minors() []string {
	var minors []string
	for _, v := range controlplane.Versions() {
		minors = append(minors, v.Minor)
	}
	return minors
}

// Run serves an installation until ctx ends or something that it cannot do
// without does. Clusters and the router run on afterwards; the next Run takes
// them over.
func Run(ctx context.Context, c Config) error {
	release, err := prepareHome(c.Home)
	if err != nil {
		return err
	}
	defer release()

	// What is embedded ends after everything that uses it.
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	postgres, err := startPostgres(background, c)
	if err != nil {
		return err
	}
	defer postgres.stop()
	if err := migrations.Apply(ctx, postgres.dsn); err != nil {
		return fmt.Errorf("bring the database up to date: %w", err)
	}
	db, err := pg.Open(ctx, postgres.dsn)
	if err != nil {
		return err
	}
	defer db.Close()
	// The home is locked: whoever had leased anything is gone.
	if err := db.AsWorker(ctx, func(tx pgx.Tx) error { return pg.Inherit(ctx, tx) }); err != nil {
		return err
	}
	events, stopNATS, err := startNATS(background, c)
	if err != nil {
		return err
	}
	defer stopNATS()
	return serve(ctx, c, postgres, db, events)
}

// prepareHome makes the directories of a home and keeps other servers out of it.
func prepareHome(h home.Home) (release func(), err error) {
	if err := host.MakeDirectories(h); err != nil {
		return nil, err
	}
	release, err = host.Lock(host.LockFile(h))
	if errors.Is(err, host.ErrLocked) {
		return nil, fmt.Errorf("another server runs in %s: stop it with `marina down`, or choose another --home", h.Dir)
	}
	if err != nil {
		return nil, err
	}
	if err = host.Whole(h); err == nil {
		err = inMemory(h)
	}
	if err != nil {
		release()
		return nil, err
	}
	return release, nil
}

// inMemory makes the run directory ready for what must reach no disk.
func inMemory(h home.Home) error {
	if err := host.KeepInMemory(h.Run()); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(h.TenantRun("")), 0o711); err != nil {
		return fmt.Errorf("make directory of sockets: %w", err)
	}
	return nil
}

func startNATS(ctx context.Context, c Config) (b *bus.Bus, stop func(), err error) {
	if c.NATS != "" {
		if b, err = bus.Connect(ctx, string(c.NATS)); err != nil {
			return nil, nil, err
		}
		return b, b.Close, nil
	}
	s, err := bus.Embedded(ctx, c.Home.Path("nats"))
	if err != nil {
		return nil, nil, err
	}
	if b, err = s.Connect(ctx); err != nil {
		s.Close()
		return nil, nil, err
	}
	return b, func() { b.Close(); s.Close() }, nil
}

// serve runs the contexts, the gateway and the router's keeper.
func serve(ctx context.Context, c Config, postgres *postgres, db *pg.DB, events *bus.Bus) error {
	store, err := openSecrets(ctx, c, db)
	if err != nil {
		return err
	}
	secrets := seal.Measure(store.store)
	watch, err := newWatch(c, db, events, secrets, store.healthy)
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("listen for the API: %w", err)
	}
	defer ln.Close()
	url := "http://" + localName(ln.Addr())
	publicURL := c.PublicURL
	if publicURL == "" {
		publicURL = url
	}
	router := host.Router{Home: c.Home, Program: c.Artifacts.Marina, RouterSettings: host.RouterSettings{Listen: c.Router, Domain: c.Domain, TrustedProxies: networks(c.TrustedProxies)}, Log: c.Log}
	routing, err := router.Renew(ctx)
	if err != nil {
		return err
	}

	planes, err := controlplaneapp.New(controlplaneapp.Deps{
		DB: db, Home: c.Home, Events: events, Secrets: secrets, Domain: c.Domain, PublicURL: publicURL, Egress: c.Egress, KeepDeleted: c.KeepDeleted, Log: c.Log,
		Metrics: watch.registry, Reconcilers: watch.reconcilers,
		Binaries: controlplaneapp.Binaries{Etcd: c.Artifacts.Etcd, Runc: c.Artifacts.Runc, Kubernetes: c.Artifacts.Kubernetes, Terminal: c.Artifacts.Terminal},
	})
	if err != nil {
		return err
	}
	machines, err := local.New(local.Config{
		Home: c.Home, NodeRoot: c.Artifacts.Node, Runc: runc.Runc{Binary: c.Artifacts.Runc, Root: c.Home.Runc()}, RouterPort: NodePort, Log: c.Log,
	})
	if err != nil {
		return err
	}
	nodes, err := fleetapp.New(fleetapp.Deps{
		DB: db, Home: c.Home, Events: events, Secrets: secrets, Provider: machines, ProviderName: "local", Clusters: fleetClusters{planes}, Domain: c.Domain, OneOrganization: !c.TrustAll,
		RegistryMirror: c.Mirror, Log: c.Log,
		Metrics: watch.registry, Reconcilers: watch.reconcilers, HTTP: watch.http,
	})
	if err != nil {
		return err
	}
	planes.SetDependents(nodes)

	mails, err := mailer.New(mailer.Deps{
		DB: db, Secrets: secrets, Config: c.SMTP, Socket: c.Home.Mailbox(), Log: c.Log, Reconcilers: watch.reconcilers,
	})
	if err != nil {
		return err
	}
	if err := metrics.Register(watch.registry, mails.Metrics()); err != nil {
		return err
	}

	endpoint := c.Endpoint
	if endpoint == "" {
		endpoint = reachable(routing.Address)
	}
	streams := &live.Hub{}
	api := gateway.Server(withConsole(gateway.New(gateway.Deps{
		DB: db, Clusters: gatewayClusters{planes}, Workloads: planes, Fleet: nodes, Prices: billingapp.New(db), Secrets: secrets, Live: streams, Log: c.Log, Version: c.Version, TrustedProxies: c.TrustedProxies, HTTP: watch.http, PublicURL: publicURL, Providers: c.Providers,
		Kubectl: func() string { return "https://" + endpoint }, Installation: installation{planes, nodes, watch.checks, c.Home},
	})))

	operators, err := operatorListeners(ctx, c)
	if err != nil {
		return err
	}

	group, running := errgroup.WithContext(ctx)
	group.Go(supervised(running, "operator's listener", func(ctx context.Context) error { return serveOperator(ctx, watch.operator(c.Home), operators) }))
	group.Go(supervised(running, "Postgres's keeper", postgres.keep))
	group.Go(supervised(running, "secret store", store.run))
	group.Go(supervised(running, "rotation of logs", func(ctx context.Context) error { return rotateLogs(ctx, c) }))
	group.Go(supervised(running, "outbox relay", func(ctx context.Context) error { return bus.Relay(ctx, db, events) }))
	group.Go(supervised(running, "streams", func(ctx context.Context) error { return feed(ctx, events, streams) }))
	group.Go(supervised(running, "control planes", planes.Run))
	group.Go(supervised(running, "nodes", nodes.Run))
	group.Go(supervised(running, "mails", mails.Run))
	group.Go(supervised(running, "operators' accounts", func(ctx context.Context) error { return serveAccounts(ctx, c, db) }))
	group.Go(supervised(running, "router's keeper", router.Keep))
	group.Go(supervised(running, "API", func(ctx context.Context) error { return serveHTTP(ctx, api, gateway.ShareConnections(ln)) }))
	if err := host.Record(host.ServerFile(c.Home), url); err != nil {
		return err
	}
	c.Log.Info("marina serves", "api", url, "router", routing.Address, "home", c.Home.Dir)
	err = group.Wait()
	if ctx.Err() != nil {
		c.Log.Info("marina ends; clusters go on")
		return nil
	}
	return err
}

// feed passes events on to the API's streams until ctx ends, and then ends them.
func feed(ctx context.Context, events *bus.Bus, streams *live.Hub) error {
	defer streams.Close()
	stop, err := events.Subscribe(ctx, bus.All, streams.Notify)
	if err != nil {
		return err
	}
	defer stop()
	<-ctx.Done()
	return nil
}

// withConsole serves people's pages beside the API: what is read at a path that is
// none of the API's is one of the console's.
func withConsole(api http.Handler) http.Handler {
	console := web.Handler()
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			console.ServeHTTP(w, r)
			return
		}
		api.ServeHTTP(w, r)
	})
	for _, path := range []string{
		"/v1", "/v1/", "/healthz", "/openapi.json", "/openapi.yaml",
		"/clusters/{cluster}/.well-known/", "/clusters/{cluster}/openid/",
	} {
		mux.Handle(path, api)
	}
	return mux
}

// supervised turns the end of something that should run for as long as ctx into
// an error: in a server, finished is broken.
func supervised(ctx context.Context, name string, run func(context.Context) error) func() error {
	return func() error {
		err := run(ctx)
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if ctx.Err() == nil {
			return fmt.Errorf("%s ended by itself", name)
		}
		return nil
	}
}

// serveHTTP serves until ctx ends and then lets requests finish.
func serveHTTP(ctx context.Context, s *http.Server, ln net.Listener) error {
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ln) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	gentle, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := s.Shutdown(gentle); err != nil {
		s.Close()
	}
	<-ended
	return nil
}

// networks writes networks as a flag takes them.
func networks(all []netip.Prefix) string {
	texts := make([]string, len(all))
	for i, p := range all {
		texts[i] = p.String()
	}
	return strings.Join(texts, ",")
}

// localName is an address as a program on this machine dials it.
func localName(a net.Addr) string {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return a.String()
	}
	if t.IP.IsUnspecified() || t.IP.IsLoopback() {
		return fmt.Sprintf("localhost:%d", t.Port)
	}
	return t.String()
}

// reachable is an address of the router as kubeconfigs name it when the operator
// says nothing: a wildcard stands for this machine.
func reachable(address string) string {
	hostname, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	if ip := net.ParseIP(hostname); ip == nil || ip.IsUnspecified() {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return address
}
