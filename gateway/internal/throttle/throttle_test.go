package throttle_test

import (
	"testing"
	"time"

	"github.com/marina-cloud/marina/gateway/internal/throttle"
)

// fill enters until somebody is refused, and returns how often they were not.
func fill(p *throttle.Places[string], who string) (n int, leave func()) {
	for {
		l, ok := p.Enter(who)
		if !ok {
			return n, leave
		}
		n, leave = n+1, l
	}
}

func TestPlaces(t *testing.T) {
	t.Parallel()
	p := throttle.NewPlaces[string](60)
	a, leave := fill(p, "a")
	if a != 30 {
		t.Errorf("who wants all gets %d of 60 places, want half", a)
	}
	if b, _ := fill(p, "b"); b != 15 {
		t.Errorf("the next gets %d, want half of what is left", b)
	}
	if _, ok := p.Enter("c"); !ok {
		t.Error("there is no place for somebody who has none")
	}
	leave()
	if again, _ := fill(p, "a"); again != 0 {
		t.Errorf("who has more than others gets %d more", again)
	}
}

func TestPlacesComeBack(t *testing.T) {
	t.Parallel()
	p := throttle.NewPlaces[int](4)
	for i := range 1000 {
		leave, ok := p.Enter(i)
		if !ok {
			t.Fatalf("no place for the %dth, although all have left", i)
		}
		leave()
	}
}

func TestRates(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_000_000, 0)
	r := throttle.NewRates[string](throttle.Rate{PerSecond: 2, Burst: 3}, 10)
	for i, tc := range []struct {
		why    string
		after  time.Duration
		ok     bool
		tokens int
		wait   time.Duration
	}{
		{"the first of a full bucket", 0, true, 2, 0},
		{"the second", 0, true, 1, 0},
		{"the last", 0, true, 0, 500 * time.Millisecond},
		{"it is empty", 0, false, 0, 500 * time.Millisecond},
		{"half of one is not one", 250 * time.Millisecond, false, 0, 250 * time.Millisecond},
		{"what was refused cost nothing", 250 * time.Millisecond, true, 0, 500 * time.Millisecond},
		{"it holds no more than its burst", time.Hour, true, 2, 0},
		{"a clock that is set back takes nothing away", -time.Hour, true, 1, 0},
	} {
		now = now.Add(tc.after)
		left, ok := r.Take("a", now)
		if ok != tc.ok || left.Tokens != tc.tokens || left.Wait != tc.wait || left.Full < left.Wait || left.Full > 1500*time.Millisecond {
			t.Errorf("%d: %v, %+v; want %v, %d, %s: %s", i, ok, left, tc.ok, tc.tokens, tc.wait, tc.why)
		}
	}
	if _, ok := r.Take("b", now); !ok {
		t.Error("somebody else's bucket is empty, too")
	}
}

func TestRatesGive(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_000_000, 0)
	r := throttle.NewRates[string](throttle.Rate{PerSecond: 1, Burst: 1}, 10)
	for range 5 {
		if _, ok := r.Take("a", now); !ok {
			t.Fatal("what was given back is not there")
		}
		r.Give("a", now)
		r.Give("a", now) // and no more than fits
	}
}

// TestRatesForget: many strangers take no room without bound, and somebody who
// comes again and again is not forgotten because of them.
func TestRatesForget(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_000_000, 0)
	r := throttle.NewRates[int](throttle.Rate{PerSecond: 0.001, Burst: 1}, 100)
	r.Take(-1, now)
	for i := range 10_000 {
		r.Take(i, now)
		if _, ok := r.Take(-1, now); ok {
			t.Fatalf("after %d strangers somebody who came all the time has a full bucket again", i)
		}
	}
	if n := r.Known(); n > 201 {
		t.Errorf("%d are remembered, want about 100", n)
	}
}

func TestSeen(t *testing.T) {
	t.Parallel()
	s := throttle.NewSeen[int](10)
	s.Add(-1)
	for i := range 1000 {
		s.Add(i)
		if !s.Has(-1) {
			t.Fatalf("after %d others somebody who is asked for all the time is forgotten", i)
		}
	}
	if s.Has(0) || !s.Has(999) {
		t.Error("the first of a thousand is remembered, or the last is not")
	}
}
