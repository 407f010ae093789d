package limits

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/authentication/user"

	"github.com/marina-cloud/marina/tenant-controlplane/kubernetes/config"
)

var (
	alice      = &user.DefaultInfo{Name: "usr-alice", Groups: []string{"marina:admins", "system:authenticated"}}
	node       = &user.DefaultInfo{Name: "system:node:a", Groups: []string{"system:nodes"}}
	controller = &user.DefaultInfo{Name: "system:serviceaccount:kube-system:replicaset-controller", Groups: []string{"system:serviceaccounts", "system:serviceaccounts:kube-system"}}
	workload   = &user.DefaultInfo{Name: "system:serviceaccount:shop:web", Groups: []string{"system:serviceaccounts", "system:serviceaccounts:shop"}}
)

func configMap(bytes int) *core.ConfigMap {
	return &core.ConfigMap{Data: map[string]string{"a": strings.Repeat("x", bytes)}}
}

type request struct {
	by       user.Info
	group    string
	resource string
	below    string // subresource
	in       string // namespace
	op       admission.Operation
	was, is  runtime.Object
	dryRun   bool
}

func (r request) attributes() admission.Attributes {
	gvr := schema.GroupVersionResource{Group: r.group, Version: "v1", Resource: r.resource}
	return admission.NewAttributesRecord(r.is, r.was, schema.GroupVersionKind{}, r.in, "name", gvr, r.below, r.op, nil, r.dryRun, r.by)
}

func TestValidate(t *testing.T) {
	limits := config.Limits{Cluster: "kc-a", Objects: config.Mark{Soft: 100, Reserve: 120}, Database: config.Mark{Soft: 80 << 20, Reserve: 95 << 20}}
	fullOf := map[string]Usage{
		"nothing": {}, "objects": {Keys: 100}, "many objects": {Keys: 120},
		"data": {Size: 80 << 20}, "much data": {Size: 95 << 20},
	}
	create := request{by: alice, resource: "configmaps", in: "shop", op: admission.Create, is: configMap(10)}
	tests := []struct {
		name    string
		full    string
		request request
		refused string // part of the message; empty: it passes
		why     string
	}{
		{"create with room", "nothing", create, "", "there is room"},
		{"create in a full cluster", "data", create, "80 MiB", "it is what the limit is for"},
		{"create with many objects", "objects", create, "100 objects", "so is that"},
		{"a workload's create", "data", request{by: workload, resource: "configmaps", in: "shop", op: admission.Create, is: configMap(1)}, "80 MiB", "it is the customer's, too"},
		{"a dry run", "data", request{by: alice, resource: "configmaps", in: "shop", op: admission.Create, is: configMap(1), dryRun: true}, "", "it leaves nothing behind"},
		{"growth", "data", request{by: alice, resource: "configmaps", in: "shop", op: admission.Update, was: configMap(10), is: configMap(5000)}, "80 MiB", "it is what the limit is for"},
		{"growth with many objects", "many objects", request{by: alice, resource: "configmaps", in: "shop", op: admission.Update, was: configMap(10), is: configMap(5000)}, "", "it makes no object"},
		{"shrinking", "much data", request{by: alice, resource: "configmaps", in: "shop", op: admission.Update, was: configMap(90000), is: configMap(80000)}, "", "it is what the message asks for"},
		{"delete", "much data", request{by: alice, resource: "configmaps", in: "shop", op: admission.Delete, was: configMap(10)}, "", "it is what the message asks for"},
		{"eviction", "much data", request{by: alice, resource: "pods", below: "eviction", in: "shop", op: admission.Create, is: &core.Pod{}}, "", "it is a delete"},
		{"token", "much data", request{by: workload, resource: "serviceaccounts", below: "token", in: "shop", op: admission.Create, is: &core.Pod{}}, "", "it is not stored"},
		{"review", "much data", request{by: workload, group: "authorization.k8s.io", resource: "subjectaccessreviews", op: admission.Create, is: &core.Pod{}}, "", "it is not stored"},
		{"binding", "much data", request{by: workload, resource: "pods", below: "binding", in: "shop", op: admission.Create, is: &core.Pod{}}, "", "a customer's scheduler works on"},
		{"a node", "much data", request{by: node, resource: "nodes", op: admission.Create, is: &core.Node{}}, "", "machines are replaced all the time"},
		{"a pod for a ReplicaSet", "data", request{by: controller, resource: "pods", in: "shop", op: admission.Create, is: &core.Pod{}}, "", "system writes pass"},
		{"a pod for a ReplicaSet in the end", "much data", request{by: controller, resource: "pods", in: "shop", op: admission.Create, is: &core.Pod{}}, "80 MiB", "a number in a Deployment must not fill etcd"},
		{"many pods for a ReplicaSet", "many objects", request{by: controller, resource: "pods", in: "shop", op: admission.Create, is: &core.Pod{}}, "objects", "the same"},
		{"a pod in kube-system", "much data", request{by: controller, resource: "pods", in: "kube-system", op: admission.Create, is: &core.Pod{}}, "", "cluster DNS must be replaceable"},
		{"a lease renewed", "much data", request{by: workload, group: "coordination.k8s.io", resource: "leases", in: "shop", op: admission.Update, was: configMap(10), is: configMap(20)}, "", "leader elections go on"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			u := fullOf[tt.full]
			p := plugin{
				Handler: admission.NewHandler(admission.Create, admission.Update), limits: limits,
				gauge: &gauge{ask: func(context.Context) (Usage, error) { return u, nil }},
			}
			a := tt.request.attributes()
			var err error
			if p.Handles(a.GetOperation()) {
				err = p.Validate(t.Context(), a, nil)
			}
			if tt.refused == "" && err != nil {
				t.Errorf("Validate: %v: %s", err, tt.why)
			}
			if tt.refused != "" && (!apierrors.IsForbidden(err) || !strings.Contains(err.Error(), tt.refused)) {
				t.Errorf("Validate: %v, want Forbidden and %q: %s", err, tt.refused, tt.why)
			}
		})
	}
}

