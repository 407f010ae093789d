package csr

import (
	"context"
	"sync"

	"github.com/marina-cloud/marina/internal/tenant"
)

// Approvers run one Approver for each cluster that has nodes. It is not safe for
// concurrent use.
type Approvers struct {
	New func(tenant.ClusterID) *Approver

	running map[tenant.ClusterID]context.CancelFunc
	group   sync.WaitGroup
}

// Serve makes clusters the ones that are served, until ctx ends.
func (a *Approvers) Serve(ctx context.Context, clusters []tenant.ClusterID) {
	if a.running == nil {
		a.running = map[tenant.ClusterID]context.CancelFunc{}
	}
	wanted := map[tenant.ClusterID]bool{}
	for _, id := range clusters {
		wanted[id] = true
		if a.running[id] != nil {
			continue
		}
		one, cancel := context.WithCancel(ctx)
		a.running[id] = cancel
		a.group.Go(func() { a.New(id).Run(one) })
	}
	for id, cancel := range a.running {
		if !wanted[id] {
			cancel()
			delete(a.running, id)
		}
	}
}

// Stop ends all approvers and waits for them.
func (a *Approvers) Stop() {
	for id, cancel := range a.running {
		cancel()
		delete(a.running, id)
	}
	a.group.Wait()
}
