// Package visits ends what is open of somebody who is not to be let in any more.
//
// Who may be in is asked once when something is opened, and then again and again for
// as long as it is open: a watch may go on for hours.
package visits

import (
	"sync"
	"time"
)

// recheck is how soon what is open is cut after somebody is not to be let in any more.
const recheck = 250 * time.Millisecond

// Register knows what is open, by whom it is of. It is safe for concurrent use.
type Register struct {
	allowed func(who string) bool

	mu      sync.Mutex
	visits  map[string]map[*visit]struct{}
	looking bool // a goroutine looks after visits
}

// visit is something that is open.
type visit struct{ cut func() }

// New returns an empty register. It asks allowed, which must be quick, who may be in.
func New(allowed func(who string) bool) *Register {
	return &Register{allowed: allowed, visits: map[string]map[*visit]struct{}{}}
}

// Enter notes that something of who's is open, which cut ends; cut is called when who
// is not allowed any more, maybe more than once. Leave must follow if, and only if, ok.
func (r *Register) Enter(who string, cut func()) (leave func(), ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	// Asked under the lock: whoever is shut out after this is found by look.
	if !r.allowed(who) {
		return nil, false
	}
	v := &visit{cut}
	if r.visits[who] == nil {
		r.visits[who] = map[*visit]struct{}{}
	}
	r.visits[who][v] = struct{}{}
	if !r.looking {
		r.looking = true
		go r.look()
	}
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.visits[who], v)
		if len(r.visits[who]) == 0 {
			delete(r.visits, who)
		}
	}, true
}

// look cuts what is open of those who are shut out, until nothing is open.
func (r *Register) look() {
	tick := time.NewTicker(recheck)
	defer tick.Stop()
	for range tick.C {
		if !r.sweep() {
			return
		}
	}
}

// sweep looks once, and reports whether to look again.
func (r *Register) sweep() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for who, open := range r.visits {
		if r.allowed(who) {
			continue
		}
		for v := range open {
			v.cut()
		}
	}
	r.looking = len(r.visits) > 0
	return r.looking
}
