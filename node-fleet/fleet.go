// Package fleet is the domain of worker nodes: pools, the nodes in them, the
// machines that nodes run on, and what has to be done next to bring a pool from
// what it is to what its owner wants.
//
// The package does no I/O. Time comes in as an argument, and the packages below
// internal carry out what the planners decide.
package fleet

import (
	"time"

	"github.com/marina-cloud/marina/internal/fault"
	"github.com/marina-cloud/marina/internal/tenant"
)

// PoolPhase is where a pool stands in its life.
type PoolPhase string

// The phases of a pool.
const (
	PoolProvisioning PoolPhase = "provisioning" // fewer nodes are ready than wanted
	PoolRunning      PoolPhase = "running"      // as many nodes are ready as wanted
	PoolSuspended    PoolPhase = "suspended"    // its cluster is deleted: it has no nodes, and gets them back with it
	PoolDeleting     PoolPhase = "deleting"
	PoolDeleted      PoolPhase = "deleted"
)

// NodePhase is where a node stands in its life.
type NodePhase string

// The phases of a node.
const (
	NodeProvisioning NodePhase = "provisioning" // its machine is being made
	NodeJoining      NodePhase = "joining"      // its machine runs; the Node is not Ready yet
	NodeRunning      NodePhase = "running"      // was Ready once; field Ready says how it is now
	NodeDraining     NodePhase = "draining"     // cordoned; its pods are being evicted
	NodeDeleting     NodePhase = "deleting"     // its machine and its Node object are being removed
	NodeDeleted      NodePhase = "deleted"
)

// Taint keeps pods without a matching toleration off a node.
type Taint struct {
	Key    string `json:"key"`
	Value  string `json:"value,omitempty"`
	Effect string `json:"effect"` // NoSchedule, PreferNoSchedule or NoExecute
}

// Pool is a set of equal nodes. It is a value.
type Pool struct {
	ID           tenant.PoolID
	Organization tenant.OrganizationID
	Cluster      tenant.ClusterID
	Name         string
	Size         string // name of a Size
	Count        int
	Labels       map[string]string
	Taints       []Taint
	Generation   int64
	Deleting     bool
	Phase        PoolPhase
	Since        time.Time
	CreatedAt    time.Time
}

// Node is one worker node. It is a value.
type Node struct {
	ID           tenant.NodeID
	Organization tenant.OrganizationID
	Cluster      tenant.ClusterID
	Pool         tenant.PoolID
	Name         string // of the Node object
	Address      string // InternalIP; empty until its machine exists
	Deleting     bool
	Phase        NodePhase
	Since        time.Time
	JoinedAt     *time.Time // when the machine used its join token
	Ready        bool       // as Kubernetes sees it
	Message      string     // why it is not ready, for people
	CreatedAt    time.Time
}

// Placed is a node with what operators see of its machine.
type Placed struct {
	Node
	Size     string // of the machine
	Provider string // where it comes from
}

// Tally is how many nodes of a size a cluster has.
type Tally struct {
	Size  string
	Nodes int
	Ready int
	Lost  int // running ones that are not ready now
}

// Going reports whether the node is on its way out: because its pool does not want
// it any more, or because its machine never joined and the pool gets another.
func (n Node) Going() bool {
	switch n.Phase {
	case NodeDraining, NodeDeleting, NodeDeleted:
		return true
	case NodeProvisioning, NodeJoining, NodeRunning:
	}
	return n.Deleting
}

// Size is what a machine may be asked to be.
type Size struct {
	Name      string `json:"name"`
	CPUs      int    `json:"cpus"`
	MemoryMiB int    `json:"memory_mib"`
	DiskGiB   int    `json:"disk_gib"`
}

// Sizes are the sizes on offer, the smallest first.
var Sizes = []Size{
	{Name: "small", CPUs: 1, MemoryMiB: 2048, DiskGiB: 20},
	{Name: "medium", CPUs: 2, MemoryMiB: 4096, DiskGiB: 40},
	{Name: "large", CPUs: 4, MemoryMiB: 8192, DiskGiB: 80},
}

// Precondition is asked about a pool while nobody else can change it; its error keeps
// a change from being made. Nil asks nothing.
type Precondition func(Pool) error

// Check asks, if there is something to ask.
func (c Precondition) Check(p Pool) error {
	if c == nil {
		return nil
	}
	return c(p)
}

// MaxPoolCount is how many nodes a pool may have.
const MaxPoolCount = 100

// MaxNodes is how many nodes all pools of an organization may want together.
const MaxNodes = 50

// SizeByName returns the size of a name; ok is false when none has it.
func SizeByName(name string) (s Size, ok bool) {
	for _, s := range Sizes {
		if s.Name == name {
			return s, true
		}
	}
	return Size{}, false
}

// Faults of this domain.
var (
	ErrNoCluster   = fault.New(fault.NotFound, "cluster_not_found", "There is no such cluster.")
	ErrGoing       = fault.New(fault.Conflict, "cluster_deleting", "The cluster is being deleted; it takes no more node pools.")
	ErrPoolGoing   = fault.New(fault.Conflict, "pool_deleting", "The node pool is being deleted and cannot be resized any more.")
	ErrUntrusted   = fault.New(fault.Forbidden, "machines_not_isolated", "Nodes on this installation share the host's kernel, so it gives them to one organization alone. Its operator may allow more with --local-provider-untrusted=accept, or offer isolated machines.")
	ErrNoPool      = fault.New(fault.NotFound, "pool_not_found", "There is no such node pool.")
	ErrNoNode      = fault.New(fault.NotFound, "node_not_found", "There is no such node.")
	ErrNameTaken   = fault.New(fault.Conflict, "pool_name_taken", "The cluster has a node pool of this name already. Choose another name.")
	ErrQuota       = fault.New(fault.Exhausted, "node_quota", "The organization would have more nodes than its quota allows. Ask for fewer, or for a higher quota.")
	ErrBadToken    = fault.New(fault.Unauthorized, "join_token", "The join token is unknown, was used before, or is past its time. Ask for a new one.")
	ErrNotExpected = fault.New(fault.Forbidden, "node_not_expected", "This machine is not, or no longer, a node of the cluster.")
)
