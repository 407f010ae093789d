package controlplaneapp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/marina-cloud/marina/internal/home"
	"github.com/marina-cloud/marina/internal/metrics"
	"github.com/marina-cloud/marina/internal/runc"
	"github.com/marina-cloud/marina/internal/seal"
	"github.com/marina-cloud/marina/internal/tenant"
	"github.com/marina-cloud/marina/migrations/pg"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/egress"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/issuers"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/kms"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/kube"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/pki"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/postgres"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/reconcile"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/runtime"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/terminal"
)

// Deps is what the control-plane context needs. All of it is required unless it
// says otherwise.
type Deps struct {
	DB        *pg.DB
	Home      home.Home
	Events    Events // nil: reactions wait for the periodic look
	Secrets   seal.Store
	Binaries  Binaries
	Domain    string // a cluster's endpoint is <cluster>.<domain>
	PublicURL string // of the gateway; the clusters' issuers of tokens lie below it
	// Egress is what clusters may call beyond HTTPS on the public Internet: HOST:PORT,
	// CIDR, CIDR:PORT or :PORT. Usually it is empty.
	Egress []string
	Limits controlplane.Limits // of each cluster; none: Small
	Log    *slog.Logger
	// KeepDeleted is how long a deleted cluster can be brought back; 0: seven days.
	KeepDeleted time.Duration

	Metrics     prometheus.Registerer // nil: nothing is shown
	Reconcilers *metrics.Reconcilers  // nil: nobody counts
}

// Binaries are what control planes and terminals are made of: static executables, but
// where it says otherwise.
type Binaries struct {
	Etcd       string
	Runc       string
	Kubernetes map[string]string // by minor, such as "1.37"
	Terminal   string            // root file system of the terminals in the browser
}

// resolve follows links: a program that was built anew is another file, by which a
// process that runs the old one is told to be outdated.
func (b *Binaries) resolve() (err error) {
	follow := func(path string) string {
		real, e := filepath.EvalSymlinks(path)
		if e != nil && err == nil {
			err = fmt.Errorf("find the program %s: %w", path, e)
		}
		return real
	}
	b.Etcd, b.Runc, b.Terminal = follow(b.Etcd), follow(b.Runc), follow(b.Terminal)
	kubernetes := make(map[string]string, len(b.Kubernetes))
	for minor, path := range b.Kubernetes {
		kubernetes[minor] = follow(path)
	}
	b.Kubernetes = kubernetes
	return err
}

func (d Deps) validate() error {
	for name, missing := range map[string]bool{
		"DB": d.DB == nil, "Home": d.Home.Dir == "", "Secrets": d.Secrets == nil, "Domain": d.Domain == "", "Log": d.Log == nil,
		"Binaries.Etcd": d.Binaries.Etcd == "", "Binaries.Runc": d.Binaries.Runc == "", "Binaries.Terminal": d.Binaries.Terminal == "",
	} {
		if missing {
			return fmt.Errorf("control planes: %s is missing", name)
		}
	}
	for _, v := range controlplane.Versions() {
		if d.Binaries.Kubernetes[v.Minor] == "" {
			return fmt.Errorf("control planes: there is no program for Kubernetes %s", v.Minor)
		}
	}
	if u, err := url.Parse(d.PublicURL); err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		return errors.New("control planes: the public URL must be a complete one, such as https://marina.example.com")
	}
	return nil
}

// New returns the context. Nothing happens before Run.
func New(d Deps) (*App, error) {
	if err := d.validate(); err != nil {
		return nil, err
	}
	if err := d.Binaries.resolve(); err != nil {
		return nil, err
	}
	if d.Limits == (controlplane.Limits{}) {
		d.Limits = controlplane.Small()
	}
	allowed, err := egress.ParseAllowed(d.Egress)
	if err != nil {
		return nil, fmt.Errorf("control planes: %w", err)
	}
	socket := func(name string) func(tenant.ClusterID) string {
		return func(id tenant.ClusterID) string { return filepath.Join(d.Home.TenantRun(id), name, name+".sock") }
	}
	a := &App{
		clusters:  postgres.Clusters{DB: d.DB},
		operator:  postgres.Operator{DB: d.DB},
		work:      postgres.Work{DB: d.DB},
		queue:     pg.Queue{DB: d.DB, Table: postgres.Table, Log: d.Log, Metrics: d.Reconcilers},
		keys:      &pki.Keys{DB: d.DB, Secrets: d.Secrets, Domain: d.Domain, Now: now},
		kms:       kms.New(d.Secrets, socket("kms"), d.Log),
		egress:    egress.New(allowed, egress.Machine(), egress.DefaultLimits(), socket("egress"), d.Log),
		oci:       runtime.NewOCI(d.Home, runc.Runc{Binary: d.Binaries.Runc, Root: d.Home.Runc()}, d.Log),
		terminals: &terminal.Server{Home: d.Home, Runc: runc.Runc{Binary: d.Binaries.Runc, Root: d.Home.Runc()}, Root: d.Binaries.Terminal, Log: d.Log},
		home:      d.Home,
		events:    d.Events,
		domain:    d.Domain,
		publicURL: strings.TrimSuffix(d.PublicURL, "/"),
		keep:      cmp.Or(d.KeepDeleted, controlplane.KeepDeleted),
		log:       d.Log,
		nudge:     make(chan struct{}, 1),
		news:      make(chan tenant.ClusterID, 64),
	}
	a.queue.Most = a.rise.most
	a.ending, a.end = context.WithCancel(context.Background())
	a.api = &kube.Clusters{
		Signer: a.keys, Authority: reconcile.ClusterCA, Name: a.serverName, Limits: d.Limits,
		Sockets: func(id tenant.ClusterID) string { return reconcile.Sockets(d.Home, id) },
	}
	a.deaths = &reconcile.Deaths{Wake: a.noteNews}
	a.files = reconcile.Files{Home: d.Home, Etcd: d.Binaries.Etcd, Kubernetes: d.Binaries.Kubernetes, Limits: d.Limits}
	a.place = &reconcile.Place{
		Host: a.files, Clusters: a.work, Credentials: a.work,
		Runtime: a.oci, Keys: a.keys, KMS: a.kms, Egress: a.egress, API: a.api,
		Dependents: lateDependents{&a.dependents}, Now: now, Watch: a.deaths.Watch,
		Issuers: issuers.New(a.ending, socket("egress"), a.noteNews),
	}
	a.reconciler = &reconcile.Reconciler{Store: a.work, World: a.place, Log: d.Log, Now: now, Metrics: d.Reconcilers}
	return a, a.register(d.Metrics)
}
