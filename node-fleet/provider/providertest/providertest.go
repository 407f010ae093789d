// Package providertest holds what every provider of machines must keep, as
// tests. A provider that passes them may be used by the fleet.
package providertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/marina-cloud/marina/internal/tenant"
	fleet "github.com/marina-cloud/marina/node-fleet"
	"github.com/marina-cloud/marina/node-fleet/join"
	"github.com/marina-cloud/marina/node-fleet/provider"
)

// Fixture is a provider to be tested. Its machines need not come further than
// starting the agent: nobody answers it.
type Fixture struct {
	Provider provider.Provider
	// Kill ends a machine as a crash of it would, and returns when it is dead.
	Kill func(t *testing.T, node tenant.NodeID)
	// Reopen returns a second provider of the same machines, as after a restart of
	// the program. Nil for a provider that keeps nothing.
	Reopen func(t *testing.T) provider.Provider
}

// limit is how long a single call may take.
const limit = time.Minute

// Run runs the suite. Open is called for each test and gives it a provider
// without machines; whatever the tests leave, they delete.
func Run(t *testing.T, open func(t *testing.T) Fixture) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, Fixture)
	}{
		{"Create", testCreate},
		{"CreateTwice", testCreateTwice},
		{"CreateAtOnce", testCreateAtOnce},
		{"Clusters", testClusters},
		{"DeadMachineStartsAgain", testDead},
		{"Delete", testDelete},
		{"DeleteDead", testDeleteDead},
		{"Absent", testAbsent},
		{"Release", testRelease},
		{"Interrupted", testInterrupted},
		{"ManyAtOnce", testMany},
		{"Reopen", testReopen},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

// Spec returns the wish for a new machine of a cluster.
func Spec(cluster tenant.ClusterID, name string) provider.Spec {
	node := tenant.NewNodeID()
	return provider.Spec{
		Node: node, Cluster: cluster, Organization: tenant.NewOrganizationID(), Name: name,
		Size: fleet.Sizes[0], Version: "1.37",
		Join: join.Ticket{ServerName: "nodes.test", Authority: "none", Node: node, Token: "used by nobody"},
	}
}

func deadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

// create makes a machine that is deleted at the end of the test.
func create(t *testing.T, p provider.Provider, spec provider.Spec) provider.Machine {
	t.Helper()
	clean(t, p, spec)
	m, err := p.Create(deadline(t), spec)
	if err != nil {
		t.Fatalf("Create: %v", err)
	}
	return m
}

func clean(t *testing.T, p provider.Provider, spec provider.Spec) {
	t.Helper()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), limit)
		defer cancel()
		if err := p.Delete(ctx, spec.Node); err != nil {
			t.Errorf("delete machine after the test: %v", err)
			return
		}
		left, err := p.Machines(ctx, spec.Cluster)
		if err != nil || len(left) > 0 {
			return // the last one releases
		}
		if err := p.Release(ctx, spec.Cluster); err != nil {
			t.Errorf("release cluster after the test: %v", err)
		}
	})
}

