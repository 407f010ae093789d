package main

import (
	"context"
	"runtime"
	"testing"
)

func TestMemoryLimit(t *testing.T) {
	const mib = 1 << 20
	tests := []struct {
		name              string
		live, given, want int64
		why               string
	}{
		{"usual", 100 * mib, 1800 * mib, 1800 * mib, "what was given holds"},
		{"nearly all lives", 1600 * mib, 1800 * mib, 2000 * mib, "the collector would run all the time"},
	}
	for _, tt := range tests {
		if got := memoryLimit(tt.live, tt.given); got != tt.want {
			t.Errorf("%s: memoryLimit = %d MiB, want %d: %s", tt.name, got/mib, tt.want/mib, tt.why)
		}
	}
	if percentFor(100*mib) >= percentFor(500*mib) {
		t.Error("a small heap is not collected more often than a large one")
	}
}

// TestAfterCollections: it goes on for more than one collection.
func TestAfterCollections(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	seen := make(chan struct{})
	afterCollections(ctx, func() { seen <- struct{}{} })
	for range 3 {
		runtime.GC()
		<-seen
	}
	if liveHeap() <= 0 {
		t.Error("nothing lives")
	}
}
