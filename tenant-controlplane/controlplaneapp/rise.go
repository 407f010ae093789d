package controlplaneapp

import (
	"cmp"
	"context"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/marina-cloud/marina/internal/tenant"
	"github.com/marina-cloud/marina/migrations/pg"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

// rise is the time after a start in which every cluster is seen to for the first
// time. After a reboot none of them runs, and to start a control plane takes a CPU
// for seconds: of many that start at once, all are up only at the end. So few do, and
// whoever uses theirs does not wait for those that nobody uses. It is safe for
// concurrent use.
type rise struct {
	mu      sync.Mutex
	waiting map[tenant.ClusterID]bool // to be seen to
}

// atOnce is how many clusters are seen to at once while they rise: enough to keep all
// CPUs busy while some of them wait for something.
func atOnce() int { return min(parallel, 2*runtime.GOMAXPROCS(0)) }

// begin says which clusters are to be seen to.
func (r *rise) begin(cs []controlplane.Cluster) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting = make(map[tenant.ClusterID]bool, len(cs))
	for _, c := range cs {
		r.waiting[c.ID] = true
	}
}

// most is how many clusters may be worked on just now.
func (r *rise) most() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.waiting) > 0 {
		return atOnce()
	}
	return parallel
}

// seeTo is a reconciler's work that counts for the rise. That it failed, or is not
// finished, counts, too: a broken cluster must not hold up others for long.
func (r *rise) seeTo(do func(context.Context, pg.Lease) (time.Duration, error)) func(context.Context, pg.Lease) (time.Duration, error) {
	return func(ctx context.Context, l pg.Lease) (time.Duration, error) {
		defer func() {
			r.mu.Lock()
			defer r.mu.Unlock()
			delete(r.waiting, tenant.ClusterID(l.ID))
		}()
		return do(ctx, l)
	}
}

// inUseFirst sorts clusters by when they were used last, those in use first.
func inUseFirst(cs []controlplane.Cluster, used func(tenant.ClusterID) time.Time) []controlplane.Cluster {
	last := make(map[tenant.ClusterID]time.Time, len(cs))
	for _, c := range cs {
		last[c.ID] = used(c.ID)
	}
	return slices.SortedStableFunc(slices.Values(cs), func(a, b controlplane.Cluster) int {
		return cmp.Or(last[b.ID].Compare(last[a.ID]), cmp.Compare(a.ID, b.ID))
	})
}
