//go:build integration

package addons

import (
	"context"
	"log/slog"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/marina-cloud/marina/internal/tenant"
	fleet "github.com/marina-cloud/marina/node-fleet"
	"github.com/marina-cloud/marina/node-fleet/fleettest"
)

// TestEnsure goes through the life of the system workloads in one cluster: what
// users change and remove stays so when Marina comes with another version.
func TestEnsure(t *testing.T) {
	t.Parallel()
	cfg, ctx := fleettest.APIServer(t), t.Context()
	client := kubernetes.NewForConfigOrDie(cfg)
	ensure := func() {
		t.Helper()
		fresh := &Addons{Log: slog.New(slog.DiscardHandler), Client: func(context.Context, tenant.ClusterID) (dynamic.Interface, error) {
			return dynamic.NewForConfig(cfg)
		}}
		for range 2 {
			if err := fresh.Ensure(ctx, fleet.Control{ID: "kc-a", DNS: "10.96.0.10"}); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Cleanup(func() { forget(t, cfg) })
	ensure()
	service, err := client.CoreV1().Services(namespace).Get(ctx, "kube-dns", metav1.GetOptions{})
	if err != nil || service.Spec.ClusterIP != "10.96.0.10" {
		t.Fatalf("kube-dns: %v, %v", service, err)
	}
	apps := client.AppsV1().Deployments(namespace)
	for _, name := range names {
		if _, err := apps.Get(ctx, name, metav1.GetOptions{}); err != nil {
			t.Fatal(err)
		}
	}

	patch := func(patch string) {
		t.Helper()
		if _, err := apps.Patch(ctx, "coredns", types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: "kubectl"}); err != nil {
			t.Fatal(err)
		}
	}
	patch(`{"spec": {"replicas": 3, "template": {"spec": {"containers": [{"name": "coredns", "image": "example.com/mine:1"}]}}}}`)
	config := []byte(`{"data": {"Corefile": "mine"}}`)
	if _, err := client.CoreV1().ConfigMaps(namespace).Patch(ctx, "coredns", types.MergePatchType, config, metav1.PatchOptions{FieldManager: "kubectl"}); err != nil {
		t.Fatal(err)
	}
	if err := apps.Delete(ctx, "metrics-server", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	// Another version, of both: as if the last one had been older.
	spoil := []byte(`{"data": {"coredns": "older", "metrics-server": "older"}}`)
	if _, err := client.CoreV1().ConfigMaps(namespace).Patch(ctx, record, types.MergePatchType, spoil, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := client.RbacV1().ClusterRoles().Delete(ctx, "system:coredns", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	ensure()
	d, err := apps.Get(ctx, "coredns", metav1.GetOptions{})
	if err != nil || *d.Spec.Replicas != 3 || d.Spec.Template.Spec.Containers[0].Image != "example.com/mine:1" {
		t.Errorf("a user's edits were overwritten: %+v, %v", d.Spec, err)
	}
	if c, err := client.CoreV1().ConfigMaps(namespace).Get(ctx, "coredns", metav1.GetOptions{}); err != nil || c.Data["Corefile"] != "mine" {
		t.Errorf("a user's Corefile was overwritten: %v, %v", c.Data, err)
	}
	if _, err := client.RbacV1().ClusterRoles().Get(ctx, "system:coredns", metav1.GetOptions{}); err != nil {
		t.Errorf("what nobody contests is not restored by a new version: %v", err)
	}
	if _, err := apps.Get(ctx, "metrics-server", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("what a user removed came back: %v", err)
	}
	// The same version again changes nothing, also not what is missing.
	if err := client.RbacV1().ClusterRoles().Delete(ctx, "system:coredns", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	ensure()
	if _, err := client.RbacV1().ClusterRoles().Get(ctx, "system:coredns", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("the same version was applied again: %v", err)
	}
}

// forget removes everything, for other tests of the same control plane.
func forget(t *testing.T, cfg *rest.Config) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	client := dynamic.NewForConfigOrDie(cfg)
	components, err := render(fleet.Control{DNS: "10.96.0.10"})
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Resource(configMaps).Namespace(namespace).Delete(ctx, record, metav1.DeleteOptions{}); err != nil {
		t.Error(err)
	}
	for _, c := range components {
		for _, o := range c.objects {
			r, namespaced := resource(o)
			var objects dynamic.ResourceInterface = client.Resource(r)
			if namespaced {
				objects = client.Resource(r).Namespace(namespace)
			}
			if err := objects.Delete(ctx, o.GetName(), metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
				t.Error(err)
			}
		}
	}
}
