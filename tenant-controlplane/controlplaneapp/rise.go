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

// riseLimit is how long others wait for one. A control plane is up after two seconds
// of a CPU's, of which few have to share one.
const riseLimit = 10 * time.Second

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

// seeTo is a reconciler's work that counts for the rise. A control plane that starts
// is stayed with until it is up: to go on to the next one as soon as it is begun would
// be to start all at once. That the work failed, or that it takes too long, counts,
// too: a broken cluster must not hold up others for long.
func (r *rise) seeTo(do func(context.Context, pg.Lease) (time.Duration, error)) func(context.Context, pg.Lease) (time.Duration, error) {
	return func(ctx context.Context, l pg.Lease) (time.Duration, error) {
		id := tenant.ClusterID(l.ID)
		defer r.seen(id)
		for end := time.Now().Add(riseLimit); ; {
			next, err := do(ctx, l)
			if err != nil || next > time.Second || !r.waits(id) || time.Now().After(end) {
				return next, err
			}
			select {
			case <-time.After(next):
			case <-ctx.Done():
				return next, nil
			}
		}
	}
}

func (r *rise) waits(id tenant.ClusterID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.waiting[id]
}

func (r *rise) seen(id tenant.ClusterID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.waiting, id)
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
