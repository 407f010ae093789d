package reconcile

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/marina-cloud/marina/internal/metrics"
	"github.com/marina-cloud/marina/migrations/pg"
	fleet "github.com/marina-cloud/marina/node-fleet"
)

// NodeStore is what the reconciler of nodes needs of the database.
type NodeStore interface {
	// ReadNode returns the leased node and its pool.
	ReadNode(ctx context.Context, l pg.Lease) (fleet.Node, fleet.Pool, error)
	SaveNode(ctx context.Context, l pg.Lease, before, after fleet.Node) error
}

// World is what the reconciler of nodes needs of everything else: machines,
// Kubernetes, identities. Its methods are idempotent.
type World interface {
	Look(ctx context.Context, n fleet.Node, c fleet.Control) (fleet.Seen, error)
	// Do carries a step out and returns the node as it is known afterwards.
	Do(ctx context.Context, n fleet.Node, p fleet.Pool, c fleet.Control, s fleet.Step) (fleet.Node, error)
}

// How long a node rests when there is nothing to do but look again. Its pool,
// its owner and its cluster wake it earlier.
const (
	observe    = 10 * time.Second
	waiting    = time.Second            // for a control plane that does not answer yet
	afterDrain = 500 * time.Millisecond // for pods to end
	afterStart = time.Second            // for a machine that was started again to show how it does
)

// Nodes reconciles nodes.
type Nodes struct {
	Store    NodeStore
	Clusters Clusters
	World    World
	Wake     func() // makes the reconciler of pools look at once
	Log      *slog.Logger
	Now      func() time.Time

	Metrics *metrics.Reconcilers // nil: nobody counts
}

// Reconcile looks at the leased node, plans and does once, and says when to come
// back.
func (r *Nodes) Reconcile(ctx context.Context, l pg.Lease) (time.Duration, error) {
	n, p, err := r.Store.ReadNode(ctx, l)
	if err != nil {
		return 0, err
	}
	c, err := control(ctx, r.Clusters, n.Cluster)
	if err != nil {
		return 0, err
	}
	seen, err := r.World.Look(ctx, n, c)
	if err != nil {
		return 0, fmt.Errorf("look at node: %w", err)
	}
	plan := fleet.PlanNode(n, seen, r.Now())
	for _, s := range plan {
		begun := time.Now()
		r.Log.DebugContext(ctx, "step begins", "node", n.ID, "cluster", n.Cluster, "phase", n.Phase, "step", metrics.Kind(s))
		after, err := r.do(ctx, n, p, c, s)
		r.Metrics.Step("nodes", s, time.Since(begun), err)
		if err != nil {
			return 0, fmt.Errorf("do %T: %w", s, err)
		}
		if after != n {
			if err := r.Store.SaveNode(ctx, l, n, after); err != nil {
				return 0, fmt.Errorf("save after %T: %w", s, err)
			}
			if n.Phase == fleet.NodeJoining && after.Phase == fleet.NodeRunning {
				r.Metrics.Ready("nodes", after.Since.Sub(after.CreatedAt))
			}
			if fleet.Matters(n, after) {
				r.Wake()
			}
		}
		n = after
		level := slog.LevelInfo
		switch s.(type) {
		case fleet.AwaitReady, fleet.Drain: // repeated until they have done it
			level = slog.LevelDebug
		}
		r.Log.Log(ctx, level, "step done", "node", n.ID, "name", n.Name, "cluster", n.Cluster, "phase", n.Phase,
			"step", metrics.Kind(s), "took", time.Since(begun))
	}
	return rest(n, plan), nil
}

func (r *Nodes) do(ctx context.Context, n fleet.Node, p fleet.Pool, c fleet.Control, s fleet.Step) (fleet.Node, error) {
	switch s := s.(type) {
	case fleet.EnterNode:
		n.Phase, n.Since = s.Phase, r.Now()
		if s.Phase != fleet.NodeRunning && s.Phase != fleet.NodeDraining {
			n.Ready, n.Message = false, ""
		}
		return n, nil
	case fleet.Report:
		n.Ready, n.Message = s.Ready, s.Message
		return n, nil
	default:
		return r.World.Do(ctx, n, p, c, s)
	}
}

// rest says when to look at a node again after its plan was carried out.
func rest(n fleet.Node, plan []fleet.Step) time.Duration {
	for _, s := range plan {
		switch s.(type) {
		case fleet.EnterNode, fleet.AwaitReady: // the latter has waited
			return 0
		case fleet.Drain:
			return afterDrain
		case fleet.CreateMachine:
			return afterStart
		}
	}
	if n.Phase == fleet.NodeRunning {
		return observe
	}
	return waiting
}
