package fleetapp

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/marina-cloud/marina/internal/event"
	"github.com/marina-cloud/marina/internal/seal"
	"github.com/marina-cloud/marina/internal/tenant"
	"github.com/marina-cloud/marina/node-fleet/internal/authority"
	"github.com/marina-cloud/marina/node-fleet/internal/csr"
	"github.com/marina-cloud/marina/node-fleet/internal/nodeapi"
	"github.com/marina-cloud/marina/node-fleet/internal/reconcile"
	"github.com/marina-cloud/marina/node-fleet/internal/world"
	"github.com/marina-cloud/marina/node-fleet/join"
)

// How many pools and nodes are worked on at once. A node that joins is waited for,
// so many nodes are cheap; machines that start compete for the host by themselves.
const (
	poolWorkers = 4
	nodeWorkers = 32
)

const (
	renewal  = time.Hour       // how often the serving certificate is looked at
	sweeping = 5 * time.Second // how late an approver may start that nobody asked for
	again    = time.Second     // how often a secret store that does not answer is asked
)

// Run keeps pools and nodes as they should be, serves the node API and decides on
// certificate requests, until ctx ends; then it returns nil once all of that has
// stopped. Machines and nodes go on without it.
func (a *App) Run(ctx context.Context) error {
	err := a.run(ctx)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// authority loads the platform's authority, without which nothing can be said to
// machines, and waits while the secret store does not answer. Nodes go on meanwhile.
func (a *App) authority(ctx context.Context) (*authority.Authority, error) {
	for n := 0; ; n++ {
		ca, err := authority.Load(ctx, a.store, a.deps.Secrets, a.now())
		if err == nil || !errors.Is(err, seal.ErrAway) {
			return ca, err
		}
		if n == 0 {
			a.deps.Log.WarnContext(ctx, "machines are not answered until the secret store can be used", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(again):
		}
	}
}

func (a *App) run(ctx context.Context) error {
	ca, err := a.authority(ctx)
	if err != nil {
		return err
	}
	if err := a.certify(ca); err != nil {
		return err
	}
	joined, err := a.store.Joined(ctx)
	if err != nil {
		return fmt.Errorf("list nodes that joined: %w", err)
	}
	if err := a.identities.Restore(joined); err != nil {
		return err
	}
	defer a.kube.Close()
	group, ctx := errgroup.WithContext(ctx)
	stop, err := a.subscribe(ctx)
	if err != nil {
		return err
	}
	defer stop()
	group.Go(func() error { return a.nodeAPI(ca).Run(ctx) })
	group.Go(func() error { return a.runPools(ctx) })
	group.Go(func() error { return a.runNodes(ctx, ca) })
	group.Go(func() error { a.approve(ctx); return nil })
	group.Go(func() error { return a.renew(ctx, ca) })
	return group.Wait()
}

func (a *App) serverName() string { return join.ServerPrefix + a.deps.Domain }

// certificates is the directory from which the node API and the router read who
// they are.
func (a *App) certificates() string { return a.deps.Home.Router() }

func (a *App) certify(ca *authority.Authority) error {
	return ca.Materialize(a.certificates(), a.serverName(), a.now())
}

func (a *App) renew(ctx context.Context, ca *authority.Authority) error {
	tick := time.NewTicker(renewal)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := a.certify(ca); err != nil {
			// The present certificate is good for days, and the next try is near.
			a.deps.Log.ErrorContext(ctx, "serving certificate of the node API not renewed", "error", err)
		}
	}
}

func (a *App) nodeAPI(ca *authority.Authority) *nodeapi.Server {
	return &nodeapi.Server{
		Socket: a.deps.Home.NodesSocket(), Certificates: a.certificates(), Mirror: a.deps.RegistryMirror, Log: a.deps.Log, HTTP: a.deps.HTTP,
		API: &nodeapi.API{
			Store: a.store, Control: a.deps.Clusters, Authority: ca, Identities: a.identities,
			Joined: a.nodes.up, Log: a.deps.Log, Now: a.now,
		},
	}
}

func (a *App) runPools(ctx context.Context) error {
	r := &reconcile.Pools{
		Store: a.store, Clusters: a.deps.Clusters, Addons: a.addons, Log: a.deps.Log, Now: a.now, Metrics: a.deps.Reconcilers,
		Wake: func() { a.nodes.up(); a.approvers.up() },
	}
	q := a.store.Pools()
	q.Log, q.Metrics = a.deps.Log, a.deps.Reconcilers
	return q.Run(ctx, a.pools, poolWorkers, r.Reconcile)
}

func (a *App) runNodes(ctx context.Context, ca *authority.Authority) error {
	r := &reconcile.Nodes{
		Store: a.store, Clusters: a.deps.Clusters, Wake: a.pools.up, Log: a.deps.Log, Now: a.now, Metrics: a.deps.Reconcilers,
		World: &world.World{
			Provider: a.deps.Provider, Kube: a.client, Tokens: a.store, Identities: a.identities,
			ServerName: a.serverName(), Authority: string(ca.PEM), Log: a.deps.Log,
		},
	}
	q := a.store.Nodes()
	q.Log, q.Metrics = a.deps.Log, a.deps.Reconcilers
	return q.Run(ctx, a.nodes, nodeWorkers, r.Reconcile)
}

// approve runs an approver of certificate requests for each cluster with nodes.
func (a *App) approve(ctx context.Context) {
	approvers := &csr.Approvers{New: func(id tenant.ClusterID) *csr.Approver {
		return &csr.Approver{Cluster: id, Nodes: a.store, Client: a.client, Log: a.deps.Log}
	}}
	defer approvers.Stop()
	tick := time.NewTicker(sweeping)
	defer tick.Stop()
	for {
		if clusters, err := a.store.Clusters(ctx); err == nil {
			approvers.Serve(ctx, clusters)
		} else if ctx.Err() == nil {
			a.deps.Log.WarnContext(ctx, "clusters with nodes not listed", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-a.approvers:
		case <-tick.C:
		}
	}
}

// subscribe wakes the loops when other processes, or other contexts, changed
// something that matters here.
func (a *App) subscribe(ctx context.Context) (stop func(), err error) {
	own, err := a.deps.Events.Subscribe(ctx, "fleet.>", func(event.Event) { a.wakeAll() })
	if err != nil {
		return nil, err
	}
	clusters, err := a.deps.Events.Subscribe(ctx, string(event.ClusterRunning), func(e event.Event) {
		if err := a.store.WakeCluster(ctx, tenant.ClusterID(e.Subject)); err != nil {
			a.deps.Log.WarnContext(ctx, "nodes of a cluster not woken", "cluster", e.Subject, "error", err)
		}
		a.wakeAll()
	})
	if err != nil {
		own()
		return nil, err
	}
	return func() { own(); clusters() }, nil
}
