package main

import (
	"context"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
	"time"
)

const (
	// startGC lets the heap grow faster while the control plane starts. It fills a
	// heap from nothing, and nearly all of that stays: collecting it again and
	// again takes time that a new cluster's owner waits. But what is left of a large
	// heap is full of holes that are never given back: with 400, an idle tenant
	// takes 20 MiB more than with 100.
	startGC = 75

	// firstHeap is how many bytes of memory a control plane takes before anything is
	// collected. It always takes more, and of what it takes at first nearly all stays.
	firstHeap = 176 << 20

	// settled is how long after its start a control plane has made what it makes.
	settled = 20 * time.Second

	// restGC keeps the heap of an ordinary cluster small. What lives in it is some
	// 100 MiB, so collecting twice as often costs little.
	restGC = 50
	// busyGC is for a large heap, where it would cost much.
	busyGC   = 100
	busyHeap = 256 << 20 // bytes that live
)

// collectLater makes the garbage collector hold back until the control plane has
// settled, and then gives memory back.
func collectLater(ctx context.Context) {
	var rest atomic.Bool
	debug.SetGCPercent(-1)
	given := debug.SetMemoryLimit(firstHeap) // GOMEMLIMIT
	go func() {
		select {
		case <-ctx.Done():
		case <-time.After(settled):
			rest.Store(true)
			debug.SetGCPercent(restGC)
			debug.FreeOSMemory()
		}
	}()
	percent := -1
	afterCollections(ctx, func() {
		live, want := liveHeap(), startGC
		if rest.Load() {
			want = percentFor(live)
		}
		if want != percent {
			percent = want
			debug.SetGCPercent(want)
		}
		debug.SetMemoryLimit(memoryLimit(live, given))
	})
}

func percentFor(live int64) int {
	if live > busyHeap {
		return busyGC
	}
	return restGC
}

// memoryLimit is the limit for a heap of which so much lives, when this one was
// given. A limit below what lives makes the collector run all the time, for
// nothing: better to be killed, and to say why, than to stand still.
func memoryLimit(live, given int64) int64 { return max(given, live+live/4) }

// liveHeap is what the last collection left.
func liveHeap() int64 {
	s := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(s)
	if s[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return int64(s[0].Value.Uint64())
}

// afterCollections calls f after each collection, one at a time, until ctx is done.
func afterCollections(ctx context.Context, f func()) {
	type canary struct{ _ [16]byte } // not so small that it shares a block with something that lives
	var arm func()
	done := make(chan struct{}, 1)
	arm = func() {
		runtime.AddCleanup(new(canary), func(struct{}) {
			select {
			case done <- struct{}{}:
			default: // the last one is still being looked at
			}
			if ctx.Err() == nil {
				arm()
			}
		}, struct{}{})
	}
	arm()
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-done:
				f()
			}
		}
	}()
}
