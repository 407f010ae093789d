package reconcile

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"time"

	"github.com/marina-cloud/marina/internal/fault"
	"github.com/marina-cloud/marina/internal/metrics"
	"github.com/marina-cloud/marina/internal/tenant"
	"github.com/marina-cloud/marina/migrations/pg"
	fleet "github.com/marina-cloud/marina/node-fleet"
)

// PoolStore is what the reconciler of pools needs of the database.
type PoolStore interface {
	ReadPool(ctx context.Context, l pg.Lease) (fleet.Pool, []fleet.Node, error)
	EnterPool(ctx context.Context, l pg.Lease, p fleet.Pool) error
	AbandonPool(ctx context.Context, l pg.Lease) (fleet.Pool, error)
	AddNodes(ctx context.Context, l pg.Lease, p fleet.Pool, names []string) error
	RemoveNode(ctx context.Context, l pg.Lease, id tenant.NodeID) error
}

// Clusters says how a control plane is. A fault of kind NotFound means that the
// cluster is gone.
type Clusters interface {
	Control(ctx context.Context, id tenant.ClusterID) (fleet.Control, error)
}

// Addons keeps a cluster's system workloads. It does nothing when they are as
// they should be.
type Addons interface {
	Ensure(ctx context.Context, c fleet.Control) error
}

// How long a pool rests. Its nodes, its owner and its cluster wake it earlier.
const (
	poolRest    = time.Minute
	poolWaiting = 2 * time.Second // for a control plane that does not run yet
)

// Pools reconciles pools.
type Pools struct {
	Store    PoolStore
	Clusters Clusters
	Addons   Addons
	Wake     func() // makes the reconciler of nodes look at once
	Log      *slog.Logger
	Now      func() time.Time

	Metrics *metrics.Reconcilers // nil: nobody counts
}

// Reconcile looks at the leased pool, plans and does once, and says when to come
// back.
func (r *Pools) Reconcile(ctx context.Context, l pg.Lease) (time.Duration, error) {
	p, nodes, err := r.Store.ReadPool(ctx, l)
	if err != nil {
		return 0, err
	}
	c, err := control(ctx, r.Clusters, p.Cluster)
	if err != nil {
		return 0, err
	}
	if c.Purge && !p.Deleting {
		if p, err = r.Store.AbandonPool(ctx, l); err != nil {
			return 0, fmt.Errorf("abandon pool: %w", err)
		}
	}
	for _, s := range fleet.PlanPool(p, nodes, c.Deleting) {
		begun := time.Now()
		before := p.Phase
		r.Log.DebugContext(ctx, "step begins", "pool", p.ID, "cluster", p.Cluster, "phase", p.Phase, "step", metrics.Kind(s))
		p, err = r.do(ctx, l, p, s)
		r.Metrics.Step("pools", s, time.Since(begun), err)
		if err != nil {
			return 0, fmt.Errorf("do %T: %w", s, err)
		}
		if before == fleet.PoolProvisioning && p.Phase == fleet.PoolRunning {
			r.Metrics.Ready("pools", p.Since.Sub(p.CreatedAt))
		}
		r.Log.InfoContext(ctx, "step done", "pool", p.ID, "cluster", p.Cluster, "phase", p.Phase,
			"step", metrics.Kind(s), "took", time.Since(begun))
	}
	if p.Deleting || c.Deleting || p.Count == 0 {
		return poolRest, nil
	}
	if !c.Running {
		return poolWaiting, nil
	}
	// After the nodes were asked for, so that their machines start meanwhile.
	if err := r.Addons.Ensure(ctx, c); err != nil {
		return 0, fmt.Errorf("install system workloads: %w", err)
	}
	return poolRest, nil
}

func (r *Pools) do(ctx context.Context, l pg.Lease, p fleet.Pool, s fleet.Step) (fleet.Pool, error) {
	switch s := s.(type) {
	case fleet.AddNodes:
		names := make([]string, s.Count)
		for i := range names {
			names[i] = nodeName(p.Name)
		}
		defer r.Wake()
		return p, r.Store.AddNodes(ctx, l, p, names)
	case fleet.RemoveNode:
		defer r.Wake()
		return p, r.Store.RemoveNode(ctx, l, s.Node)
	case fleet.EnterPool:
		p.Phase, p.Since = s.Phase, r.Now()
		return p, r.Store.EnterPool(ctx, l, p)
	}
	return p, fmt.Errorf("a pool knows no step %T", s)
}

// nodeName returns a name of a new node: five random characters tell it from
// others of its pool, present and past. Letters and digits that make no words and
// are not mistaken for one another, as Kubernetes does for pods.
func nodeName(pool string) string {
	const letters = "bcdfghjklmnpqrstvwxz2456789"
	random := make([]byte, 5)
	rand.Read(random) //nolint:errcheck // it never fails (crypto/rand)
	for i, b := range random {
		random[i] = letters[int(b)%len(letters)]
	}
	return pool + "-" + string(random)
}

// control returns how a control plane is. One that is gone counts as deleting, and
// one that is too new to be described as not running.
func control(ctx context.Context, clusters Clusters, id tenant.ClusterID) (fleet.Control, error) {
	c, err := clusters.Control(ctx, id)
	if err == nil {
		return c, nil
	}
	switch fault.From(err).Kind {
	case fault.NotFound:
		return fleet.Control{ID: id, Deleting: true, Purge: true}, nil
	case fault.Conflict:
		return fleet.Control{ID: id}, nil
	default:
		return c, fmt.Errorf("look at control plane: %w", err)
	}
}
