// Package issuers finds out whether the issuers of tokens that the owner of a cluster
// names can be asked for their keys.
//
// The cluster's API server asks them, too, but says what came of it only in its log. And
// it takes over a change of its issuers only when it could ask all of them, which the
// owner has to be told. So Marina asks in the same way, through the same proxy.
package issuers

import (
	"context"
	"fmt"
	"reflect"
	"sync"
	"time"

	"github.com/marina-cloud/marina/internal/tenant"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

const (
	goodFor = 5 * time.Minute  // then issuers that could be asked are asked again
	badFor  = 10 * time.Second // and those that could not; so often an API server tries, too
	atOnce  = 8                // clusters whose issuers are being asked
)

// Asker remembers what came of asking. It is safe for concurrent use.
type Asker struct {
	socket func(tenant.ClusterID) string // of a cluster's way out
	told   func(tenant.ClusterID)        // called when a result differs from the one before
	places chan struct{}
	ending context.Context

	mu    sync.Mutex
	known map[tenant.ClusterID]*result
}

// result is what came of asking one cluster's issuers.
type result struct {
	of        controlplane.Authentication
	complaint string
	asked     time.Time // zero: never
	asking    bool
}

// New returns an Asker. Nobody is asked any more when ctx has ended.
func New(ctx context.Context, socket func(tenant.ClusterID) string, told func(tenant.ClusterID)) *Asker {
	return &Asker{socket: socket, told: told, places: make(chan struct{}, atOnce), ending: ctx, known: map[tenant.ClusterID]*result{}}
}

// Complaint says, for people, which issuers of the cluster cannot be asked, and why, as
// far as that is known; "" when there are none. It returns at once and asks, when it is
// time to, in the background: who is asked may be slow on purpose.
func (a *Asker) Complaint(c controlplane.Cluster) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(c.Authentication.JWT) == 0 {
		delete(a.known, c.ID)
		return ""
	}
	r := a.known[c.ID]
	if r == nil || !reflect.DeepEqual(r.of, c.Authentication) {
		r = &result{of: c.Authentication}
		a.known[c.ID] = r
	}
	age := goodFor
	if r.complaint != "" {
		age = badFor
	}
	if !r.asking && time.Since(r.asked) > age {
		select {
		case a.places <- struct{}{}:
			r.asking = true
			go a.ask(c.ID, r)
		default: // at the next look
		}
	}
	return r.complaint
}

// Forget forgets a cluster that is gone.
func (a *Asker) Forget(id tenant.ClusterID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.known, id)
}

// ask asks all issuers of a cluster.
func (a *Asker) ask(id tenant.ClusterID, r *result) {
	defer func() { <-a.places }()
	answers := make([]string, len(r.of.JWT))
	var wg sync.WaitGroup
	for i, j := range r.of.JWT {
		wg.Go(func() { answers[i] = ask(a.ending, a.socket(id), j.Issuer) })
	}
	wg.Wait()
	complaint := sentence(r.of, answers)
	if a.ending.Err() != nil {
		return // it is this program that did not ask
	}
	a.mu.Lock()
	differs := r.complaint != complaint && a.known[id] == r
	r.complaint, r.asked, r.asking = complaint, time.Now(), false
	a.mu.Unlock()
	if differs {
		a.told(id)
	}
}

func sentence(of controlplane.Authentication, answers []string) (s string) {
	bad := 0
	for i, answer := range answers {
		if answer == "" {
			continue
		}
		if bad++; bad == 1 {
			s = fmt.Sprintf("The issuer %s cannot be asked for its keys: %s.", of.JWT[i].Issuer.URL, answer)
		}
	}
	switch {
	case bad == 0:
		return ""
	case bad > 1:
		s += fmt.Sprintf(" Nor can %d others.", bad-1)
	}
	return s + " Until it can, its tokens are refused, and changes of the cluster's authentication wait."
}
