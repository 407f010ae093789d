package reconcile_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/marina-cloud/marina/internal/fault"
	"github.com/marina-cloud/marina/internal/tenant"
	"github.com/marina-cloud/marina/migrations/pg"
	fleet "github.com/marina-cloud/marina/node-fleet"
	"github.com/marina-cloud/marina/node-fleet/internal/reconcile"
)

// world is a pool, its nodes, and all that is around them, kept in memory. Its
// n-th effect fails, once, either before or after it has taken hold.
type world struct {
	pool    fleet.Pool
	nodes   []fleet.Node
	things  map[tenant.NodeID]*thing
	control fleet.Control
	gone    bool // there is no such cluster any more
	addons  int
	now     time.Time
	woken   bool // the pool

	effects, failAt int
	late            bool // the effect takes hold and the answer is lost
}

// thing is what there is of a node besides its row.
type thing struct {
	machine, identity, object, ready, cordoned bool
	pods                                       int
}

var errBoom = errors.New("boom")

func (w *world) effect(hold func()) error {
	w.effects++
	fail := w.effects == w.failAt
	if !fail || w.late {
		hold()
	}
	if fail {
		return errBoom
	}
	return nil
}

func (w *world) node(id string) *fleet.Node {
	i := slices.IndexFunc(w.nodes, func(n fleet.Node) bool { return string(n.ID) == id })
	return &w.nodes[i]
}

func (w *world) Control(context.Context, tenant.ClusterID) (fleet.Control, error) {
	if w.gone {
		return fleet.Control{}, fault.New(fault.NotFound, "cluster_not_found", "")
	}
	return w.control, nil
}

func (w *world) Ensure(context.Context, fleet.Control) error {
	if w.addons > 0 {
		return nil
	}
	return w.effect(func() { w.addons++ })
}

func (w *world) ReadPool(context.Context, pg.Lease) (fleet.Pool, []fleet.Node, error) {
	live := slices.DeleteFunc(slices.Clone(w.nodes), func(n fleet.Node) bool { return n.Phase == fleet.NodeDeleted })
	return w.pool, live, nil
}

func (w *world) EnterPool(_ context.Context, _ pg.Lease, p fleet.Pool) error {
	return w.effect(func() { w.pool.Phase, w.pool.Since = p.Phase, p.Since })
}

func (w *world) AbandonPool(context.Context, pg.Lease) (fleet.Pool, error) {
	err := w.effect(func() { w.pool.Deleting = true })
	return w.pool, err
}

func (w *world) AddNodes(_ context.Context, _ pg.Lease, _ fleet.Pool, names []string) error {
	return w.effect(func() {
		for _, name := range names {
			id := tenant.NodeID(fmt.Sprintf("nd-%d", len(w.nodes)))
			w.nodes = append(w.nodes, fleet.Node{ID: id, Name: name, Phase: fleet.NodeProvisioning, Since: w.now})
			w.things[id] = &thing{}
		}
	})
}

func (w *world) RemoveNode(_ context.Context, _ pg.Lease, id tenant.NodeID) error {
	return w.effect(func() { w.node(string(id)).Deleting = true })
}

func (w *world) ReadNode(_ context.Context, l pg.Lease) (fleet.Node, fleet.Pool, error) {
	return *w.node(l.ID), w.pool, nil
}

func (w *world) SaveNode(_ context.Context, l pg.Lease, _, after fleet.Node) error {
	return w.effect(func() {
		n := w.node(l.ID)
		after.Deleting, after.JoinedAt = n.Deleting, n.JoinedAt // which are others' to change
		*n = after
	})
}

func (w *world) Look(_ context.Context, n fleet.Node, c fleet.Control) (fleet.Seen, error) {
	t := w.things[n.ID]
	seen := fleet.Seen{ClusterDeleting: c.Deleting, Machine: t.machine, MachineRunning: t.machine, Identity: t.identity}
	if c.Running || c.Deleting && !c.Purge { // as long as its API server runs
		seen.API, seen.Object, seen.Ready, seen.Cordoned, seen.Pods = true, t.object, t.ready, t.cordoned, t.pods
	}
	return seen, nil
}

func (w *world) Do(_ context.Context, n fleet.Node, _ fleet.Pool, _ fleet.Control, s fleet.Step) (fleet.Node, error) {
	t := w.things[n.ID]
	err := w.effect(func() {
		switch s.(type) {
		case fleet.CreateMachine:
			t.machine = true
			n.Address = "172.30.0.2"
		case fleet.AwaitReady: // its machine joins meanwhile
			at := w.now
			w.node(string(n.ID)).JoinedAt = &at
			t.identity, t.object, t.ready, t.pods = true, true, true, 2
		case fleet.GrantIdentity:
			t.identity = true
		case fleet.RevokeIdentity:
			t.identity = false
		case fleet.Drain:
			t.cordoned = true
			t.pods = max(0, t.pods-1)
		case fleet.DeleteMachine:
			t.machine, t.ready = false, false
		case fleet.DeleteNodeObject:
			if t.machine {
				panic("the Node object went before its machine")
			}
			*t = thing{identity: t.identity}
		}
	})
	return n, err
}

