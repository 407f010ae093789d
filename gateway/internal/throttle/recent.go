package throttle

import "sync"

// recent is a map that forgets those who have not been looked for when it takes too
// much room: it holds between most and twice as many of the last ones.
type recent[K comparable, V any] struct {
	most       int
	young, old map[K]V // old is forgotten when young has grown to most
}

func newRecent[K comparable, V any](most int) *recent[K, V] {
	return &recent[K, V]{most: most, young: map[K]V{}}
}

func (r *recent[K, V]) find(k K) (v V, ok bool) {
	if v, ok = r.young[k]; ok {
		return v, true
	}
	if v, ok = r.old[k]; ok {
		r.put(k, v)
	}
	return v, ok
}

func (r *recent[K, V]) put(k K, v V) {
	if len(r.young) >= r.most {
		r.young, r.old = map[K]V{}, r.young
	}
	r.young[k] = v
}

// Seen remembers who was there lately. It is safe for concurrent use.
type Seen[K comparable] struct {
	mu  sync.Mutex
	all *recent[K, struct{}]
}

// NewSeen returns a memory of about the last most.
func NewSeen[K comparable](most int) *Seen[K] { return &Seen[K]{all: newRecent[K, struct{}](most)} }

// Add remembers who.
func (s *Seen[K]) Add(who K) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.all.find(who); !ok {
		s.all.put(who, struct{}{})
	}
}

// Has reports whether who was there.
func (s *Seen[K]) Has(who K) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.all.find(who)
	return ok
}
