package gateway_test

import (
	"context"
	"fmt"

	"github.com/marina-cloud/marina/internal/tenant"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

// What runs in the world's clusters is named by who asks for what.

func (w *world) Namespaces(ctx context.Context, org tenant.OrganizationID, id tenant.ClusterID, who controlplane.Person, q controlplane.PageQuery) (controlplane.Objects[controlplane.Namespace], error) {
	pods, err := w.Pods(ctx, org, id, who, q)
	if err != nil {
		return controlplane.Objects[controlplane.Namespace]{}, err
	}
	return controlplane.Objects[controlplane.Namespace]{Items: []controlplane.Namespace{{Name: pods.Items[0].Name}}}, nil
}

func (w *world) Pods(ctx context.Context, org tenant.OrganizationID, id tenant.ClusterID, who controlplane.Person, q controlplane.PageQuery) (out controlplane.Objects[controlplane.Pod], err error) {
	c, err := w.Cluster(ctx, org, id)
	if err != nil {
		return out, err
	}
	if !c.Usable() {
		return out, controlplane.ErrNotRunning
	}
	if q.Namespace == "forbidden" {
		return out, controlplane.ErrNotAllowedInside
	}
	out.Items = []controlplane.Pod{{Name: fmt.Sprintf("%s %s %d %s", who.User, who.Group, q.Limit, q.Continue), Namespace: q.Namespace}}
	out.Continue = "next"
	return out, nil
}

func (w *world) KubernetesEvents(ctx context.Context, org tenant.OrganizationID, id tenant.ClusterID, who controlplane.Person, _ string, limit int) (out controlplane.KubernetesEvents, err error) {
	if _, err := w.Cluster(ctx, org, id); err != nil {
		return out, err
	}
	return controlplane.KubernetesEvents{Items: []controlplane.KubernetesEvent{{Object: fmt.Sprintf("%s %s %d", who.User, who.Group, limit)}}, More: true}, nil
}
