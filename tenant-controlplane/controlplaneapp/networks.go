package controlplaneapp

import (
	"context"
	"net/netip"

	"github.com/marina-cloud/marina/internal/tenant"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/postgres"
)

// SetNetworks says from which networks people may reach the cluster's API server; none:
// from everywhere. When it returns, the router knows, and cuts within a second or two
// what is open from elsewhere. Errors are ErrNoCluster, and ErrBadPhase when the cluster
// is being deleted.
func (a *App) SetNetworks(ctx context.Context, org tenant.OrganizationID, actor, address string, id tenant.ClusterID, networks []netip.Prefix) (controlplane.Cluster, error) {
	c, err := a.clusters.SetNetworks(ctx, postgres.Asker{Organization: org, Actor: actor, Address: address}, id, networks)
	if err != nil {
		return c, err
	}
	a.hurry()
	if !c.Usable() {
		return c, nil // the router is told of the cluster when it comes to that
	}
	// The row is what counts, and the reconciler will see it. But it may be busy with
	// the cluster, or wait for something: what is urgent is done here.
	if err := a.place.Publish(context.WithoutCancel(ctx), id); err != nil {
		a.log.WarnContext(ctx, "authorized networks not published at once", "cluster", id, "error", err)
	}
	return c, nil
}
