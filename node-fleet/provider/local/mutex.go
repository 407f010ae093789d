package local

import (
	"sync"

	"github.com/marina-cloud/marina/internal/tenant"
)

// keyedMutex is one mutex for each machine. Its zero value is ready for use.
type keyedMutex struct {
	mu   sync.Mutex
	held map[tenant.NodeID]*entry
}

type entry struct {
	mu    sync.Mutex
	users int // that hold it or wait for it; guarded by keyedMutex.mu
}

// lock waits for the mutex of a machine and returns what gives it back.
func (k *keyedMutex) lock(node tenant.NodeID) (unlock func()) {
	k.mu.Lock()
	if k.held == nil {
		k.held = map[tenant.NodeID]*entry{}
	}
	e, ok := k.held[node]
	if !ok {
		e = &entry{}
		k.held[node] = e
	}
	e.users++
	k.mu.Unlock()

	e.mu.Lock()
	return func() {
		e.mu.Unlock()
		k.mu.Lock()
		defer k.mu.Unlock()
		if e.users--; e.users == 0 {
			delete(k.held, node)
		}
	}
}
