package fleet_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/marina-cloud/marina/internal/tenant"
	fleet "github.com/marina-cloud/marina/node-fleet"
)

var (
	now    = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	joined = now.Add(-time.Hour)
)

func TestPlanPool(t *testing.T) {
	t.Parallel()
	node := func(id string, age time.Duration, ready bool) fleet.Node {
		return fleet.Node{ID: tenant.NodeID(id), Phase: fleet.NodeRunning, Ready: ready, CreatedAt: now.Add(-age)}
	}
	going := func(id string) fleet.Node {
		return fleet.Node{ID: tenant.NodeID(id), Phase: fleet.NodeDraining, Deleting: true, Ready: true}
	}
	pool := func(phase fleet.PoolPhase, count int) fleet.Pool { return fleet.Pool{Phase: phase, Count: count} }
	deleting := func(phase fleet.PoolPhase) fleet.Pool {
		return fleet.Pool{Phase: phase, Count: 2, Deleting: true}
	}
	for name, tc := range map[string]struct {
		why   string
		pool  fleet.Pool
		nodes []fleet.Node
		want  []fleet.Step

		suspended bool
	}{
		"First": {
			why:  "all nodes are asked for at once, so that their machines start together",
			pool: pool(fleet.PoolProvisioning, 2),
			want: []fleet.Step{fleet.AddNodes{Count: 2}},
		},
		"Settled": {
			why:   "a pool that is as wanted is left alone",
			pool:  pool(fleet.PoolRunning, 1),
			nodes: []fleet.Node{node("a", 1, true)},
		},
		"BecomesRunning": {
			why:   "the owner sees that the last node became ready",
			pool:  pool(fleet.PoolProvisioning, 1),
			nodes: []fleet.Node{node("a", 1, true)},
			want:  []fleet.Step{fleet.EnterPool{Phase: fleet.PoolRunning}},
		},
		"LosesReadiness": {
			why:   "running means as many ready nodes as wanted",
			pool:  pool(fleet.PoolRunning, 1),
			nodes: []fleet.Node{node("a", 1, false)},
			want:  []fleet.Step{fleet.EnterPool{Phase: fleet.PoolProvisioning}},
		},
		"Grows": {
			why:   "a bigger pool gets the difference and is not running until it is there",
			pool:  pool(fleet.PoolRunning, 3),
			nodes: []fleet.Node{node("a", 1, true)},
			want:  []fleet.Step{fleet.AddNodes{Count: 2}, fleet.EnterPool{Phase: fleet.PoolProvisioning}},
		},
		"ShrinksUnreadyFirst": {
			why:   "a node that does not work is missed least",
			pool:  pool(fleet.PoolRunning, 1),
			nodes: []fleet.Node{node("old", 9, false), node("young", 1, true)},
			want:  []fleet.Step{fleet.RemoveNode{Node: "old"}},
		},
		"ShrinksYoungestNext": {
			why:   "the youngest has the fewest pods to move",
			pool:  pool(fleet.PoolRunning, 1),
			nodes: []fleet.Node{node("old", 9, true), node("young", 1, true), node("middle", 5, true)},
			want:  []fleet.Step{fleet.RemoveNode{Node: "young"}, fleet.RemoveNode{Node: "middle"}},
		},
		"GoingNodesDoNotCount": {
			why:   "a node that goes is neither ready for the owner nor a reason to keep the pool small",
			pool:  pool(fleet.PoolRunning, 1),
			nodes: []fleet.Node{going("a")},
			want:  []fleet.Step{fleet.AddNodes{Count: 1}, fleet.EnterPool{Phase: fleet.PoolProvisioning}},
		},
		"ReplacesFailedNodes": {
			why:   "a node that never joined is on its way out, and the owner still wants one",
			pool:  pool(fleet.PoolProvisioning, 1),
			nodes: []fleet.Node{{ID: "a", Phase: fleet.NodeDeleting}},
			want:  []fleet.Step{fleet.AddNodes{Count: 1}},
		},
		"Empty": {
			why:  "a pool of none is running at once",
			pool: pool(fleet.PoolProvisioning, 0),
			want: []fleet.Step{fleet.EnterPool{Phase: fleet.PoolRunning}},
		},
		"Deletes": {
			why:   "every node goes, and only once",
			pool:  deleting(fleet.PoolRunning),
			nodes: []fleet.Node{node("a", 1, true), going("b")},
			want:  []fleet.Step{fleet.EnterPool{Phase: fleet.PoolDeleting}, fleet.RemoveNode{Node: "a"}},
		},
		"WaitsForItsNodes": {
			why:   "a pool outlives its nodes",
			pool:  deleting(fleet.PoolDeleting),
			nodes: []fleet.Node{going("b")},
		},
		"Gone": {
			why:  "nothing is left of it",
			pool: deleting(fleet.PoolDeleting),
			want: []fleet.Step{fleet.EnterPool{Phase: fleet.PoolDeleted}},
		},
		"NeverHadNodes": {
			why:  "a pool that is deleted at once goes through its phases all the same",
			pool: deleting(fleet.PoolProvisioning),
			want: []fleet.Step{fleet.EnterPool{Phase: fleet.PoolDeleting}, fleet.EnterPool{Phase: fleet.PoolDeleted}},
		},
		"Suspends": {
			why: "the cluster is gone for now: every node goes, and none is asked for", suspended: true,
			pool:  pool(fleet.PoolRunning, 3),
			nodes: []fleet.Node{node("a", 1, true), going("b")},
			want:  []fleet.Step{fleet.RemoveNode{Node: "a"}},
		},
		"Suspended": {
			why: "nothing of it runs, and that is told", suspended: true,
			pool: pool(fleet.PoolRunning, 3),
			want: []fleet.Step{fleet.EnterPool{Phase: fleet.PoolSuspended}},
		},
		"StaysSuspended": {why: "until the cluster is back", pool: pool(fleet.PoolSuspended, 3), suspended: true},
		"Resumes": {
			why:  "the cluster is back, and what was wanted of the pool is wanted still",
			pool: pool(fleet.PoolSuspended, 3),
			want: []fleet.Step{fleet.AddNodes{Count: 3}, fleet.EnterPool{Phase: fleet.PoolProvisioning}},
		},
		"DeletedMeanwhile": {
			why: "a pool that its owner deleted goes for good", suspended: true,
			pool: deleting(fleet.PoolSuspended),
			want: []fleet.Step{fleet.EnterPool{Phase: fleet.PoolDeleting}, fleet.EnterPool{Phase: fleet.PoolDeleted}},
		},
		"Deleted": {
			why:  "deleted is the end",
			pool: fleet.Pool{Phase: fleet.PoolDeleted, Count: 3},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, fleet.PlanPool(tc.pool, tc.nodes, tc.suspended)); diff != "" {
				t.Errorf("%s:\n%s", tc.why, diff)
			}
		})
	}
}

