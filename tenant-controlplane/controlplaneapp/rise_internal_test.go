package controlplaneapp

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/marina-cloud/marina/internal/tenant"
	"github.com/marina-cloud/marina/migrations/pg"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

func TestInUseFirst(t *testing.T) {
	t.Parallel()
	now := time.Now()
	used := map[tenant.ClusterID]time.Time{"kc-b": now.Add(-time.Hour), "kc-d": now, "kc-e": now.Add(-time.Minute)}
	var got []tenant.ClusterID
	for _, c := range inUseFirst([]controlplane.Cluster{{ID: "kc-a"}, {ID: "kc-b"}, {ID: "kc-c"}, {ID: "kc-d"}, {ID: "kc-e"}},
		func(id tenant.ClusterID) time.Time { return used[id] }) {
		got = append(got, c.ID)
	}
	if want := []tenant.ClusterID{"kc-d", "kc-e", "kc-b", "kc-a", "kc-c"}; !slices.Equal(got, want) {
		t.Errorf("order %v, want %v: what was used last first, what never was last, the oldest first", got, want)
	}
}

// TestRise: few at once until everybody was seen to once, however that ended.
func TestRise(t *testing.T) {
	t.Parallel()
	var r rise
	if r.most() != parallel {
		t.Errorf("%d at once before anything is known, want %d", r.most(), parallel)
	}
	r.begin([]controlplane.Cluster{{ID: "kc-a"}, {ID: "kc-b"}})
	for _, id := range []string{"kc-new", "kc-a", "kc-a"} {
		do := r.seeTo(func(context.Context, pg.Lease) (time.Duration, error) {
			if r.most() >= parallel {
				t.Errorf("%d at once while clusters rise", r.most())
			}
			return time.Minute, nil
		})
		if next, err := do(t.Context(), pg.Lease{ID: id}); next != time.Minute || err != nil {
			t.Errorf("%s: %s, %v, want what the reconciler says", id, next, err)
		}
	}
	if r.most() >= parallel {
		t.Errorf("%d at once although one cluster was not seen to", r.most())
	}
	broken := errors.New("broken")
	do := r.seeTo(func(context.Context, pg.Lease) (time.Duration, error) { return 0, broken })
	if _, err := do(t.Context(), pg.Lease{ID: "kc-b"}); !errors.Is(err, broken) {
		t.Errorf("error = %v, want the reconciler's", err)
	}
	if r.most() != parallel {
		t.Errorf("%d at once after all were seen to, want %d", r.most(), parallel)
	}
}

// TestRiseStaysWithWhatStarts: until it is up, or too late.
func TestRiseStaysWithWhatStarts(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		up    int // the look that finds it up
		looks int
		rest  time.Duration
	}{
		"Up":     {up: 3, looks: 3, rest: time.Minute},
		"Broken": {up: 1000, looks: 22, rest: 500 * time.Millisecond}, // ten seconds of them
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var r rise
				r.begin([]controlplane.Cluster{{ID: "kc-a"}})
				looks := 0
				do := r.seeTo(func(context.Context, pg.Lease) (time.Duration, error) {
					looks++
					if r.most() >= parallel {
						t.Errorf("look %d: %d at once while the cluster rises", looks, r.most())
					}
					if looks == tc.up {
						return time.Minute, nil
					}
					return 500 * time.Millisecond, nil
				})
				if rest, err := do(t.Context(), pg.Lease{ID: "kc-a"}); rest != tc.rest || err != nil {
					t.Errorf("rest %s, %v, want %s", rest, err, tc.rest)
				}
				if looks != tc.looks || r.most() != parallel {
					t.Errorf("%d looks, %d at once after them; want %d and %d", looks, r.most(), tc.looks, parallel)
				}
			})
		})
	}
}
