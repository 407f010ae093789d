package controlplane_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

// TestLife holds every pair of phases, so that a new phase breaks the test until
// somebody has said where it may lead.
func TestLife(t *testing.T) {
	t.Parallel()
	phases := []controlplane.Phase{"provisioning", "running", "updating", "degraded", "failed", "deleting", "deleted", "recoverable", "restoring"}
	legal := map[controlplane.Phase]string{ // one column per phase above
		"provisioning": ".x..xx...",
		"running":      "..xx.x...",
		"updating":     ".x.x.x...",
		"degraded":     ".x...x...",
		"failed":       ".x...x...",
		"deleting":     "......xx.",
		"deleted":      ".........",
		"recoverable":  ".....x..x",
		"restoring":    ".x..xx...",
	}
	if got := controlplane.Phases(); !slices.Equal(got, slices.Sorted(slices.Values(phases))) {
		t.Fatalf("phases are %v; the table knows %v", got, phases)
	}
	for _, from := range phases {
		for i, to := range phases {
			now := time.Unix(1_000, 0)
			got, err := controlplane.Cluster{Phase: from}.To(to, now)
			switch want := legal[from][i] == 'x'; {
			case want && (err != nil || got.Phase != to || !got.Since.Equal(now)):
				t.Errorf("%s to %s: got %+v, %v; want it legal", from, to, got, err)
			case !want && !errors.Is(err, controlplane.ErrBadPhase):
				t.Errorf("%s to %s: error = %v, want ErrBadPhase", from, to, err)
			}
		}
	}
}

func TestOverdue(t *testing.T) {
	t.Parallel()
	begun := time.Unix(1_000, 0)
	c := controlplane.Cluster{Phase: controlplane.Provisioning, Since: begun}
	if c.Overdue(begun.Add(5 * time.Minute)) {
		t.Error("overdue at the very limit")
	}
	if !c.Overdue(begun.Add(5*time.Minute + 1)) {
		t.Error("not overdue after the limit")
	}
	c.Phase = controlplane.Running
	if c.Overdue(begun.Add(10_000 * time.Hour)) {
		t.Error("a running cluster is never overdue")
	}
}
