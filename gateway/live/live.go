// Package live tells those who watch an organization what to look at again.
//
// It carries hints and no state: whoever is woken reads the truth from Postgres, and
// looks by itself now and then for what a lost hint would have told.
package live

import (
	"sync"

	"github.com/marina-cloud/marina/internal/event"
	"github.com/marina-cloud/marina/internal/tenant"
)

// most is how many events a watcher may be behind before it has to look at
// everything again.
const most = 256

// Hub passes events on to those who watch. The zero value is ready; it is safe for
// concurrent use.
type Hub struct {
	mu       sync.Mutex
	closed   bool
	watchers map[tenant.OrganizationID]map[*Watcher]struct{}
}

// Watch returns a watcher of an organization; stop must be called when it is not
// needed any more.
func (h *Hub) Watch(org tenant.OrganizationID) (w *Watcher, stop func()) {
	w = &Watcher{wake: make(chan struct{}, 1), done: make(chan struct{})}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		close(w.done)
		return w, func() {}
	}
	if h.watchers == nil {
		h.watchers = map[tenant.OrganizationID]map[*Watcher]struct{}{}
	}
	if h.watchers[org] == nil {
		h.watchers[org] = map[*Watcher]struct{}{}
	}
	h.watchers[org][w] = struct{}{}
	return w, func() { h.leave(org, w) }
}

func (h *Hub) leave(org tenant.OrganizationID, w *Watcher) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.watchers[org], w)
	if len(h.watchers[org]) == 0 {
		delete(h.watchers, org)
	}
}

// Notify passes e on to the watchers of its organization. It never waits for them.
func (h *Hub) Notify(e event.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for w := range h.watchers[e.Organization] {
		w.add(e)
	}
}

// Close ends all watchers, and those that come.
func (h *Hub) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return
	}
	h.closed = true
	for _, all := range h.watchers {
		for w := range all {
			close(w.done)
		}
	}
	h.watchers = nil
}

// Watcher collects what happened since it was asked last.
type Watcher struct {
	wake chan struct{}
	done chan struct{}

	mu     sync.Mutex
	events []event.Event
	missed bool
}

func (w *Watcher) add(e event.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.events) < most {
		w.events = append(w.events, e)
	} else {
		w.events, w.missed = nil, true
	}
	select {
	case w.wake <- struct{}{}:
	default: // it was told already
	}
}

// Wake receives when there is something to Take.
func (w *Watcher) Wake() <-chan struct{} { return w.wake }

// Done is closed when the hub is.
func (w *Watcher) Done() <-chan struct{} { return w.done }

// Take returns what happened since the last call, in its order. missed says that
// there was more than a watcher remembers: everything may have changed.
func (w *Watcher) Take() (events []event.Event, missed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	events, missed = w.events, w.missed
	w.events, w.missed = nil, false
	return events, missed
}
