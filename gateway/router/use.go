package router

import (
	"context"
	"sync"
	"time"

	"github.com/marina-cloud/marina/internal/tenant"
)

// use is which clusters are used. A connection costs it an entry in a map: what is
// done about it is done seldom, and by another goroutine.
type use struct {
	mu     sync.Mutex
	lately map[tenant.ClusterID]bool
}

// note says that a connection is carried to a cluster; "" is none.
func (u *use) note(id tenant.ClusterID) {
	if id == "" {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.lately == nil {
		u.lately = map[tenant.ClusterID]bool{}
	}
	u.lately[id] = true
}

// take returns what was noted since it was called last.
func (u *use) take() map[tenant.ClusterID]bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	taken := u.lately
	u.lately = nil
	return taken
}

// tellingUse calls Used for clusters that are used until end is called, and then
// once more.
func (r *Router) tellingUse() (end func()) {
	if r.config.Used == nil {
		return func() {}
	}
	ctx, stop := context.WithCancel(context.Background())
	var telling sync.WaitGroup
	telling.Go(func() { r.tellUse(ctx) })
	return func() { stop(); telling.Wait() }
}

func (r *Router) tellUse(ctx context.Context) {
	tick := time.NewTicker(r.config.TellUse)
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
		// A connection that is open is used, however long ago it was made.
		for _, id := range r.counted.clusters() {
			r.use.note(id)
		}
		for id := range r.use.take() {
			r.config.Used(id)
		}
	}
}
