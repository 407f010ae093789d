package pg

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/marina-cloud/marina/internal/metrics"
)

const (
	idle        = 5 * time.Second       // the longest rest: how late a lost wake-up may make us
	shortest    = 20 * time.Millisecond // the shortest: a row that is due may be locked for a moment
	afterOutage = time.Second           // the rest when the database did not answer
	settle      = 5 * time.Second       // for giving a row back, also when the process is stopping
)

// Run works on the rows of the queue that are due, up to parallel of them at
// once, until ctx ends; then it waits for the work under way and returns nil. An
// error means that the queue is not set up right.
//
// do gets a context that ends with ctx, when Limit is over, or when the lease is
// lost; the lease is renewed meanwhile. It returns when the row is due again, or
// an error, after which the row rests for a while: do does not retry. A panic of
// do counts as an error, so that one row cannot stop the others.
//
// wake makes Run look at once instead of when it next would, in at most five
// seconds; sends to it should not block. A nil wake is never ready.
func (q Queue) Run(ctx context.Context, wake <-chan struct{}, parallel int, do func(context.Context, Lease) (time.Duration, error)) error {
	if err := known(q.Table); err != nil {
		return err
	}
	if parallel < 1 {
		return fmt.Errorf("run the queue %s: %d workers", q.Table, parallel)
	}
	if q.Log == nil {
		q.Log = slog.Default()
	}
	q.Log = q.Log.With("queue", q.Table)
	if q.Lease <= 0 {
		q.Lease = 15 * time.Second
	}
	if q.Limit <= 0 {
		q.Limit = 2 * time.Minute
	}

	var workers sync.WaitGroup
	defer workers.Wait()
	finished := make(chan struct{}, parallel)
	running, reachable := 0, true
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		rest := idle
		if free := q.most(parallel) - running; free > 0 {
			leases, pause, err := q.take(ctx, free)
			if err != nil && ctx.Err() == nil && reachable {
				q.Log.WarnContext(ctx, "queue not read", "error", err)
			}
			rest, reachable = pause, err == nil
			for _, l := range leases {
				running++
				workers.Go(func() {
					q.work(ctx, l, do)
					finished <- struct{}{}
				})
			}
		}
		timer.Reset(rest)
		select {
		case <-ctx.Done():
			return nil
		case <-wake:
		case <-timer.C:
		case <-finished:
			running--
		}
	}
}

// most is how many rows may be worked on just now.
func (q Queue) most(parallel int) int {
	if q.Most == nil {
		return parallel
	}
	return min(parallel, max(1, q.Most()))
}

// take leases up to n rows and says when to look again if nothing happens.
func (q Queue) take(ctx context.Context, n int) ([]Lease, time.Duration, error) {
	leases, err := q.Take(ctx, n, q.Lease)
	if err != nil {
		return nil, afterOutage, err
	}
	if len(leases) == n {
		return leases, idle, nil // all workers are busy: one of them will come first
	}
	next, ok, err := q.nextDue(ctx)
	if err != nil {
		return leases, afterOutage, err
	}
	if !ok {
		next = idle
	}
	return leases, min(max(next, shortest), idle), nil
}

// work does the work on one row and gives the row back.
func (q Queue) work(ctx context.Context, l Lease, do func(context.Context, Lease) (time.Duration, error)) {
	begun := time.Now()
	next, err := q.held(ctx, l, do)
	result := metrics.Done
	defer func() { q.Metrics.Run(q.Table, result, time.Since(begun)) }()
	back, cancel := context.WithTimeout(context.WithoutCancel(ctx), settle)
	defer cancel()
	switch {
	case err == nil:
		err = q.Done(back, l, next)
	case ctx.Err() != nil:
		result = metrics.Released
		err = q.release(back, l) // broken off because the process stops
	case errors.Is(err, ErrLeaseLost):
		result = metrics.Lost
	default:
		result = metrics.Failed
		q.Log.WarnContext(ctx, "work failed", "id", l.ID, "attempt", l.Attempts+1, "error", err)
		err = q.Failed(back, l, err)
	}
	// The row may be gone: the work may have been to remove it. Any other row
	// that was not given back is free when its lease ends.
	if errors.Is(err, ErrLeaseLost) {
		q.Log.DebugContext(ctx, "lease lost", "id", l.ID)
	} else if err != nil {
		q.Log.WarnContext(ctx, "row not given back", "id", l.ID, "error", err)
	}
}

// held calls do while it keeps the lease.
func (q Queue) held(ctx context.Context, l Lease, do func(context.Context, Lease) (time.Duration, error)) (next time.Duration, err error) {
	ctx, lost := context.WithCancelCause(ctx)
	defer lost(nil)
	ctx, cancel := context.WithTimeoutCause(ctx, q.Limit, fmt.Errorf("took longer than %s", q.Limit))
	var keeper sync.WaitGroup
	keeper.Go(func() { q.keep(ctx, l, lost) })
	defer keeper.Wait()
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			q.Log.ErrorContext(ctx, "work panicked", "id", l.ID, "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	next, err = do(ctx, l)
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("%w: %w", context.Cause(ctx), err)
	}
	return next, err
}

// keep renews the lease until ctx ends, and calls lost if it cannot.
func (q Queue) keep(ctx context.Context, l Lease, lost context.CancelCauseFunc) {
	third := q.Lease / 3
	tick := time.NewTicker(third)
	defer tick.Stop()
	until := l.Until
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		one, cancel := context.WithTimeout(ctx, third)
		end, err := q.renew(one, l, q.Lease)
		cancel()
		switch {
		case err == nil:
			until = end
		case errors.Is(err, ErrLeaseLost):
			lost(err)
			return
		case time.Until(until) < third:
			lost(ErrLeaseLost.Because(err)) // nobody could renew it; stop before it ends
			return
		}
	}
}