func TestPlanNode(t *testing.T) {
	t.Parallel()
	fresh := fleet.Node{Phase: fleet.NodeProvisioning, Since: now}
	joining := fleet.Node{Phase: fleet.NodeJoining, Since: now.Add(-time.Second)}
	running := fleet.Node{Phase: fleet.NodeRunning, Since: joined, JoinedAt: &joined, Ready: true}
	draining := fleet.Node{Phase: fleet.NodeDraining, Since: now.Add(-time.Minute), JoinedAt: &joined, Deleting: true}
	late := func(n fleet.Node, by time.Duration) fleet.Node { n.Since = now.Add(-by); return n }
	going := func(n fleet.Node) fleet.Node { n.Deleting = true; return n }
	in := func(n fleet.Node, p fleet.NodePhase) fleet.Node { n.Phase = p; return n }
	enter := func(p fleet.NodePhase) fleet.Step { return fleet.EnterNode{Phase: p} }

	whole := fleet.Seen{Machine: true, MachineRunning: true, Identity: true, API: true, Object: true, Ready: true}
	starting := fleet.Seen{Machine: true, MachineRunning: true, API: true}
	stopped := fleet.Seen{Machine: true, Identity: true, API: true, Object: true}
	cluster := fleet.Seen{Machine: true, MachineRunning: true, Identity: true, ClusterDeleting: true}
	with := func(s fleet.Seen, f func(*fleet.Seen)) fleet.Seen { f(&s); return s }

	for name, tc := range map[string]struct {
		why  string
		node fleet.Node
		seen fleet.Seen
		want []fleet.Step
	}{
		"Starts": {
			why:  "a new node needs its machine first",
			node: fresh, seen: fleet.Seen{API: true},
			want: []fleet.Step{fleet.CreateMachine{}, enter(fleet.NodeJoining)},
		},
		"WaitsForControlPlane": {
			why:  "a machine that cannot join yet would only use up its token's time",
			node: fresh, seen: fleet.Seen{},
		},
		"Awaits": {
			why:  "a machine that starts is watched until its Node is Ready",
			node: joining, seen: starting,
			want: []fleet.Step{fleet.AwaitReady{}},
		},
		"StartsAgainWhileJoining": {
			why:  "a machine that died before it joined is started by the path that made it",
			node: joining, seen: with(starting, func(s *fleet.Seen) { s.MachineRunning = false }),
			want: []fleet.Step{fleet.CreateMachine{}, fleet.AwaitReady{}},
		},
		"BecomesRunning": {
			why:  "Ready is what the owner waits for",
			node: joining, seen: whole,
			want: []fleet.Step{fleet.Report{Ready: true}, enter(fleet.NodeRunning)},
		},
		"ReplacesWhatNeverJoins": {
			why:  "whatever is wrong with a machine, another node, which the pool adds, does not have it",
			node: late(joining, fleet.JoinLimit+1), seen: starting,
			want: []fleet.Step{enter(fleet.NodeDeleting)},
		},
		"GoesOnGoing": {
			why:  "a node that never joined goes to its end, although its pool has not asked for that",
			node: in(joining, fleet.NodeDeleting), seen: starting,
			want: []fleet.Step{fleet.DeleteMachine{}, enter(fleet.NodeDeleted)},
		},
		"BlamesNoMachineForTheAPI": {
			why:  "while the API is down nobody can join",
			node: late(joining, fleet.JoinLimit+1), seen: with(starting, func(s *fleet.Seen) { s.API = false }),
		},
		"Settled": {
			why:  "a node that is as wanted is left alone",
			node: running, seen: whole,
		},
		"RestoresIdentity": {
			why:  "after a reboot the router must let the node in again",
			node: running, seen: with(whole, func(s *fleet.Seen) { s.Identity = false }),
			want: []fleet.Step{fleet.GrantIdentity{}},
		},
		"ReportsNotReady": {
			why:  "the owner sees what Kubernetes sees",
			node: running, seen: with(whole, func(s *fleet.Seen) { s.Ready, s.Message = false, "disk full" }),
			want: []fleet.Step{fleet.Report{Message: "disk full"}},
		},
		"ReportsNothingUnseen": {
			why:  "an API that does not answer says nothing about the node",
			node: running, seen: fleet.Seen{Machine: true, MachineRunning: true, Identity: true},
		},
		"StartsAgain": {
			why:  "a machine that died is started again, and the owner is told",
			node: running, seen: stopped,
			want: []fleet.Step{fleet.Report{Message: "Its machine stopped and is being started again."}, fleet.CreateMachine{}},
		},
		"StartsAgainAfterItsAPI": {
			why:  "a machine whose kubelet can learn of no pod would only slow down the control plane that starts for it",
			node: running, seen: with(stopped, func(s *fleet.Seen) { s.API = false }),
			want: []fleet.Step{fleet.Report{Message: "Its machine stopped and is being started again."}},
		},
		"JoinsAfterItsAPI": {
			why:  "the same before it joined",
			node: joining, seen: fleet.Seen{Machine: true},
		},
		"DrainShows": {
			why:  "the owner sees the drain before the first pod leaves",
			node: going(running), seen: whole,
			want: []fleet.Step{enter(fleet.NodeDraining)},
		},
		"NoObjectNoDrain": {
			why:  "without a Node object there are no pods",
			node: going(joining), seen: starting,
			want: []fleet.Step{enter(fleet.NodeDeleting)},
		},
		"NoMachineNoDrain": {
			why:  "nobody could end the pods of a machine that does not run",
			node: going(running), seen: stopped,
			want: []fleet.Step{enter(fleet.NodeDeleting)},
		},
		"NoDrainWithTheCluster": {
			why:  "there is nowhere for the pods to go, and a budget must not hold up the cluster's end",
			node: going(running), seen: cluster,
			want: []fleet.Step{enter(fleet.NodeDeleting)},
		},
		"GoesWithTheCluster": {
			why:  "the node need not be told when its cluster goes",
			node: running, seen: cluster,
			want: []fleet.Step{enter(fleet.NodeDeleting)},
		},
		"Drains": {
			why:  "pods have to leave first",
			node: draining, seen: with(whole, func(s *fleet.Seen) { s.Cordoned, s.Pods = true, 2 }),
			want: []fleet.Step{fleet.Drain{}},
		},
		"Cordons": {
			why:  "an empty node is cordoned, too, lest a pod arrives while it goes",
			node: draining, seen: whole,
			want: []fleet.Step{fleet.Drain{}},
		},
		"Drained": {
			why:  "an empty node can go",
			node: draining, seen: with(whole, func(s *fleet.Seen) { s.Cordoned = true }),
			want: []fleet.Step{enter(fleet.NodeDeleting)},
		},
		"DrainIsBounded": {
			why:  "a budget that can never be met must not keep a machine for ever",
			node: late(draining, fleet.DrainLimit+1), seen: with(whole, func(s *fleet.Seen) { s.Cordoned, s.Pods = true, 1 }),
			want: []fleet.Step{enter(fleet.NodeDeleting)},
		},
		"DrainWaitsForAPI": {
			why:  "a control plane that restarts gets the chance to move the pods",
			node: draining, seen: fleet.Seen{Machine: true, MachineRunning: true, Identity: true},
		},
		"Removes": {
			why:  "access ends first, then the machine, then its record in Kubernetes",
			node: going(in(running, fleet.NodeDeleting)), seen: whole,
			want: []fleet.Step{fleet.RevokeIdentity{}, fleet.DeleteMachine{}, fleet.DeleteNodeObject{}, enter(fleet.NodeDeleted)},
		},
		"RemovesWithTheCluster": {
			why:  "nobody reads the Node objects of a cluster that goes",
			node: going(in(running, fleet.NodeDeleting)), seen: cluster,
			want: []fleet.Step{fleet.RevokeIdentity{}, fleet.DeleteMachine{}, enter(fleet.NodeDeleted)},
		},
		"RemovesHalfAnIdentity": {
			why:  "a crash in the middle of granting or revoking leaves no way in",
			node: going(in(fresh, fleet.NodeDeleting)), seen: fleet.Seen{HalfIdentity: true},
			want: []fleet.Step{fleet.RevokeIdentity{}, enter(fleet.NodeDeleted)},
		},
		"KeepsTrackOfObject": {
			why:  "a Node object that cannot be seen now must not be forgotten; the machine need not wait for it",
			node: going(in(running, fleet.NodeDeleting)), seen: fleet.Seen{Machine: true, MachineRunning: true},
			want: []fleet.Step{fleet.DeleteMachine{}},
		},
		"NeverJoined": {
			why:  "a machine that never joined has no Node object to wait for",
			node: going(in(fresh, fleet.NodeDeleting)), seen: fleet.Seen{},
			want: []fleet.Step{enter(fleet.NodeDeleted)},
		},
		"Deleted": {
			why:  "deleted is the end",
			node: in(running, fleet.NodeDeleted), seen: whole,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, fleet.PlanNode(tc.node, tc.seen, now)); diff != "" {
				t.Errorf("%s:\n%s", tc.why, diff)
			}
		})
	}
}

