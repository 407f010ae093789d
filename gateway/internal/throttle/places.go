package throttle

import "sync"

// Places are what may be in use at once. Nobody's share is fixed: whoever wants more
// than others may have as many places as are free, so that one who wants all gets
// half, two a third each, and there is a place for somebody who has none (Choudhury
// and Hahne, 1998; the router does the same with its connections). They are safe for
// concurrent use.
type Places[K comparable] struct {
	max int

	mu   sync.Mutex
	used int
	each map[K]int
}

// NewPlaces returns so many places.
func NewPlaces[K comparable](most int) *Places[K] {
	return &Places[K]{max: most, each: map[K]int{}}
}

// Enter takes a place; leave must be called, once, if and only if ok.
func (p *Places[K]) Enter(who K) (leave func(), ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.each[who] >= p.max-p.used {
		return nil, false
	}
	p.used++
	p.each[who]++
	return func() { p.leave(who) }, true
}

func (p *Places[K]) leave(who K) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.used--
	if p.each[who]--; p.each[who] == 0 {
		delete(p.each, who)
	}
}
