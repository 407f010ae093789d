// Package fleetapp is the door to the fleet: what others may ask of it, and the
// loops that keep it as it should be.
package fleetapp

import (
	"context"
	"log/slog"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/marina-cloud/marina/internal/event"
	"github.com/marina-cloud/marina/internal/home"
	"github.com/marina-cloud/marina/internal/metrics"
	"github.com/marina-cloud/marina/internal/tenant"
	"github.com/marina-cloud/marina/migrations/pg"
	fleet "github.com/marina-cloud/marina/node-fleet"
	"github.com/marina-cloud/marina/node-fleet/internal/addons"
	"github.com/marina-cloud/marina/node-fleet/internal/identity"
	"github.com/marina-cloud/marina/node-fleet/internal/kube"
	"github.com/marina-cloud/marina/node-fleet/internal/postgres"
	"github.com/marina-cloud/marina/node-fleet/provider"
)

// Clusters is what the fleet needs of the control planes.
type Clusters interface {
	fleet.ControlPlanes
	// Client returns the configuration of a client with all rights in a cluster,
	// which is good for half an hour at least. As names who acts.
	Client(ctx context.Context, id tenant.ClusterID, as string) (*rest.Config, error)
}

// Secrets seals what must not be kept in the clear.
type Secrets interface {
	Seal(ctx context.Context, key string, plaintext, additional []byte) ([]byte, error)
	Open(ctx context.Context, key string, sealed, additional []byte) ([]byte, error)
}

// Events tells what happened, of which some may be missed.
type Events interface {
	Subscribe(ctx context.Context, filter string, f func(event.Event)) (stop func(), err error)
}

// Deps is what an App is made of.
type Deps struct {
	DB       *pg.DB
	Home     home.Home
	Events   Events
	Secrets  Secrets
	Provider provider.Provider
	// ProviderName is what operators call the provider.
	ProviderName string
	Clusters     Clusters
	Domain       string // of the installation; the node API is nodes.<Domain>
	// OneOrganization refuses nodes to a second organization, where the provider's
	// machines are not isolated from each other.
	OneOrganization bool
	// RegistryMirror is a registry (OCI distribution API) that nodes ask before an
	// image's own one; nil: none.
	RegistryMirror *url.URL
	Log            *slog.Logger

	Metrics     prometheus.Registerer // nil: nothing is shown
	Reconcilers *metrics.Reconcilers  // nil: nobody counts
	HTTP        *metrics.HTTP         // nil: nobody counts
}

// App is the fleet. It is safe for concurrent use.
type App struct {
	deps       Deps
	store      *postgres.Store
	kube       *kube.Clients
	addons     *addons.Addons
	identities identity.Dirs
	now        func() time.Time

	pools, nodes, approvers wake
}

// wake makes a loop look at once.
type wake chan struct{}

func (w wake) up() {
	select {
	case w <- struct{}{}:
	default: // it is about to look anyway
	}
}

// New returns the fleet. Nothing happens before Run.
func New(d Deps) (*App, error) {
	clients := &kube.Clients{Configs: d.Clusters}
	a := &App{
		deps:  d,
		store: &postgres.Store{DB: d.DB, OneOrganization: d.OneOrganization},
		kube:  clients,
		addons: &addons.Addons{Log: d.Log, Client: func(ctx context.Context, id tenant.ClusterID) (dynamic.Interface, error) {
			c, err := clients.For(ctx, id)
			return c.Dynamic, err
		}},
		identities: identity.Dirs{Home: d.Home},
		now:        time.Now,
		pools:      make(wake, 1), nodes: make(wake, 1), approvers: make(wake, 1),
	}
	return a, a.register(d.Metrics)
}

// client returns a client of a cluster.
func (a *App) client(ctx context.Context, id tenant.ClusterID) (kubernetes.Interface, error) {
	return a.kube.For(ctx, id)
}

// wakeAll makes every loop look at once.
func (a *App) wakeAll() {
	a.pools.up()
	a.nodes.up()
	a.approvers.up()
}
