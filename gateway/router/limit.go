package router

import (
	"container/list"
	"net"
	"net/netip"
	"sync"

	"github.com/marina-cloud/marina/internal/tenant"
)

// origin is who a connection comes from, as far as one can tell: an IPv4 address,
// or an IPv6 network of the size that one customer of a provider gets (RFC 6177),
// on one of the router's sides. On the nodes' side it is the network of a whole
// cluster: whoever rules one of its machines can take all of its addresses.
type origin struct {
	side Side
	net  netip.Prefix
}

func originOf(client net.Addr, side Side) origin {
	ip := ipOf(client)
	bits := 32
	switch {
	case ip.Is6():
		bits = 64
	case side == Nodes:
		bits = 24
	}
	prefix, err := ip.Prefix(bits)
	if err != nil { // no address at all
		return origin{side: side}
	}
	return origin{side, prefix}
}

// ipOf is a client's address; the zero value when it has none.
func ipOf(client net.Addr) netip.Addr {
	a, ok := client.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	return a.AddrPort().Addr().Unmap().WithZone("")
}

// counted limits how many connections there are: all together, for each
// destination, and from each origin.
//
// Nobody's share is fixed. An origin, or a destination, that wants more may have
// as many connections as there are places free (Choudhury and Hahne, "Dynamic
// queue length thresholds for shared-memory packet switches", 1998): one that wants
// all gets half, two a third each, and however many there are, there is a place for
// somebody who has none. Within a destination's places the same holds for origins:
// a stranger who floods a cluster's name leaves room for its owner.
type counted struct {
	max, maxEach int

	mu   sync.Mutex
	all  int
	from map[origin]int
	each map[destination]int
	pair map[pair]int
}

// maxNodeAPI is how many connections to the API for machines there may be: fewer than
// its server takes (package nodeapi), so that who floods it has a share of them and
// not all. Routers that have been replaced may still carry some, too.
const maxNodeAPI = 256

// pair is an origin's share of a destination.
type pair struct {
	destination
	origin
}

func newCounted(most, mostEach int) *counted {
	return &counted{max: most, maxEach: mostEach, from: map[origin]int{}, each: map[destination]int{}, pair: map[pair]int{}}
}

// enter counts a connection; leave must follow if, and only if, ok.
func (c *counted) enter(o origin) (ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.from[o] >= c.max-c.all {
		return false
	}
	c.all++
	c.from[o]++
	return true
}

func (c *counted) leave(o origin) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all--
	less(c.from, o)
}

// enterFor counts a connection, one that has entered, for d; leaveFor must follow
// if, and only if, ok.
func (c *counted) enterFor(d destination, o origin) (ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := pair{d, o}
	// This connection has a place already, so that one for itself need not be free.
	if c.each[d] > c.max-c.all || c.pair[p] >= c.most(d)-c.each[d] {
		return false
	}
	c.each[d]++
	c.pair[p]++
	return true
}

// most is how many connections a destination may have.
func (c *counted) most(d destination) int {
	if d.service == nodeAPI {
		return min(c.maxEach, maxNodeAPI)
	}
	return c.maxEach
}

func (c *counted) leaveFor(d destination, o origin) {
	c.mu.Lock()
	defer c.mu.Unlock()
	less(c.each, d)
	less(c.pair, pair{d, o})
}

// less counts one down and forgets what has come to nothing.
func less[K comparable](m map[K]int, k K) {
	if m[k]--; m[k] == 0 {
		delete(m, k)
	}
}

func (c *counted) open() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.all
}

// clusters returns those that have connections.
func (c *counted) clusters() (all []tenant.ClusterID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for d := range c.each {
		all = append(all, d.cluster)
	}
	return all
}

// queue bounds how many clients may be in their handshake. When it is full, one
// has to go: the oldest of the origin that has the most. An honest handshake takes
// one round trip, so the oldest is most likely one that is held open on purpose,
// and whoever holds many open only pushes out their own.
type queue struct {
	max int

	mu      sync.Mutex
	len     int
	entered uint64
	order   map[origin]*list.List // of waiting, oldest first; none is empty
}

// waiting is a place in a queue.
type waiting struct {
	number uint64 // in the order of entering
	cut    func()
}

func newQueue(most int) *queue { return &queue{max: most, order: map[origin]*list.List{}} }

// enter takes a place; cut, which must not block, is called if it has to be
// given up. The returned function gives the place back, and may be called again;
// after it has returned, cut is not called.
func (q *queue) enter(o origin, cut func()) (leave func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.len >= q.max {
		o, place := q.worst()
		q.remove(o, place)
		place.Value.(waiting).cut()
	}
	mine := q.order[o]
	if mine == nil {
		mine = list.New()
		q.order[o] = mine
	}
	q.entered++
	place := mine.PushBack(waiting{q.entered, cut})
	q.len++
	in := true
	return func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		if in {
			in = false
			q.remove(o, place)
		}
	}
}

// remove does nothing when the place was given up before.
func (q *queue) remove(o origin, place *list.Element) {
	l := q.order[o]
	if l == nil {
		return
	}
	before := l.Len()
	l.Remove(place)
	q.len -= before - l.Len()
	if l.Len() == 0 {
		delete(q.order, o)
	}
}

// worst is the place that has to be given up.
func (q *queue) worst() (of origin, place *list.Element) {
	most := 0
	for o, l := range q.order {
		front := l.Front()
		if l.Len() > most || l.Len() == most && front.Value.(waiting).number < place.Value.(waiting).number {
			of, place, most = o, front, l.Len()
		}
	}
	return of, place
}

// waits says how many clients are in their handshake.
func (q *queue) waits() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.len
}
