package main

import (
	"context"
	"runtime/debug"
	"time"
)

const (
	// startGC lets the heap grow faster while the control plane starts. It fills a
	// heap from nothing, and nearly all of that stays: collecting it again and
	// again is a seventh of the time that a new cluster's owner waits.
	startGC = 400

	// settled is how long after its start a control plane has made what it makes.
	settled = 20 * time.Second
)

// collectLater makes the garbage collector hold back until the control plane has
// settled, and then gives memory back. The limit in GOMEMLIMIT holds meanwhile.
func collectLater(ctx context.Context) {
	usual := debug.SetGCPercent(startGC)
	go func() {
		select {
		case <-ctx.Done():
		case <-time.After(settled):
			debug.SetGCPercent(usual)
			debug.FreeOSMemory()
		}
	}()
}
