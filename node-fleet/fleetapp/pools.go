package fleetapp

import (
	"context"

	"github.com/marina-cloud/marina/internal/fault"
	"github.com/marina-cloud/marina/internal/tenant"
	fleet "github.com/marina-cloud/marina/node-fleet"
	"github.com/marina-cloud/marina/node-fleet/internal/postgres"
)

// CreatePool adds a pool to an organization's cluster and begins to make its
// nodes. Actor and address go to the audit log. It returns a fault of kind
// Invalid, ErrNoCluster (also when the cluster is another organization's),
// ErrGoing, ErrNameTaken, ErrQuota or ErrUntrusted.
func (a *App) CreatePool(ctx context.Context, org tenant.OrganizationID, actor, address string, cluster tenant.ClusterID, p fleet.NewPool) (fleet.Pool, error) {
	if err := p.Validate(); err != nil {
		return fleet.Pool{}, err
	}
	c, err := a.owned(ctx, org, cluster)
	if err != nil {
		return fleet.Pool{}, err
	}
	if c.Deleting {
		return fleet.Pool{}, fleet.ErrGoing
	}
	pool, err := a.store.CreatePool(ctx, postgres.By{Organization: org, Actor: actor, Address: address}, cluster, p)
	if err == nil {
		a.pools.up()
	}
	return pool, err
}

// Pools returns up to limit pools of a cluster, the oldest first, beginning after
// the id after. It returns ErrNoCluster.
func (a *App) Pools(ctx context.Context, org tenant.OrganizationID, cluster tenant.ClusterID, after string, limit int) ([]fleet.Pool, error) {
	if _, err := a.owned(ctx, org, cluster); err != nil {
		return nil, err
	}
	return a.store.ListPools(ctx, org, cluster, after, limit)
}

// Pool returns a pool, or ErrNoPool.
func (a *App) Pool(ctx context.Context, org tenant.OrganizationID, cluster tenant.ClusterID, id tenant.PoolID) (fleet.Pool, error) {
	return a.store.PoolByID(ctx, org, cluster, id)
}

// Resize changes how many nodes a pool should have, if only allows it. It returns a
// fault of kind Invalid, an error of only, ErrNoPool, ErrPoolGoing, ErrQuota or
// ErrUntrusted.
func (a *App) Resize(ctx context.Context, org tenant.OrganizationID, actor, address string, cluster tenant.ClusterID, id tenant.PoolID, count int, only fleet.Precondition) (fleet.Pool, error) {
	if err := fleet.ValidateCount(count); err != nil {
		return fleet.Pool{}, err
	}
	pool, err := a.store.Resize(ctx, postgres.By{Organization: org, Actor: actor, Address: address}, cluster, id, count, only)
	if err == nil {
		a.pools.up()
	}
	return pool, err
}

// DeletePool begins to remove a pool and its nodes, whose pods are moved to other
// nodes first, if only allows it; it is no error that this has begun already. It
// returns the pool as it is then, an error of only, or ErrNoPool.
func (a *App) DeletePool(ctx context.Context, org tenant.OrganizationID, actor, address string, cluster tenant.ClusterID, id tenant.PoolID, only fleet.Precondition) (fleet.Pool, error) {
	p, err := a.store.DeletePool(ctx, postgres.By{Organization: org, Actor: actor, Address: address}, cluster, id, only)
	if err == nil {
		a.pools.up()
	}
	return p, err
}

// Tally counts the nodes of all of an organization's clusters.
func (a *App) Tally(ctx context.Context, org tenant.OrganizationID) (map[tenant.ClusterID][]fleet.Tally, error) {
	return a.store.Tally(ctx, org)
}

// Nodes returns up to limit nodes of a cluster, the oldest first, beginning after
// the id after. It returns ErrNoCluster.
func (a *App) Nodes(ctx context.Context, org tenant.OrganizationID, cluster tenant.ClusterID, after string, limit int) ([]fleet.Node, error) {
	if _, err := a.owned(ctx, org, cluster); err != nil {
		return nil, err
	}
	return a.store.ListNodes(ctx, org, cluster, after, limit)
}

// Node returns a node, or ErrNoNode.
func (a *App) Node(ctx context.Context, org tenant.OrganizationID, cluster tenant.ClusterID, id tenant.NodeID) (fleet.Node, error) {
	return a.store.NodeByID(ctx, org, cluster, id)
}

// Release begins to remove all nodes of a cluster that is being deleted, without
// draining them, and reports whether nothing of them is left. Its pools go, too, if it
// goes for good, and are suspended otherwise. It is to be called until nothing is left.
func (a *App) Release(ctx context.Context, cluster tenant.ClusterID, forGood bool) (gone bool, err error) {
	release := a.store.SuspendCluster
	if forGood {
		release = a.store.ReleaseCluster
	}
	left, err := release(ctx, cluster)
	if err != nil {
		return false, err
	}
	a.wakeAll()
	if left > 0 {
		return false, nil
	}
	// A machine that nobody knows of can come of a creation that was broken off.
	machines, err := a.deps.Provider.Machines(ctx, cluster)
	if err != nil {
		return false, err
	}
	for _, m := range machines {
		if err := a.deps.Provider.Delete(ctx, m.Node); err != nil {
			return false, err
		}
	}
	if err := a.deps.Provider.Release(ctx, cluster); err != nil {
		return false, err
	}
	a.kube.Drop(cluster)
	a.addons.Forget(cluster)
	return true, nil
}

// Room returns ErrQuota or ErrUntrusted when the pools of a deleted cluster cannot all
// have their nodes back.
func (a *App) Room(ctx context.Context, org tenant.OrganizationID, cluster tenant.ClusterID) error {
	return a.store.Room(ctx, org, cluster)
}

// owned returns the control plane of an organization's cluster, or ErrNoCluster.
func (a *App) owned(ctx context.Context, org tenant.OrganizationID, cluster tenant.ClusterID) (fleet.Control, error) {
	c, err := a.deps.Clusters.Control(ctx, cluster)
	if err != nil {
		if fault.From(err).Kind == fault.NotFound {
			return c, fleet.ErrNoCluster
		}
		return c, err
	}
	if c.Organization != org {
		return fleet.Control{}, fleet.ErrNoCluster
	}
	return c, nil
}
