// Package provider is how the fleet gets machines: the interface that every
// source of machines implements. What an implementation must keep is written as
// tests in package providertest, which all of them pass.
package provider

import (
	"context"

	fleet "github.com/marina-cloud/marina/node-fleet"
	"github.com/marina-cloud/marina/node-fleet/join"

	"github.com/marina-cloud/marina/internal/tenant"
)

// Provider makes machines and removes them. A machine is named by the node that
// it is for, so that asking twice cannot make two. All methods are idempotent,
// safe for concurrent use, and may be interrupted at any point and called again.
type Provider interface {
	// Create makes the machine of spec.Node and starts it; when it exists already,
	// running or not, Create makes sure that it runs. The machine starts
	// marina-agent with spec.Join.
	Create(ctx context.Context, spec Spec) (Machine, error)
	// Machine returns a machine, or ErrNoMachine.
	Machine(ctx context.Context, id tenant.NodeID) (Machine, error)
	// Machines returns all machines of a cluster, also those that do not run.
	Machines(ctx context.Context, cluster tenant.ClusterID) ([]Machine, error)
	// Delete removes a machine and all that belonged to it; it is no error that
	// there is none.
	Delete(ctx context.Context, id tenant.NodeID) error
	// Release removes what the provider holds for a cluster as a whole, such as
	// its network, once the cluster has no machines; it is no error that there is
	// nothing.
	Release(ctx context.Context, cluster tenant.ClusterID) error
}

// Spec is the machine that the fleet wants.
type Spec struct {
	Node         tenant.NodeID
	Cluster      tenant.ClusterID
	Organization tenant.OrganizationID
	Name         string // host name, and the name of the Node object
	Size         fleet.Size
	Version      string      // Kubernetes minor, as in "1.37"
	Join         join.Ticket // Gateway is filled in by the provider, who knows the way
}

// Machine is a machine as it was seen.
type Machine struct {
	Node    tenant.NodeID
	Cluster tenant.ClusterID
	Address string // IPv4 address, the Node's InternalIP
	Running bool
}