// settle reconciles everything, many times, and returns how often that failed.
func settle(t *testing.T, w *world) (failures int) {
	t.Helper()
	log, now := slog.New(slog.DiscardHandler), func() time.Time { return w.now }
	wake := func() { w.woken = true }
	pools := &reconcile.Pools{Store: w, Clusters: w, Addons: w, Wake: func() {}, Log: log, Now: now}
	nodes := &reconcile.Nodes{Store: w, Clusters: w, World: w, Wake: wake, Log: log, Now: now}
	quiet := 0
	for range 60 {
		before := w.effects
		_, err := pools.Reconcile(t.Context(), pg.Lease{})
		failures += failed(t, err)
		for _, n := range slices.Clone(w.nodes) {
			_, err := nodes.Reconcile(t.Context(), pg.Lease{ID: string(n.ID)})
			failures += failed(t, err)
		}
		if w.effects == before {
			if quiet++; quiet == 2 {
				return failures
			}
			continue
		}
		quiet = 0
	}
	t.Fatalf("did not settle: %+v %+v", w.pool, w.nodes)
	return 0
}

func failed(t *testing.T, err error) int {
	t.Helper()
	if err != nil && !errors.Is(err, errBoom) {
		t.Fatalf("Reconcile: %v", err)
	}
	if err != nil {
		return 1
	}
	return 0
}

func (w *world) live() (list []fleet.Node) {
	return slices.DeleteFunc(slices.Clone(w.nodes), func(n fleet.Node) bool { return n.Phase == fleet.NodeDeleted })
}

// TestEveryCrashPoint fails each effect in the lives of a pool and its nodes in
// turn, before and after it takes hold, and asks for the same end every time.
func TestEveryCrashPoint(t *testing.T) {
	t.Parallel()
	for _, end := range []string{"pool", "cluster"} {
		for _, late := range []bool{false, true} {
			for n := 1; ; n++ {
				if life(t, end, late, n) == 0 {
					break // n is past the last effect: every one has failed once
				}
			}
		}
	}
}

// life is that of a pool, which ends alone or with its cluster. It returns how
// many reconciliations failed.
func life(t *testing.T, end string, late bool, failAt int) (failures int) {
	t.Helper()
	w := &world{
		failAt: failAt, late: late, now: time.Unix(1_000, 0), things: map[tenant.NodeID]*thing{},
		control: fleet.Control{Running: true},
		pool:    fleet.Pool{Name: "web", Count: 3, Phase: fleet.PoolProvisioning},
	}
	check := func(stage string, phase fleet.PoolPhase, count int) {
		t.Helper()
		failures += settle(t, w)
		if w.pool.Phase != phase || len(w.live()) != count {
			t.Fatalf("%s, effect %d (late %v): %s: %+v with %+v; want %s with %d nodes", end, failAt, late, stage, w.pool, w.live(), phase, count)
		}
		for _, n := range w.nodes {
			is := *w.things[n.ID]
			if want := (thing{machine: true, identity: true, object: true, ready: true, pods: 2}); n.Phase == fleet.NodeRunning && is != want {
				t.Fatalf("%s, effect %d (late %v): %s: %+v has %+v", end, failAt, late, stage, n, is)
			}
			if n.Phase == fleet.NodeDeleted && (is.machine || is.identity || is.object && end == "pool") {
				t.Fatalf("%s, effect %d (late %v): %s: %+v left %+v", end, failAt, late, stage, n, is)
			}
		}
	}
	check("made", fleet.PoolRunning, 3)
	w.pool.Count = 1
	check("shrunk", fleet.PoolRunning, 1)
	w.things[w.live()[0].ID].machine = false
	check("machine died", fleet.PoolRunning, 1)
	w.things[w.live()[0].ID].identity = false
	check("rebooted", fleet.PoolRunning, 1)
	w.control.Deleting = true
	check("cluster deleted for now", fleet.PoolSuspended, 0)
	w.control.Deleting = false
	check("cluster brought back", fleet.PoolRunning, 1)
	if end == "pool" {
		w.pool.Deleting = true
	} else {
		w.control = fleet.Control{Deleting: true, Purge: true}
	}
	check("deleted", fleet.PoolDeleted, 0)
	if w.addons == 0 {
		t.Fatal("the system workloads were never asked for")
	}
	return failures
}

func TestAClusterThatIsGone(t *testing.T) {
	t.Parallel()
	w := &world{
		now: time.Unix(1_000, 0), things: map[tenant.NodeID]*thing{}, gone: true,
		pool: fleet.Pool{Name: "web", Count: 3, Phase: fleet.PoolProvisioning},
	}
	settle(t, w)
	if w.pool.Phase != fleet.PoolDeleted || len(w.nodes) > 0 {
		t.Errorf("a pool of a cluster that is gone: %+v %+v; want it deleted without a node", w.pool, w.nodes)
	}
}

func TestAControlPlaneThatStarts(t *testing.T) {
	t.Parallel()
	w := &world{
		now: time.Unix(1_000, 0), things: map[tenant.NodeID]*thing{},
		pool: fleet.Pool{Name: "web", Count: 2, Phase: fleet.PoolProvisioning},
	}
	settle(t, w)
	if len(w.nodes) != 2 || w.things[w.nodes[0].ID].machine || w.addons > 0 {
		t.Errorf("nodes %+v, system workloads %d; want nodes that wait, and nothing asked of the API", w.nodes, w.addons)
	}
	w.control.Running = true
	settle(t, w)
	if w.pool.Phase != fleet.PoolRunning {
		t.Errorf("the control plane runs, and the pool is %+v", w.pool)
	}
}
