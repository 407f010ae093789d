package router

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/marina-cloud/marina/internal/route"
	"github.com/marina-cloud/marina/internal/tenant"
)

// people are those who are connected to API servers, by cluster. A cluster's
// authorized networks may change while they are: then who is outside of them is cut.
// Nodes are not among them: what lets them in is their certificate.
type people struct {
	mu   sync.Mutex
	open map[tenant.ClusterID]*visitors
}

// visitors are the people of one cluster.
type visitors struct {
	here map[*visitor]bool
	left chan struct{} // closed when the last one has left
}

type visitor struct {
	client netip.Addr
	cut    context.CancelFunc
}

// visit counts a client among a cluster's people until leave is called. The context
// that it returns ends when the cluster's networks do not admit the client any more.
// Whoever calls it looks at the cluster's route after that: so no change is missed.
func (r *Router) visit(ctx context.Context, id tenant.ClusterID, client netip.Addr) (visiting context.Context, leave func()) {
	ctx, cut := context.WithCancel(ctx)
	me := &visitor{client, cut}
	p := &r.people
	p.mu.Lock()
	defer p.mu.Unlock()
	mine := p.open[id]
	if mine == nil {
		mine = &visitors{here: map[*visitor]bool{}, left: make(chan struct{})}
		p.open[id] = mine
		go r.watchNetworks(id, mine)
	}
	mine.here[me] = true
	return ctx, func() {
		cut()
		p.mu.Lock()
		defer p.mu.Unlock()
		if delete(mine.here, me); len(mine.here) == 0 {
			delete(p.open, id)
			close(mine.left)
		}
	}
}

// watchNetworks cuts visitors of a cluster whom its networks do not admit any more,
// until the last one has left.
func (r *Router) watchNetworks(id tenant.ClusterID, of *visitors) {
	tick := time.NewTicker(r.config.RecheckNetworks)
	defer tick.Stop()
	var seen []netip.Prefix // whoever came later was held against these, or newer ones
	for {
		select {
		case <-tick.C:
		case <-of.left:
			return
		}
		to, ok, err := r.routes.Find(id)
		if err != nil || !ok || slices.Equal(to.Networks, seen) {
			continue // who has no route ends in other ways
		}
		seen = to.Networks
		for v := range r.people.these(of) {
			if !route.Admits(seen, v.client) {
				v.cut()
			}
		}
	}
}

func (p *people) these(v *visitors) map[*visitor]bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(v.here)
}