func expect(t *testing.T, p provider.Provider, want provider.Machine) {
	t.Helper()
	got, err := p.Machine(deadline(t), want.Node)
	if err != nil {
		t.Fatalf("Machine: %v", err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Machine (-want +got):\n%s", diff)
	}
}

func expectNone(t *testing.T, p provider.Provider, node tenant.NodeID) {
	t.Helper()
	if m, err := p.Machine(deadline(t), node); !errors.Is(err, provider.ErrNoMachine) {
		t.Errorf("Machine = %+v, %v; want ErrNoMachine", m, err)
	}
}

func testCreate(t *testing.T, f Fixture) {
	spec := Spec(tenant.NewClusterID(), "worker-1")
	m := create(t, f.Provider, spec)
	if m.Node != spec.Node || m.Cluster != spec.Cluster || m.Address == "" || !m.Running {
		t.Errorf("Create = %+v, want the machine of %s, running, with an address", m, spec.Node)
	}
	expect(t, f.Provider, m)
}

func testCreateTwice(t *testing.T, f Fixture) {
	spec := Spec(tenant.NewClusterID(), "worker-1")
	m := create(t, f.Provider, spec)
	again, err := f.Provider.Create(deadline(t), spec)
	if err != nil {
		t.Fatalf("Create of a machine that runs: %v", err)
	}
	if diff := cmp.Diff(m, again); diff != "" {
		t.Errorf("the second Create changed the machine:\n%s", diff)
	}
	list, err := f.Provider.Machines(deadline(t), spec.Cluster)
	if err != nil || len(list) != 1 {
		t.Errorf("Machines = %v, %v; want the one", list, err)
	}
}

func testCreateAtOnce(t *testing.T, f Fixture) {
	spec := Spec(tenant.NewClusterID(), "worker-1")
	clean(t, f.Provider, spec)
	ctx := deadline(t)
	var all sync.WaitGroup
	got := make([]provider.Machine, 4)
	for i := range got {
		all.Go(func() {
			m, err := f.Provider.Create(ctx, spec)
			if err != nil {
				t.Errorf("Create, one of several at once: %v", err)
			}
			got[i] = m
		})
	}
	all.Wait()
	for _, m := range got {
		if m != got[0] {
			t.Errorf("two machines for one node: %+v and %+v", got[0], m)
		}
	}
}

func testClusters(t *testing.T, f Fixture) {
	one, two := tenant.NewClusterID(), tenant.NewClusterID()
	a := create(t, f.Provider, Spec(one, "worker-1"))
	b := create(t, f.Provider, Spec(one, "worker-2"))
	c := create(t, f.Provider, Spec(two, "worker-1"))
	if a.Address == b.Address {
		t.Errorf("two machines of a cluster have the address %s", a.Address)
	}
	for cluster, want := range map[tenant.ClusterID][]provider.Machine{one: {a, b}, two: {c}} {
		got, err := f.Provider.Machines(deadline(t), cluster)
		if err != nil {
			t.Fatalf("Machines: %v", err)
		}
		byNode := func(x, y provider.Machine) int {
			if x.Node < y.Node {
				return -1
			}
			return 1
		}
		slices.SortFunc(want, byNode)
		slices.SortFunc(got, byNode)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("Machines of %s (-want +got):\n%s", cluster, diff)
		}
	}
}

func testDead(t *testing.T, f Fixture) {
	spec := Spec(tenant.NewClusterID(), "worker-1")
	m := create(t, f.Provider, spec)
	f.Kill(t, spec.Node)

	dead := m
	dead.Running = false
	expect(t, f.Provider, dead)
	list, err := f.Provider.Machines(deadline(t), spec.Cluster)
	if err != nil || len(list) != 1 || list[0] != dead {
		t.Errorf("Machines = %+v, %v; want the dead one", list, err)
	}

	again, err := f.Provider.Create(deadline(t), spec)
	if err != nil {
		t.Fatalf("Create of a dead machine: %v", err)
	}
	if again != m {
		t.Errorf("Create = %+v, want it as it was: %+v", again, m)
	}
	expect(t, f.Provider, m)
}

func testDelete(t *testing.T, f Fixture) {
	cluster := tenant.NewClusterID()
	gone, stays := Spec(cluster, "worker-1"), Spec(cluster, "worker-2")
	create(t, f.Provider, gone)
	m := create(t, f.Provider, stays)
	for range 2 { // the second time there is none
		if err := f.Provider.Delete(deadline(t), gone.Node); err != nil {
			t.Fatalf("Delete: %v", err)
		}
		expectNone(t, f.Provider, gone.Node)
	}
	expect(t, f.Provider, m)
	list, err := f.Provider.Machines(deadline(t), cluster)
	if err != nil || len(list) != 1 {
		t.Errorf("Machines = %v, %v; want the one that stays", list, err)
	}
}

func testDeleteDead(t *testing.T, f Fixture) {
	spec := Spec(tenant.NewClusterID(), "worker-1")
	create(t, f.Provider, spec)
	f.Kill(t, spec.Node)
	if err := f.Provider.Delete(deadline(t), spec.Node); err != nil {
		t.Fatalf("Delete of a dead machine: %v", err)
	}
	expectNone(t, f.Provider, spec.Node)
}

