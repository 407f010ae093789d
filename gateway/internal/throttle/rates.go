package throttle

import (
	"math"
	"sync"
	"time"
)

// Rate is how much comes back each second, and how much there is at most.
type Rate struct {
	PerSecond float64
	Burst     int
}

// Window is the time in which everything comes back, in whole seconds.
func (r Rate) Window() int { return int(math.Ceil(float64(r.Burst) / r.PerSecond)) }

// Rates are a token bucket for everybody who comes. What is known of those who have
// not come for long is forgotten when it takes too much room: their buckets are most
// likely full again. Rates are safe for concurrent use.
type Rates[K comparable] struct {
	rate Rate

	mu      sync.Mutex
	buckets *recent[K, *bucket]
}

type bucket struct {
	tokens float64
	at     time.Time
}

// Left is what a bucket holds after somebody was served, or refused.
type Left struct {
	Tokens int
	Wait   time.Duration // until there is a token; zero if there is one
	Full   time.Duration // until it is full
}

// NewRates returns full buckets of that rate, of which about most are remembered.
func NewRates[K comparable](r Rate, most int) *Rates[K] {
	return &Rates[K]{rate: r, buckets: newRecent[K, *bucket](most)}
}

// Rate is what the buckets were made with.
func (r *Rates[K]) Rate() Rate { return r.rate }

// Take takes one token; ok is false when there is none.
func (r *Rates[K]) Take(who K, now time.Time) (left Left, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	b := r.find(who, now)
	if ok = b.tokens >= 1; ok {
		b.tokens--
	}
	return r.left(b), ok
}

// Give gives one token back, of something that was not to count.
func (r *Rates[K]) Give(who K, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	b := r.find(who, now)
	b.tokens = min(b.tokens+1, float64(r.rate.Burst))
}

func (r *Rates[K]) left(b *bucket) Left {
	until := func(tokens float64) time.Duration {
		return time.Duration(max(0, tokens-b.tokens) / r.rate.PerSecond * float64(time.Second))
	}
	return Left{Tokens: int(b.tokens), Wait: until(1), Full: until(float64(r.rate.Burst))}
}

// find returns somebody's bucket as of now.
func (r *Rates[K]) find(who K, now time.Time) *bucket {
	b, ok := r.buckets.find(who)
	if !ok {
		b = &bucket{tokens: float64(r.rate.Burst), at: now}
		r.buckets.put(who, b)
	}
	if passed := now.Sub(b.at).Seconds(); passed > 0 {
		b.tokens = min(b.tokens+passed*r.rate.PerSecond, float64(r.rate.Burst))
		b.at = now
	}
	return b
}
