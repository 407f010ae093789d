package reconcile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/marina-cloud/marina/internal/event"
	"github.com/marina-cloud/marina/internal/metrics"
	"github.com/marina-cloud/marina/migrations/pg"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

// Store is what the reconciler needs of the database.
type Store interface {
	Read(ctx context.Context, l pg.Lease) (controlplane.Cluster, error)
	Save(ctx context.Context, l pg.Lease, c controlplane.Cluster, events ...event.Event) error
}

// World is what the reconciler needs of the place where clusters run.
type World interface {
	Look(ctx context.Context, c controlplane.Cluster) (controlplane.Seen, error)
	Do(ctx context.Context, c controlplane.Cluster, seen controlplane.Seen, s controlplane.Step) error
}

// Reconciler works on leased clusters. It keeps no state between calls: what it
// does depends only on what it reads, so a restart loses nothing. It is safe for
// concurrent use on different leases.
type Reconciler struct {
	Store Store
	World World
	Log   *slog.Logger
	Now   func() time.Time

	Metrics *metrics.Reconcilers // nil: nobody counts
}

const (
	// turn is how long one cluster may be worked on before others get their turn.
	turn = time.Minute
	// unfinished is the rest when a step has begun something that takes its time.
	unfinished = 500 * time.Millisecond
	// stuck is that rest when it has taken too long already.
	stuck = 15 * time.Second
	// gone is the rest of a deleted cluster, which is not looked at again.
	gone = 24 * time.Hour
)

// Reconcile looks, plans and does until nothing is left to do, and says when to
// come back. It does not retry: an error goes to the caller, whose backoff is the
// only one there is.
func (r *Reconciler) Reconcile(ctx context.Context, l pg.Lease) (time.Duration, error) {
	for begun := r.Now(); r.Now().Sub(begun) < turn; {
		c, err := r.Store.Read(ctx, l)
		if err != nil {
			return 0, fmt.Errorf("read cluster: %w", err)
		}
		if c.Phase == controlplane.Deleted {
			return gone, nil
		}
		seen, err := r.World.Look(ctx, c)
		if err != nil {
			return 0, fmt.Errorf("look at cluster: %w", err)
		}
		if c.Overdue(seen.At) {
			r.Log.WarnContext(ctx, "cluster overdue", "cluster", c.ID, "phase", c.Phase, "since", c.Since)
		}
		plan := controlplane.Plan(c, seen)
		if len(plan) == 0 {
			return controlplane.Rest(c, seen), nil
		}
		for _, s := range plan {
			c, err = r.step(ctx, l, c, seen, s)
			if errors.Is(err, errNotYet) {
				if c.Overdue(seen.At) {
					return stuck, nil
				}
				return unfinished, nil
			}
			if err != nil {
				return 0, fmt.Errorf("%s: %w", name(s), err)
			}
		}
	}
	return 0, nil
}

// step does one step and logs how long it took. The line that it begins is what a
// crash is traced to: the last one of a process that died.
func (r *Reconciler) step(ctx context.Context, l pg.Lease, c controlplane.Cluster, seen controlplane.Seen, s controlplane.Step) (controlplane.Cluster, error) {
	begun := r.Now()
	r.Log.DebugContext(ctx, "step begins", "cluster", c.ID, "phase", c.Phase, "step", name(s))
	next, err := r.do(ctx, l, c, seen, s)
	r.count(c, next, s, r.Now().Sub(begun), err)
	level := slog.LevelInfo
	switch s.(type) {
	case controlplane.Await, controlplane.SetConditions:
		level = slog.LevelDebug
	}
	if err == nil {
		r.Log.Log(ctx, level, "step done", "cluster", c.ID, "step", name(s), "phase", next.Phase, "took", r.Now().Sub(begun))
	}
	return next, err
}

// count shows a step in the metrics, and how long a cluster's owner waited for it.
func (r *Reconciler) count(before, after controlplane.Cluster, s controlplane.Step, took time.Duration, err error) {
	if errors.Is(err, errNotYet) {
		err = nil
	}
	r.Metrics.Step(queue, s, took, err)
	first := before.Phase == controlplane.Provisioning || before.Phase == controlplane.Failed
	if err == nil && first && after.Phase == controlplane.Running {
		r.Metrics.Ready(queue, after.Since.Sub(after.CreatedAt))
	}
}

func (r *Reconciler) do(ctx context.Context, l pg.Lease, c controlplane.Cluster, seen controlplane.Seen, s controlplane.Step) (controlplane.Cluster, error) {
	switch s := s.(type) {
	case controlplane.SetConditions:
		next := c
		next.Conditions = s.Conditions
		return next, r.Store.Save(ctx, l, next, changed(event.ClusterChanged, c, ""))
	case controlplane.Enter:
		next, err := c.To(s.Phase, r.Now())
		if err != nil {
			return c, err
		}
		kind := event.ClusterChanged
		switch s.Phase {
		case controlplane.Running:
			kind, next.Observed = event.ClusterRunning, c.Generation
		case controlplane.Recoverable:
			next.Observed = c.Generation
		case controlplane.Deleted:
			kind, next.Observed = event.ClusterDeleted, c.Generation
		}
		return next, r.Store.Save(ctx, l, next, changed(kind, c, s.Message))
	}
	return c, r.World.Do(ctx, c, seen, s)
}

func changed(kind event.Kind, c controlplane.Cluster, message string) event.Event {
	return event.Event{Kind: kind, Organization: c.Organization, Cluster: c.ID, Subject: string(c.ID), Message: message}
}

// queue is how the metrics call the queue of clusters.
const queue = "clusters"

// name is how a step is called in the log and in the metrics.
func name(s controlplane.Step) string { return metrics.Kind(s) }
