// Package fleettest helps to test what works with nodes: a provider whose
// machines are entries of a map, and control planes that are nothing but keys.
package fleettest

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/marina-cloud/marina/internal/tenant"
	"github.com/marina-cloud/marina/node-fleet/provider"
)

// Provider keeps machines in memory. Its zero value is ready to use. It is safe
// for concurrent use.
type Provider struct {
	// Started, when set, is called for each machine that Create starts, after it
	// runs, as the agent in a real one would begin to work.
	Started func(provider.Spec, provider.Machine)

	mu       sync.Mutex
	machines map[tenant.NodeID]provider.Machine
	last     int // address that was given
	released []tenant.ClusterID
}

// Create makes the machine, or starts it again.
func (p *Provider) Create(ctx context.Context, spec provider.Spec) (provider.Machine, error) {
	if err := ctx.Err(); err != nil {
		return provider.Machine{}, err
	}
	m, started := p.start(spec)
	if started && p.Started != nil {
		p.Started(spec, m)
	}
	return m, nil
}

func (p *Provider) start(spec provider.Spec) (m provider.Machine, started bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.machines == nil {
		p.machines = map[tenant.NodeID]provider.Machine{}
	}
	m, ok := p.machines[spec.Node]
	if !ok {
		p.last++
		m = provider.Machine{Node: spec.Node, Cluster: spec.Cluster, Address: fmt.Sprintf("172.30.%d.%d", p.last/250, p.last%250+2)}
	}
	started, m.Running = !m.Running, true
	p.machines[spec.Node] = m
	return m, started
}

// Machine returns a machine, or ErrNoMachine.
func (p *Provider) Machine(ctx context.Context, id tenant.NodeID) (provider.Machine, error) {
	if err := ctx.Err(); err != nil {
		return provider.Machine{}, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	m, ok := p.machines[id]
	if !ok {
		return provider.Machine{}, provider.ErrNoMachine
	}
	return m, nil
}

// Machines returns all machines of a cluster.
func (p *Provider) Machines(ctx context.Context, cluster tenant.ClusterID) ([]provider.Machine, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []provider.Machine
	for _, m := range p.machines {
		if m.Cluster == cluster {
			list = append(list, m)
		}
	}
	slices.SortFunc(list, func(a, b provider.Machine) int {
		if a.Node < b.Node {
			return -1
		}
		return 1
	})
	return list, nil
}

// Delete removes a machine.
func (p *Provider) Delete(ctx context.Context, id tenant.NodeID) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.machines, id)
	return nil
}

// Release notes that a cluster was released.
func (p *Provider) Release(ctx context.Context, cluster tenant.ClusterID) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.released = append(p.released, cluster)
	return nil
}

// Kill stops a machine, as a crash of it would.
func (p *Provider) Kill(id tenant.NodeID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if m, ok := p.machines[id]; ok {
		m.Running = false
		p.machines[id] = m
	}
}

// Released reports whether a cluster was released.
func (p *Provider) Released(cluster tenant.ClusterID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Contains(p.released, cluster)
}
