//go:build integration

package controlplane_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	core "k8s.io/api/core/v1"
	rbac "k8s.io/api/rbac/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/marina-cloud/marina/internal/fault"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

// workloads holds that people see of a cluster through Marina what the cluster's own
// rules let them see, and nothing else.
func workloads(t *testing.T, i *installation, c controlplane.Cluster, k kubernetes.Interface) {
	ctx := t.Context()
	eve := controlplane.Person{User: "eve@example.com", Group: controlplane.ViewersGroup}
	if _, err := k.CoreV1().Namespaces().Create(ctx, &core.Namespace{ObjectMeta: meta.ObjectMeta{Name: "shop"}}, meta.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, namespace := range []string{"shop", "default"} {
		pod := &core.Pod{ObjectMeta: meta.ObjectMeta{Name: "in-" + namespace}, Spec: core.PodSpec{Containers: []core.Container{{Name: "main", Image: "none"}}}}
		i.eventually("the namespace takes pods", time.Minute, func() bool { // it waits for its ServiceAccount
			_, err := k.CoreV1().Pods(namespace).Create(ctx, pod, meta.CreateOptions{})
			return err == nil
		})
	}
	pods := func(who controlplane.Person, namespace string) ([]string, error) {
		found, err := i.app.Pods(ctx, i.org, c.ID, who, controlplane.PageQuery{Namespace: namespace, Limit: 100})
		names := []string{}
		for _, p := range found.Items {
			if p.Status != "Pending" || p.Ready != "0/1" || p.Restarts != "0" || p.Node != "" || time.Since(p.CreatedAt) > time.Minute {
				t.Errorf("a pod that has no node is %+v", p)
			}
			names = append(names, p.Namespace+"/"+p.Name)
		}
		return names, err
	}
	all := []string{"default/in-default", "shop/in-shop"}
	if got, err := pods(eve, ""); err != nil || !slices.Equal(got, all) {
		t.Errorf("pods that a viewer sees: %v, %v", got, err)
	}
	first, err := i.app.Pods(ctx, i.org, c.ID, eve, controlplane.PageQuery{Limit: 1})
	if err != nil || len(first.Items) != 1 || first.Continue == "" {
		t.Fatalf("the first page: %+v, %v", first, err)
	}
	second, err := i.app.Pods(ctx, i.org, c.ID, eve, controlplane.PageQuery{Limit: 1, Continue: first.Continue})
	if err != nil || len(second.Items) != 1 || second.Items[0].Name != "in-shop" {
		t.Errorf("the second page: %+v, %v", second, err)
	}
	if _, err := i.app.Pods(ctx, i.org, c.ID, eve, controlplane.PageQuery{Limit: 1, Continue: "nonsense"}); !errors.Is(err, controlplane.ErrBadContinue) {
		t.Errorf("a page that never was: error = %v, want ErrBadContinue", err)
	}
	i.eventually("the scheduler's event is seen", time.Minute, func() bool {
		found, err := i.app.KubernetesEvents(ctx, i.org, c.ID, eve, "shop", 10)
		if err != nil {
			t.Fatal(err)
		}
		return slices.ContainsFunc(found.Items, func(h controlplane.KubernetesEvent) bool {
			return h.Object == "Pod/in-shop" && h.Reason == "FailedScheduling" && h.Warning
		})
	})

	for _, who := range []controlplane.Person{{User: "eve@example.com", Group: "system:masters"}, {User: "eve@example.com", Group: "system:nodes"}} {
		if got, err := pods(who, ""); !errors.Is(err, controlplane.ErrNotAllowedInside) {
			t.Errorf("in the name of %s: %v, %v; want a refusal", who.Group, got, err)
		}
	}
	if _, err := pods(controlplane.Person{User: "eve@example.com"}, ""); !errors.Is(err, controlplane.ErrNoAccess) {
		t.Errorf("somebody without a role: error = %v, want ErrNoAccess", err)
	}

	// The owner narrows what viewers see; Marina would repair its own bindings.
	i.stop()
	for _, name := range []string{"marina:viewers", "marina:viewers-view"} {
		if err := k.RbacV1().ClusterRoleBindings().Delete(ctx, name, meta.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := k.RbacV1().RoleBindings("shop").Create(ctx, &rbac.RoleBinding{
		ObjectMeta: meta.ObjectMeta{Name: "eve"},
		Subjects:   []rbac.Subject{{Kind: rbac.UserKind, APIGroup: rbac.GroupName, Name: eve.User}},
		RoleRef:    rbac.RoleRef{APIGroup: rbac.GroupName, Kind: "ClusterRole", Name: "view"},
	}, meta.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	i.eventually("the rules are narrowed", 10*time.Second, func() bool {
		_, err := pods(eve, "")
		return errors.Is(err, controlplane.ErrNotAllowedInside)
	})
	i.eventually("one namespace is seen", 10*time.Second, func() bool {
		got, err := pods(eve, "shop")
		return err == nil && slices.Equal(got, []string{"shop/in-shop"})
	})
	if got, err := pods(eve, "default"); !errors.Is(err, controlplane.ErrNotAllowedInside) {
		t.Errorf("another namespace: %v, %v; want a refusal", got, err)
	}
	if _, err := i.app.Namespaces(ctx, i.org, c.ID, eve, controlplane.PageQuery{Limit: 10}); !errors.Is(err, controlplane.ErrNotAllowedInside) {
		t.Errorf("the namespaces: error = %v, want a refusal", err)
	}
	if _, err := i.app.KubernetesEvents(ctx, i.org, c.ID, eve, "", 10); !errors.Is(err, controlplane.ErrNotAllowedInside) || fault.From(err).Msg == "" {
		t.Errorf("the events: error = %v, want a refusal", err)
	}
	i.start()
	i.eventually("Marina's bindings are back", time.Minute, func() bool {
		got, err := pods(eve, "")
		return err == nil && slices.Equal(got, all)
	})
}
