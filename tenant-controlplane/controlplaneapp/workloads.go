package controlplaneapp

import (
	"context"

	"github.com/marina-cloud/marina/internal/tenant"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

// Namespaces returns a page of the namespaces that a person sees in a cluster. Errors
// are ErrNoCluster, ErrNoAccess, ErrNotRunning, and the faults of looking into a cluster.
func (a *App) Namespaces(ctx context.Context, org tenant.OrganizationID, id tenant.ClusterID, who controlplane.Person, q controlplane.PageQuery) (controlplane.Objects[controlplane.Namespace], error) {
	if err := a.mayLookInto(ctx, org, id, who); err != nil {
		return controlplane.Objects[controlplane.Namespace]{}, err
	}
	return a.api.Namespaces(ctx, id, who, q)
}

// Pods returns a page of the pods that a person sees in a cluster. Errors are those of
// Namespaces.
func (a *App) Pods(ctx context.Context, org tenant.OrganizationID, id tenant.ClusterID, who controlplane.Person, q controlplane.PageQuery) (controlplane.Objects[controlplane.Pod], error) {
	if err := a.mayLookInto(ctx, org, id, who); err != nil {
		return controlplane.Objects[controlplane.Pod]{}, err
	}
	return a.api.Pods(ctx, id, who, q)
}

// KubernetesEvents returns up to limit of the newest events that a person sees in a cluster's
// namespace or, when it is empty, in all of them. Errors are those of Namespaces.
func (a *App) KubernetesEvents(ctx context.Context, org tenant.OrganizationID, id tenant.ClusterID, who controlplane.Person, namespace string, limit int) (controlplane.KubernetesEvents, error) {
	if err := a.mayLookInto(ctx, org, id, who); err != nil {
		return controlplane.KubernetesEvents{}, err
	}
	return a.api.KubernetesEvents(ctx, id, who, namespace, limit)
}

// mayLookInto holds that there is somebody to ask for, and something to ask.
func (a *App) mayLookInto(ctx context.Context, org tenant.OrganizationID, id tenant.ClusterID, who controlplane.Person) error {
	c, err := a.clusters.ByID(ctx, org, id)
	if err != nil {
		return err
	}
	if who.User == "" || who.Group == "" {
		return controlplane.ErrNoAccess
	}
	if !c.Usable() {
		return controlplane.ErrNotRunning.Saying("The cluster %s is not running: its phase is %s.", c.Name, c.Phase)
	}
	return nil
}
