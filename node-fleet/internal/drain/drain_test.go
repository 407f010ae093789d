//go:build integration

package drain_test

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"

	"github.com/marina-cloud/marina/node-fleet/fleettest"
	"github.com/marina-cloud/marina/node-fleet/internal/drain"
	"github.com/marina-cloud/marina/node-fleet/internal/kube"
)

func TestDrain(t *testing.T) {
	t.Parallel()
	client, ctx := kubernetes.NewForConfigOrDie(fleettest.APIServer(t)), t.Context()
	drained, other, guard := fleettest.Unique("drained"), fleettest.Unique("other"), fleettest.Unique("guard")
	plain, guarded, static, elsewhere := fleettest.Unique("plain"), fleettest.Unique("guarded"), fleettest.Unique("static"), fleettest.Unique("elsewhere")
	fleettest.Register(t, client, drained)
	fleettest.Register(t, client, other)
	fleettest.Pod(t, client, other, elsewhere, nil)
	fleettest.Pod(t, client, drained, plain, nil)
	fleettest.Pod(t, client, drained, guarded, func(p *corev1.Pod) { p.Labels = map[string]string{"app": guarded} })
	fleettest.Pod(t, client, drained, static, func(p *corev1.Pod) {
		p.Annotations = map[string]string{corev1.MirrorPodAnnotationKey: "x"}
	})
	one := intstr.FromInt32(1)
	_, err := client.PolicyV1().PodDisruptionBudgets("default").Create(ctx, &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Name: guard},
		Spec:       policyv1.PodDisruptionBudgetSpec{MinAvailable: &one, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": guarded}}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	pod := func(name string) *corev1.Pod {
		t.Helper()
		p, err := client.CoreV1().Pods("default").Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	left := func(want int) {
		t.Helper()
		if got, err := drain.Left(ctx, client, drained); err != nil || got != want {
			t.Errorf("Left = %d, %v; want %d", got, err, want)
		}
	}
	left(2)
	for range 2 { // a pass may be repeated
		if err := drain.Pass(ctx, client, drained); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := client.CoreV1().Nodes().Get(ctx, drained, metav1.GetOptions{}); err != nil || !n.Spec.Unschedulable {
		t.Errorf("node: %v, %v; want it cordoned", n, err)
	}
	for name, goes := range map[string]bool{plain: true, guarded: false, static: false, elsewhere: false} {
		if p := pod(name); (p.DeletionTimestamp != nil) != goes {
			t.Errorf("pod %s was asked to leave: %v; want %v", name, !goes, goes)
		}
	}
	left(2) // one that ends, and one that may not be asked yet
	if err := client.PolicyV1().PodDisruptionBudgets("default").Delete(ctx, guard, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	deadline := time.Now().Add(time.Minute)
	for pod(guarded).DeletionTimestamp == nil { // the API server's view of budgets is a cache
		if time.Now().After(deadline) {
			t.Fatal("the pod without a budget is not evicted")
		}
		if err := drain.Pass(ctx, client, drained); err != nil {
			t.Fatal(err)
		}
		<-tick.C
	}
	for range 2 {
		if err := kube.DeleteNode(ctx, client, drained); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{plain, guarded, static} {
		if p, err := client.CoreV1().Pods("default").Get(ctx, name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			t.Errorf("pod %s: %v, %v; want it to go with its node", name, p, err)
		}
	}
	if p := pod(elsewhere); p.DeletionTimestamp != nil {
		t.Error("a pod of another node was deleted")
	}
	if _, err := client.CoreV1().Nodes().Get(ctx, drained, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("the Node object: %v, want NotFound", err)
	}
	if err := drain.Pass(ctx, client, drained); err != nil {
		t.Errorf("a node that is gone: %v", err)
	}
}
