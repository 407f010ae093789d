package controlplaneapp

import (
	"maps"
	"sync"
	"time"

	"github.com/marina-cloud/marina/internal/tenant"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

// uses remembers how new the notes of clusters were that were taken over, so that
// nothing is read twice. It is safe for concurrent use.
type uses struct {
	mu   sync.Mutex
	seen map[tenant.ClusterID]time.Time
}

func (u *uses) read(id tenant.ClusterID) time.Time {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.seen[id]
}

func (u *uses) done(id tenant.ClusterID, at time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.seen == nil {
		u.seen = map[tenant.ClusterID]time.Time{}
	}
	u.seen[id] = at
}

// keep forgets clusters that are not alive.
func (u *uses) keep(alive []controlplane.Cluster) {
	living := make(map[tenant.ClusterID]bool, len(alive))
	for _, c := range alive {
		living[c.ID] = true
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	maps.DeleteFunc(u.seen, func(id tenant.ClusterID, _ time.Time) bool { return !living[id] })
}