// TestPlanNodeInvariants goes through every state of a node that can be seen.
func TestPlanNodeInvariants(t *testing.T) {
	t.Parallel()
	phases := []fleet.NodePhase{fleet.NodeProvisioning, fleet.NodeJoining, fleet.NodeRunning, fleet.NodeDraining, fleet.NodeDeleting, fleet.NodeDeleted}
	for _, phase := range phases {
		for bits := range 1 << 11 {
			bit := func(i int) bool { return bits>>i&1 == 1 }
			n := fleet.Node{Phase: phase, Since: now, Deleting: bit(0)}
			if bit(1) {
				n.Since = now.Add(-time.Hour)
			}
			if bit(2) {
				n.JoinedAt = &joined
			}
			s := fleet.Seen{
				ClusterDeleting: bit(3), Machine: bit(4), MachineRunning: bit(4) && bit(5), Identity: bit(6),
				API: !bit(3) && bit(7), Object: !bit(3) && bit(7) && bit(8), Ready: !bit(3) && bit(7) && bit(8) && bit(9), Cordoned: bit(10),
			}
			if s.Object && n.Phase == fleet.NodeDraining && bit(5) {
				s.Pods = 1
			}
			plan := fleet.PlanNode(n, s, now)
			state := fmt.Sprintf("%+v %+v: %#v", n, s, plan)
			machineGoes := false
			for i, step := range plan {
				switch step := step.(type) {
				case fleet.CreateMachine:
					if n.Going() || s.ClusterDeleting {
						t.Fatalf("a machine is made for a node that goes: %s", state)
					}
				case fleet.Drain:
					if s.ClusterDeleting || !s.API {
						t.Fatalf("drains what cannot be drained: %s", state)
					}
				case fleet.DeleteMachine:
					machineGoes = true
				case fleet.DeleteNodeObject:
					if s.Machine && !machineGoes {
						t.Fatalf("the Node object goes before its machine: %s", state)
					}
				case fleet.EnterNode:
					if i != len(plan)-1 {
						t.Fatalf("something follows a change of phase, planned on what was seen before it: %s", state)
					}
					if step.Phase == n.Phase {
						t.Fatalf("enters the phase it is in: %s", state)
					}
					if step.Phase == fleet.NodeDeleted && s.Machine && !machineGoes {
						t.Fatalf("forgets a machine: %s", state)
					}
				}
			}
		}
	}
}
