package fleet

import (
	"cmp"
	"slices"
	"time"

	"github.com/marina-cloud/marina/internal/tenant"
)

const (
	// JoinLimit is how long a machine may take from its start until its Node is
	// Ready. After it the node is removed, and its pool gets another.
	JoinLimit = 10 * time.Minute
	// DrainLimit is how long pods may take to leave a node. After it the node is
	// removed with what is left on it, PodDisruptionBudget or not: a budget that
	// can never be met must not keep a machine, and its bill, for ever.
	DrainLimit = 5 * time.Minute
)

// Step is one idempotent thing to do. Steps are data, so that a plan can be
// compared in a test and printed for an operator.
type Step interface{ step() }

// The steps of a pool.
type (
	// AddNodes adds nodes to the pool.
	AddNodes struct{ Count int }
	// RemoveNode marks one node of the pool as unwanted; the node's own plan
	// carries that out.
	RemoveNode struct{ Node tenant.NodeID }
	// EnterPool moves the pool to a phase.
	EnterPool struct{ Phase PoolPhase }
)

// The steps of a node, in the order in which a node meets them.
type (
	// CreateMachine makes the node's machine, or starts it again, and learns its
	// address.
	CreateMachine struct{}
	// GrantIdentity lets the certificates of the node's machine in.
	GrantIdentity struct{}
	// AwaitReady waits a moment for the Node object to become Ready.
	AwaitReady struct{}
	// Report keeps how Kubernetes sees the node.
	Report struct {
		Ready   bool
		Message string
	}
	// Drain cordons the node and asks its pods to leave.
	Drain struct{}
	// RevokeIdentity shuts all certificates of the machine out.
	RevokeIdentity struct{}
	// DeleteMachine removes the machine and all that belongs to it.
	DeleteMachine struct{}
	// DeleteNodeObject removes the Node object and the pods bound to it. It comes
	// after DeleteMachine, when nothing can run there any more: only then may a
	// StatefulSet's pod start elsewhere.
	DeleteNodeObject struct{}
	// EnterNode moves the node to a phase.
	EnterNode struct{ Phase NodePhase }
)

func (AddNodes) step()         {}
func (RemoveNode) step()       {}
func (EnterPool) step()        {}
func (CreateMachine) step()    {}
func (GrantIdentity) step()    {}
func (AwaitReady) step()       {}
func (Report) step()           {}
func (Drain) step()            {}
func (RevokeIdentity) step()   {}
func (DeleteMachine) step()    {}
func (DeleteNodeObject) step() {}
func (EnterNode) step()        {}

// PlanPool says what to do next to bring a pool to what its owner wants. Nodes
// are those of the pool that are not deleted; suspended says that its cluster is gone
// for now. It is pure; an empty plan means that nothing is left to do until a node
// changes.
func PlanPool(p Pool, nodes []Node, suspended bool) []Step {
	switch {
	case p.Phase == PoolDeleted:
		return nil
	case p.Deleting:
		return planPoolRemoval(p, nodes)
	case suspended && len(nodes) > 0:
		return removeAll(nodes)
	case suspended && p.Phase != PoolSuspended:
		return []Step{EnterPool{PoolSuspended}}
	case suspended:
		return nil
	}
	wanted := slices.DeleteFunc(slices.Clone(nodes), Node.Going)
	var plan []Step
	if missing := p.Count - len(wanted); missing > 0 {
		plan = append(plan, AddNodes{missing})
	}
	plan = append(plan, removals(wanted, len(wanted)-p.Count)...)
	ready := 0
	for _, n := range wanted {
		if n.Ready {
			ready++
		}
	}
	phase := PoolProvisioning
	if ready >= p.Count {
		phase = PoolRunning
	}
	if p.Phase != phase {
		plan = append(plan, EnterPool{phase})
	}
	return plan
}

func planPoolRemoval(p Pool, nodes []Node) []Step {
	var plan []Step
	if p.Phase != PoolDeleting {
		plan = append(plan, EnterPool{PoolDeleting})
	}
	plan = append(plan, removeAll(nodes)...)
	if len(nodes) == 0 {
		plan = append(plan, EnterPool{PoolDeleted})
	}
	return plan
}

func removeAll(nodes []Node) (plan []Step) {
	for _, n := range nodes {
		if !n.Deleting {
			plan = append(plan, RemoveNode{n.ID})
		}
	}
	return plan
}

// removals picks the nodes that a pool can best do without: first those that are
// not ready, then the youngest, which have the fewest pods to move.
func removals(nodes []Node, count int) []Step {
	if count <= 0 {
		return nil
	}
	slices.SortFunc(nodes, func(a, b Node) int {
		if a.Ready != b.Ready {
			if b.Ready {
				return -1
			}
			return 1
		}
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(b.ID, a.ID))
	})
	var plan []Step
	for _, n := range nodes[:count] {
		plan = append(plan, RemoveNode{n.ID})
	}
	return plan
}

