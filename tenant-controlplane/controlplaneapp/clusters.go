package controlplaneapp

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/internal/event"
	"github.com/marina-cloud/marina/internal/tenant"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/authn"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/postgres"
)

// MaxClusters is how many clusters an organization may have at once, besides as many
// deleted ones.
const MaxClusters = postgres.MaxClusters

// Create adds a cluster. It is there at once, in phase provisioning. Actor and
// address are who asked and from where. Errors are a fault that names every wrong
// field, ErrNameTaken, ErrQuota and ErrCapacity.
func (a *App) Create(ctx context.Context, org tenant.OrganizationID, actor, address string, n controlplane.NewCluster) (controlplane.Cluster, error) {
	n = n.WithDefaults()
	if err := n.Validate(); err != nil {
		return controlplane.Cluster{}, err
	}
	id := tenant.NewClusterID()
	c, err := a.clusters.Create(ctx, postgres.Asker{Organization: org, Actor: actor, Address: address}, id, a.issuer(id), n)
	if err == nil {
		a.hurry()
	}
	return c, err
}

// Cluster returns a cluster, or ErrNoCluster.
func (a *App) Cluster(ctx context.Context, org tenant.OrganizationID, id tenant.ClusterID) (controlplane.Cluster, error) {
	return a.clusters.ByID(ctx, org, id)
}

// List returns up to limit of the organization's clusters with ids behind after,
// the oldest first: those that there are, or the deleted ones that can be brought back.
func (a *App) List(ctx context.Context, org tenant.OrganizationID, deleted bool, after string, limit int) ([]controlplane.Cluster, error) {
	return a.clusters.List(ctx, org, deleted, after, limit)
}

// Any reports, in a transaction of the organization, whether it has clusters; those that
// are being deleted count.
func (a *App) Any(ctx context.Context, tx pgx.Tx, org tenant.OrganizationID) (bool, error) {
	return postgres.Any(ctx, tx, org)
}

// Change changes a cluster, if only allows it, and returns it as it is then. Errors are
// a fault that names every wrong field, those of only, ErrNoCluster, ErrBadPhase and
// ErrNameTaken.
func (a *App) Change(ctx context.Context, org tenant.OrganizationID, actor, address string, id tenant.ClusterID, change controlplane.Change, only controlplane.Precondition) (controlplane.Cluster, error) {
	if err := change.Validate(); err != nil {
		return controlplane.Cluster{}, err
	}
	return a.clusters.Change(ctx, postgres.Asker{Organization: org, Actor: actor, Address: address}, id, change, only)
}

// Delete says that the owner wants the cluster gone, if only allows it, which it is a
// while later; to say it again changes nothing. It can be brought back for a time,
// unless it is to be purged, which may also be said later. Errors are those of only,
// ErrNoCluster, ErrProtected and ErrManyDeleted.
func (a *App) Delete(ctx context.Context, org tenant.OrganizationID, actor, address string, id tenant.ClusterID, purge bool, only controlplane.Precondition) (controlplane.Cluster, error) {
	keep := a.keep
	if purge {
		keep = 0
	}
	c, err := a.clusters.MarkDeleting(ctx, postgres.Asker{Organization: org, Actor: actor, Address: address}, id, keep, only)
	if err == nil {
		a.hurry()
	}
	return c, err
}

// Undelete says that the owner wants a deleted cluster back, with its endpoint, keys,
// objects and node pools; to say it again, or of a cluster that is not deleted,
// changes nothing. Errors are ErrNoCluster, ErrPurged, ErrQuota, ErrNameTaken and
// those of the nodes' quota.
func (a *App) Undelete(ctx context.Context, org tenant.OrganizationID, actor, address string, id tenant.ClusterID) (controlplane.Cluster, error) {
	c, err := a.clusters.ByID(ctx, org, id)
	if err != nil || !c.Deleting {
		return c, err
	}
	if err := c.Undeletable(); err != nil {
		return c, err
	}
	if err := (lateDependents{&a.dependents}).Room(ctx, org, id); err != nil {
		return c, err
	}
	c, err = a.clusters.Undelete(ctx, postgres.Asker{Organization: org, Actor: actor, Address: address}, id)
	if err == nil {
		a.hurry()
	}
	return c, err
}

// SetAuthentication says whose tokens the cluster takes besides its own. Its API server
// follows within seconds, without a restart, once all of the issuers can be asked. Errors
// are a fault that names every wrong field, ErrNoCluster and ErrBadPhase.
func (a *App) SetAuthentication(ctx context.Context, org tenant.OrganizationID, actor, address string, id tenant.ClusterID, n controlplane.Authentication) (controlplane.Cluster, error) {
	c, err := a.clusters.ByID(ctx, org, id)
	if err != nil {
		return controlplane.Cluster{}, err
	}
	if err := authn.Check(n, c.Issuer); err != nil {
		return controlplane.Cluster{}, err
	}
	c, err = a.clusters.SetAuthentication(ctx, postgres.Asker{Organization: org, Actor: actor, Address: address}, id, n)
	if err == nil {
		a.hurry()
	}
	return c, err
}

// Events returns up to limit of what happened to the cluster and its nodes behind
// the event after, the oldest first.
func (a *App) Events(ctx context.Context, org tenant.OrganizationID, id tenant.ClusterID, after string, limit int) ([]event.Event, error) {
	return a.clusters.Events(ctx, org, id, after, limit)
}

// Recent returns up to limit of what happened last to the organization's clusters,
// the newest first.
func (a *App) Recent(ctx context.Context, org tenant.OrganizationID, limit int) ([]controlplane.Happening, error) {
	return a.clusters.Recent(ctx, org, limit)
}

// Versions returns the Kubernetes versions that can be asked for, the newest,
// which is the default, first.
func (a *App) Versions() []controlplane.Version { return controlplane.Versions() }
