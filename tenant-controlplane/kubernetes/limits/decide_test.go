package limits

import (
	"strings"
	"testing"

	"github.com/marina-cloud/marina/tenant-controlplane/kubernetes/config"
)

func TestPasses(t *testing.T) {
	const kib = 1 << 10
	customer, grown := write{create: true, is: kib}, write{was: 10 * kib, is: 20 * kib}
	tests := []struct {
		name                string
		w                   write
		whileSoft, inTheEnd bool // whether it passes
		why                 string
	}{
		{"a customer's create", customer, false, false, "it is what the limit is for"},
		{"growth", grown, false, false, "so is that"},
		{"a customer's create in kube-system", write{create: true, own: true, is: kib}, false, false, "it is still the customer's"},
		{"a small change", write{was: 10 * kib, is: 10*kib + 100}, true, false, "scaling down begins so; but each leaves ten kilobytes behind"},
		{"a small change to something small", write{was: 2 * kib, is: 2*kib + 100}, true, true, "scaling down is a way out"},
		{"shrinking", write{was: 100 * kib, is: 90 * kib}, true, true, "it is what the message asks for"},
		{"a finalizer taken off", write{was: 100 * kib, is: 100*kib - 20}, true, true, "or nothing with one could be deleted"},
		{"a lease renewed", write{lease: true, was: kib, is: kib + 10}, true, true, "the customer's leader elections go on"},
		{"a lease made", write{lease: true, create: true, is: kib}, true, false, "a new leader election may begin for a while"},
		{"a lease as a hiding place", write{lease: true, create: true, is: 100 * kib}, false, false, "leases may have annotations"},
		{"a lease that grows into one", write{lease: true, was: kib, is: 100 * kib}, false, false, "the same"},
		{"a node's heartbeat", write{system: true, own: true, was: 10 * kib, is: 12 * kib}, true, true, "without it, the node counts as dead"},
		{"a node", write{system: true, own: true, create: true, is: 10 * kib}, true, true, "machines are replaced all the time"},
		{"a pod's status by its kubelet", write{system: true, was: 10 * kib, is: 20 * kib}, true, true, "it would be as good as lost"},
		{"a pod for a ReplicaSet", write{system: true, create: true, is: 5 * kib}, true, false, "a number in a Deployment must not fill etcd"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for l, want := range map[level]bool{roomy: true, soft: tt.whileSoft, tight: tt.inTheEnd} {
				if got := tt.w.passes(l); got != want {
					t.Errorf("at level %d it passes: %v, want %v: %s", l, got, want, tt.why)
				}
			}
		})
	}
}

func TestLevels(t *testing.T) {
	m := config.Mark{Soft: 80, Reserve: 95}
	for used, want := range map[int64]level{0: roomy, 79: roomy, 80: soft, 94: soft, 95: tight, 200: tight} {
		if got := levelOf(used, m); got != want {
			t.Errorf("%d of %+v is level %d, want %d", used, m, got, want)
		}
	}
}

// TestMessages: they name the cluster, what is used of how much, and what to do.
func TestMessages(t *testing.T) {
	l := config.Limits{Cluster: "kc-a", Objects: config.Mark{Soft: 5000}, Database: config.Mark{Soft: 410 << 20}}
	u := Usage{Size: 420 << 20, Keys: 5001}
	for _, tt := range []struct {
		got  string
		want []string
	}{
		{tooMany(u, l), []string{"kc-a", "5001", "5000", "Delete"}},
		{tooLarge(u, l), []string{"kc-a", "420 MiB", "410 MiB", "Delete"}},
	} {
		for _, w := range tt.want {
			if !strings.Contains(tt.got, w) {
				t.Errorf("%q does not say %q", tt.got, w)
			}
		}
	}
}
