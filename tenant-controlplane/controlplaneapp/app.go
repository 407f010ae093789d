// Package controlplaneapp is the door to the control planes: what the gateway and
// the fleet may ask for, and the loop that carries it out.
package controlplaneapp

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/marina-cloud/marina/internal/event"
	"github.com/marina-cloud/marina/internal/home"
	"github.com/marina-cloud/marina/internal/route"
	"github.com/marina-cloud/marina/internal/tenant"
	"github.com/marina-cloud/marina/migrations/pg"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/egress"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/kms"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/kube"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/postgres"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/reconcile"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/runtime"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/terminal"
)

// parallel is how many clusters are worked on at once. Most of that work is
// waiting for a control plane to start.
const parallel = 16

// App is the control-plane context. It is safe for concurrent use.
type App struct {
	clusters   postgres.Clusters
	operator   postgres.Operator
	work       postgres.Work
	queue      pg.Queue
	reconciler *reconcile.Reconciler
	place      *reconcile.Place
	keys       reconcile.Keys
	kms        *kms.Server
	egress     *egress.Server
	oci        *runtime.OCI
	api        *kube.Clusters
	deaths     *reconcile.Deaths
	terminals  *terminal.Server
	events     Events
	domain     string
	publicURL  string
	log        *slog.Logger
	nudge      chan struct{}
	news       chan tenant.ClusterID // clusters to look at at once
	rise       rise
	dependents atomic.Pointer[Dependents]
	keep       time.Duration // of what is deleted
	home       home.Home
	files      reconcile.Files
	uses       uses    // of credentials
	followers  readers // of logs, those who stay
	readers    readers // and those who go
	scraped    scraped
	ending     context.Context // ends when Run does: readers of logs go
	end        context.CancelFunc
	expiry     struct{ read, first time.Time } // of certificates, for the metrics
}

// Events tells of what happened elsewhere; it only makes reactions quicker.
type Events interface {
	Subscribe(ctx context.Context, filter string, f func(event.Event)) (stop func(), err error)
}

// Dependents are what needs a cluster, such as its nodes: they go before it does.
type Dependents interface {
	// Release asks all of them to go, for good or until the cluster is brought back,
	// as often as it is called, and reports whether none is left. The cluster's API
	// server runs meanwhile, if it can.
	Release(ctx context.Context, id tenant.ClusterID, forGood bool) (gone bool, err error)
	// Room returns an error when those that left for now cannot all come back.
	Room(ctx context.Context, org tenant.OrganizationID, id tenant.ClusterID) error
}

// now is without a monotonic part and in the precision of the database, so that a
// time compares equal after it was stored.
func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

// lateDependents are set after the App, which they need themselves.
type lateDependents struct{ p *atomic.Pointer[Dependents] }

func (l lateDependents) Release(ctx context.Context, id tenant.ClusterID, forGood bool) (bool, error) {
	if d := l.p.Load(); d != nil {
		return (*d).Release(ctx, id, forGood)
	}
	return true, nil
}

func (l lateDependents) Room(ctx context.Context, org tenant.OrganizationID, id tenant.ClusterID) error {
	if d := l.p.Load(); d != nil {
		return (*d).Room(ctx, org, id)
	}
	return nil
}

// SetDependents says what has to go before a cluster does. Call it before Run.
func (a *App) SetDependents(d Dependents) { a.dependents.Store(&d) }

// Run takes over the control planes that run already and brings all clusters to
// what their owners want, until ctx ends. The control planes run on after that.
func (a *App) Run(ctx context.Context) error {
	defer context.AfterFunc(ctx, a.end)()
	defer a.end()
	defer a.api.Close()
	defer a.kms.Shutdown()
	defer a.egress.Shutdown()
	defer a.deaths.Close()
	defer a.terminals.Shutdown()
	if err := a.terminals.Sweep(ctx); err != nil {
		return err
	}
	if err := a.adopt(ctx); err != nil {
		return err
	}
	if a.events != nil {
		stop, err := a.events.Subscribe(ctx, string(event.ClusterChanged), func(event.Event) { a.hurry() })
		if err != nil {
			return fmt.Errorf("listen for changes of clusters: %w", err)
		}
		defer stop()
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return a.queue.Run(ctx, a.nudge, parallel, a.rise.seeTo(a.reconciler.Reconcile)) })
	g.Go(func() error { return a.wakeAfterNews(ctx) })
	g.Go(func() error { return a.oci.RotateLogs(ctx) })
	g.Go(func() error { return a.keepCredentials(ctx) })
	return g.Wait()
}

// adopt opens the sockets of all clusters (the encryption of Secrets, the way to the
// Internet) before anything else:
// their API servers went on running, and ask for it. Whatever else is amiss, the
// reconciler finds. Clusters in use come first, here and there.
func (a *App) adopt(ctx context.Context) error {
	alive, err := a.work.Alive(ctx)
	if err != nil {
		return fmt.Errorf("find the clusters of this installation: %w", err)
	}
	alive = inUseFirst(alive, a.lastUse)
	for _, c := range alive {
		if err := a.place.Adopt(ctx, c); err != nil {
			a.log.WarnContext(ctx, "cluster not taken over yet", "cluster", c.ID, "error", err)
		}
	}
	a.rise.begin(alive)
	if err := a.work.WakeInTurn(ctx, alive); err != nil {
		return fmt.Errorf("wake the clusters of this installation: %w", err)
	}
	return nil
}

// lastUse is when connections were carried to a cluster last; zero: never, or nobody
// knows.
func (a *App) lastUse(id tenant.ClusterID) time.Time {
	at, err := route.LastUse(a.home.LastUse(id))
	if err != nil {
		a.log.Warn("cluster is taken for one that nobody uses", "cluster", id, "error", err)
	}
	return at
}

// hurry makes the loop look at once.
func (a *App) hurry() {
	select {
	case a.nudge <- struct{}{}:
	default: // it is about to look anyway
	}
}

// noteNews makes a cluster due of which something was noticed: the end of a process, an
// answer of an issuer.
func (a *App) noteNews(id tenant.ClusterID) {
	select {
	case a.news <- id:
	default: // very many at once; the periodic look finds it
	}
}

func (a *App) wakeAfterNews(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case id := <-a.news:
			if err := a.work.Wake(ctx, id); err != nil && ctx.Err() == nil {
				a.log.WarnContext(ctx, "cluster not woken after news of it", "cluster", id, "error", err)
			}
			a.hurry()
		}
	}
}

func (a *App) serverName(id tenant.ClusterID) string { return string(id) + "." + a.domain }

func (a *App) tunnelName(id tenant.ClusterID) string { return "tunnel." + a.serverName(id) }