// Matters reports whether a node's change matters to the plan of its pool.
func Matters(before, after Node) bool {
	return before.Ready != after.Ready || before.Going() != after.Going() || after.Phase == NodeDeleted
}

// Seen is what is really there of a node, read in one go before planning. Reading
// is not atomic, so PlanNode treats every field as possibly a little out of date.
type Seen struct {
	ClusterDeleting bool // the whole cluster goes; if it goes for good, nothing below Identity was looked at
	Machine         bool // the machine exists
	MachineRunning  bool
	Identity        bool // the machine's certificates are let in, everywhere
	HalfIdentity    bool // they are, but not everywhere
	API             bool // the cluster's API server answered, so that the fields below are known
	Object          bool // there is a Node object
	Ready           bool // and it is Ready
	Message         string
	Cordoned        bool
	Pods            int // that still have to leave; counted only while the node drains
}

// PlanNode says what to do next to bring a node to what its pool wants. It is
// pure. An empty plan means that there is nothing to do but look again later.
//
// A machine's first start, its restart after a crash and its repair are the same
// case: it should run, and does not. All of them wait for the API server, without
// which a kubelet that starts knows of no pod: so after a reboot machines come in
// the order of their clusters.
func PlanNode(n Node, seen Seen, now time.Time) []Step {
	switch {
	case n.Phase == NodeDeleted:
		return nil
	case n.Going() || seen.ClusterDeleting:
		return planRemoval(n, seen, now)
	}
	var plan []Step
	if n.JoinedAt != nil && !seen.Identity {
		plan = append(plan, GrantIdentity{}) // the directory of identities is lost at a reboot
	}
	switch n.Phase {
	case NodeProvisioning:
		if seen.API { // a machine cannot join before
			plan = append(plan, CreateMachine{}, EnterNode{NodeJoining})
		}
	case NodeJoining:
		plan = append(plan, planJoin(n, seen, now)...)
	case NodeRunning:
		report := Report{seen.Ready, seen.Message}
		if !seen.MachineRunning {
			report = Report{false, "Its machine stopped and is being started again."}
		}
		if (seen.API || !seen.MachineRunning) && report != (Report{n.Ready, n.Message}) {
			plan = append(plan, report)
		}
		if !seen.MachineRunning && seen.API { // else it could run no pod, and would only slow down what starts for it
			plan = append(plan, CreateMachine{})
		}
	case NodeDraining, NodeDeleting, NodeDeleted: // it goes
	}
	return plan
}

func planJoin(n Node, seen Seen, now time.Time) []Step {
	switch {
	case seen.API && !seen.Ready && now.Sub(n.Since) > JoinLimit:
		return []Step{EnterNode{NodeDeleting}} // without a drain: nothing ever ran there
	case !seen.API:
		return nil
	case !seen.MachineRunning:
		return []Step{CreateMachine{}, AwaitReady{}}
	case seen.Ready:
		return []Step{Report{true, ""}, EnterNode{NodeRunning}}
	}
	return []Step{AwaitReady{}}
}

func planRemoval(n Node, seen Seen, now time.Time) []Step {
	// Without a machine that runs nobody could end a pod; without a Node object
	// there is none. As long as the API does not answer, there may be one.
	drainable := !seen.ClusterDeleting && seen.MachineRunning && (seen.Object || !seen.API)
	switch n.Phase {
	case NodeProvisioning, NodeJoining, NodeRunning:
		if drainable {
			return []Step{EnterNode{NodeDraining}}
		}
		return []Step{EnterNode{NodeDeleting}}
	case NodeDraining:
		switch {
		case !drainable || now.Sub(n.Since) > DrainLimit:
			return []Step{EnterNode{NodeDeleting}}
		case !seen.API:
			return nil
		case !seen.Cordoned || seen.Pods > 0:
			return []Step{Drain{}}
		}
		return []Step{EnterNode{NodeDeleting}}
	case NodeDeleting, NodeDeleted:
	}
	var plan []Step
	if seen.Identity || seen.HalfIdentity {
		plan = append(plan, RevokeIdentity{}) // first: what is going must not reach the API
	}
	if seen.Machine {
		plan = append(plan, DeleteMachine{})
	}
	switch {
	case seen.Object: // also of a cluster that is kept: its pods are to find other nodes when it comes back
		plan = append(plan, DeleteNodeObject{})
	case seen.ClusterDeleting:
	case !seen.API && n.JoinedAt != nil:
		return plan // whether there is an object has to be seen first
	}
	return append(plan, EnterNode{NodeDeleted})
}
