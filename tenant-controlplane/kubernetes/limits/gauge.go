package limits

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/klog/v2"
)

const (
	// usagePath is where marina-etcd answers.
	usagePath = "/marina/usage"

	// An answer holds for a second in an empty cluster, and the shorter the fuller it
	// is: what a second's writes may add must not carry it past the mark and up to
	// etcd's own quota. Nobody asks while nothing is written.
	longest  = time.Second
	shortest = 50 * time.Millisecond

	answerIn = time.Second

	// believed is for how long an etcd that does not answer is believed to take writes
	// all the same.
	believed = 10 * time.Second
)

// gauge knows how full the cluster is. It is safe for concurrent use.
type gauge struct {
	ask  func(ctx context.Context) (Usage, error)
	soft int64 // of the database, bytes

	asking sync.Mutex // held while etcd is asked
	last   atomic.Pointer[reading]
	since  struct{ objects, bytes atomic.Int64 } // what was let through and is not in last
}

type reading struct {
	Usage
	at       time.Time // when etcd was asked
	answered time.Time // when it said this: before at, if it has not answered since
}

// newGauge returns a gauge that asks the etcd behind a socket, of a database with this
// mark.
func newGauge(socket string, soft int64) *gauge {
	client := &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
		MaxIdleConnsPerHost: 1,
		IdleConnTimeout:     time.Minute,
	}}
	return &gauge{soft: soft, ask: func(ctx context.Context) (u Usage, err error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://etcd"+usagePath, nil)
		if err != nil {
			return u, err
		}
		res, err := client.Do(req)
		if err != nil {
			return u, err
		}
		defer res.Body.Close()
		if res.StatusCode != http.StatusOK {
			return u, fmt.Errorf("HTTP %s", res.Status)
		}
		return u, json.NewDecoder(res.Body).Decode(&u)
	}}
}

// usage is how full the cluster is, to a second at most. When etcd does not answer, it is
// what was known last and what was let through after that. When it has not answered for
// long, none of that was made, and it is what was known alone: who tries again and
// again to write must not be told that the cluster is full, and etcd's own quota is
// behind.
func (g *gauge) usage(ctx context.Context) Usage {
	r := g.last.Load()
	if r == nil || time.Since(r.at) > validFor(r.Size, g.soft) {
		r = g.refresh(ctx, r)
	}
	u := r.Usage
	u.Keys += g.since.objects.Load()
	u.Size += g.since.bytes.Load()
	return u
}

// validFor is how long an answer holds.
func validFor(size, soft int64) time.Duration {
	if size >= soft {
		return shortest
	}
	return max(shortest, time.Duration(float64(longest)*(1-float64(size)/float64(soft))))
}

// refresh asks, unless somebody else does: then what is known is good enough.
func (g *gauge) refresh(ctx context.Context, known *reading) *reading {
	if known == nil {
		g.asking.Lock() // the first ones all wait
	} else if !g.asking.TryLock() {
		return known
	}
	defer g.asking.Unlock()
	if r := g.last.Load(); r != known {
		return r // somebody was quicker
	}
	// The answer is for all, whether this client waits for it or not.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerIn)
	defer cancel()
	objects, bytes := g.since.objects.Load(), g.since.bytes.Load()
	u, err := g.ask(ctx)
	r := &reading{Usage: u, at: time.Now(), answered: time.Now()}
	if err != nil {
		klog.ErrorS(err, "etcd does not say how full it is")
		r.Usage, r.answered = Usage{}, time.Time{}
		if known != nil {
			r.Usage, r.answered = known.Usage, known.answered
		}
		if time.Since(r.answered) < believed {
			objects, bytes = 0, 0
		}
	}
	g.last.Store(r)
	g.since.objects.Add(-objects)
	g.since.bytes.Add(-bytes)
	return r
}

// let notes a write that is about to be made.
func (g *gauge) let(w write) {
	if w.create {
		g.since.objects.Add(1)
	}
	g.since.bytes.Add(int64(w.is)) // an update leaves the old object behind, too
}