func testAbsent(t *testing.T, f Fixture) {
	expectNone(t, f.Provider, tenant.NewNodeID())
	if err := f.Provider.Delete(deadline(t), tenant.NewNodeID()); err != nil {
		t.Errorf("Delete of a machine that never was: %v", err)
	}
	if err := f.Provider.Release(deadline(t), tenant.NewClusterID()); err != nil {
		t.Errorf("Release of a cluster that never had a machine: %v", err)
	}
	list, err := f.Provider.Machines(deadline(t), tenant.NewClusterID())
	if err != nil || len(list) > 0 {
		t.Errorf("Machines of an unknown cluster = %v, %v; want none", list, err)
	}
}

func testRelease(t *testing.T, f Fixture) {
	cluster := tenant.NewClusterID()
	for round := range 2 { // a cluster may get machines again
		spec := Spec(cluster, "worker-1")
		create(t, f.Provider, spec)
		if err := f.Provider.Delete(deadline(t), spec.Node); err != nil {
			t.Fatalf("Delete in round %d: %v", round, err)
		}
		for range 2 {
			if err := f.Provider.Release(deadline(t), cluster); err != nil {
				t.Fatalf("Release in round %d: %v", round, err)
			}
		}
	}
}

// testInterrupted gives up on Create and Delete after ever longer times: what
// they leave must never be in the way of the next attempt.
func testInterrupted(t *testing.T, f Fixture) {
	spec := Spec(tenant.NewClusterID(), "worker-1")
	clean(t, f.Provider, spec)
	for _, after := range []time.Duration{0, time.Millisecond, 5 * time.Millisecond, 20 * time.Millisecond, 60 * time.Millisecond, 120 * time.Millisecond} {
		ctx, cancel := context.WithTimeout(t.Context(), after)
		_, err := f.Provider.Create(ctx, spec)
		cancel()
		if err != nil && ctx.Err() == nil {
			t.Fatalf("Create, to be interrupted after %s: %v", after, err)
		}
		ctx, cancel = context.WithTimeout(t.Context(), after)
		err = f.Provider.Delete(ctx, spec.Node)
		cancel()
		if err != nil && ctx.Err() == nil {
			t.Fatalf("Delete, to be interrupted after %s: %v", after, err)
		}
	}
	m, err := f.Provider.Create(deadline(t), spec)
	if err != nil {
		t.Fatalf("Create after interruptions: %v", err)
	}
	expect(t, f.Provider, m)
}

func testMany(t *testing.T, f Fixture) {
	cluster := tenant.NewClusterID()
	specs := make([]provider.Spec, 6)
	for i := range specs {
		specs[i] = Spec(cluster, fmt.Sprintf("worker-%d", i))
		clean(t, f.Provider, specs[i])
	}
	ctx := deadline(t)
	var all sync.WaitGroup
	for i, spec := range specs {
		all.Go(func() {
			if _, err := f.Provider.Create(ctx, spec); err != nil {
				t.Errorf("Create, one of many: %v", err)
			}
			if i%2 == 0 {
				return
			}
			if err := f.Provider.Delete(ctx, spec.Node); err != nil {
				t.Errorf("Delete, one of many: %v", err)
			}
		})
	}
	all.Wait()
	list, err := f.Provider.Machines(ctx, cluster)
	if err != nil || len(list) != len(specs)/2 {
		t.Errorf("Machines = %v, %v; want %d", list, err, len(specs)/2)
	}
	addresses := map[string]bool{}
	for _, m := range list {
		if addresses[m.Address] || !m.Running {
			t.Errorf("machine %+v, want it running, with an address of its own", m)
		}
		addresses[m.Address] = true
	}
}

func testReopen(t *testing.T, f Fixture) {
	if f.Reopen == nil {
		return
	}
	cluster := tenant.NewClusterID()
	spec := Spec(cluster, "worker-1")
	m := create(t, f.Provider, spec)
	other := f.Reopen(t)
	expect(t, other, m)
	again, err := other.Create(deadline(t), spec)
	if err != nil || again != m {
		t.Errorf("Create = %+v, %v; want the machine that the first provider made: %+v", again, err, m)
	}
	if next := create(t, other, Spec(cluster, "worker-2")); next.Address == m.Address {
		t.Errorf("the second provider gave the address %s away again", m.Address)
	}
	if err := other.Delete(deadline(t), spec.Node); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	expectNone(t, f.Provider, spec.Node)
}