// TestGauge: what was made since etcd was asked counts, and an etcd that does not
// answer stops nobody.
func TestGauge(t *testing.T) {
	asked := 0
	g := &gauge{soft: 100, ask: func(context.Context) (Usage, error) { asked++; return Usage{Keys: 10}, nil }}
	g.usage(t.Context())
	g.let(write{create: true, is: 5})
	g.let(write{create: true, is: 5})
	g.let(write{was: 10, is: 10})
	if u := g.usage(t.Context()); u.Keys != 12 || u.Size != 20 || asked != 1 {
		t.Errorf("after two creates and an update it says %+v, and asked %d times; want 12 keys, 20 bytes, and once", u, asked)
	}
	g.last.Store(&reading{Usage: Usage{Keys: 10}}) // long ago
	if u := g.usage(t.Context()); u.Keys != 10 || u.Size != 0 || asked != 2 {
		t.Errorf("after another answer it says %+v, and asked %d times; want 10 keys, and twice", u, asked)
	}
	g.ask = func(context.Context) (Usage, error) { return Usage{}, errors.New("gone") }
	g.last.Store(&reading{Usage: Usage{Keys: 11}})
	if u := g.usage(t.Context()); u.Keys != 11 {
		t.Errorf("without an answer it says %+v, want what was known", u)
	}
}

// TestGaugeOfASilentEtcd: one that is slow may have made what was let through, one
// that has not answered for long has not, however often clients try it again.
func TestGaugeOfASilentEtcd(t *testing.T) {
	for name, tt := range map[string]struct {
		silent time.Duration
		want   Usage
	}{
		"slow": {believed / 2, Usage{Keys: 15, Size: 35}},
		"gone": {2 * believed, Usage{Keys: 10, Size: 10}},
	} {
		t.Run(name, func(t *testing.T) {
			g := &gauge{soft: 100, ask: func(context.Context) (Usage, error) { return Usage{}, errors.New("no answer") }}
			answered := time.Now().Add(-tt.silent)
			for range 5 {
				g.let(write{create: true, is: 5})
				g.last.Store(&reading{Usage: Usage{Keys: 10, Size: 10}, answered: answered}) // due to be asked
				g.usage(t.Context())
			}
			if u := g.usage(t.Context()); u != tt.want {
				t.Errorf("after five creates it says %+v, want %+v", u, tt.want)
			}
		})
	}
}

// TestValidFor: the fuller, the sooner it is asked again.
func TestValidFor(t *testing.T) {
	for used, want := range map[int64]time.Duration{0: time.Second, 50: 500 * time.Millisecond, 99: shortest, 100: shortest, 200: shortest} {
		if got := validFor(used, 100); got != want {
			t.Errorf("at %d of 100 an answer holds for %s, want %s", used, got, want)
		}
	}
}

func TestSizeLeavesBookkeepingOut(t *testing.T) {
	plain, managed := configMap(100), configMap(100)
	managed.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "kubectl", FieldsV1: &metav1.FieldsV1{Raw: []byte(`{"f:data":{}}`)}}}
	if a, b := size(plain), size(managed); a != b || a < 100 {
		t.Errorf("an object counts as %d bytes, and as %d with managed fields; want the same", a, b)
	}
	if len(managed.ManagedFields) != 1 {
		t.Error("the request's own object was changed")
	}
}
