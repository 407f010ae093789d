package local

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/marina-cloud/marina/internal/home"
	"github.com/marina-cloud/marina/internal/runc"
	"github.com/marina-cloud/marina/internal/tenant"
	"github.com/marina-cloud/marina/node-fleet/provider"
)

// DefaultRouterPort is the port where the router listens for nodes, inside the
// home's network namespace.
const DefaultRouterPort = 6443

// The output of a machine's agent is set aside at logSize bytes; logKeep older
// files are kept.
const (
	logSize = 10 << 20
	logKeep = 3
)

// Config is what a Provider works with.
type Config struct {
	Home       home.Home
	NodeRoot   string // directory: the root file system of machines
	Runc       runc.Runc
	RouterPort int // 0 means DefaultRouterPort
	Log        *slog.Logger
}

// Provider makes machines on this host. It implements provider.Provider and is
// safe for concurrent use; one home must have only one at a time.
type Provider struct {
	config   Config
	host     host
	registry registryFile
	machines keyedMutex
}

var _ provider.Provider = (*Provider)(nil)

// New returns the provider of a home. It looks at the host and changes nothing.
func New(c Config) (*Provider, error) {
	c.RouterPort = cmp.Or(c.RouterPort, DefaultRouterPort)
	if _, err := os.Stat(filepath.Join(c.NodeRoot, agentProgram)); err != nil {
		return nil, fmt.Errorf("root file system of local machines: %w (run make build)", err)
	}
	h, err := lookAtHost(runc.CanLimitSwap())
	if err != nil {
		return nil, err
	}
	return &Provider{config: c, host: h, registry: registryFile{c.Home.Path("networks.json")}}, nil
}

// Create implements provider.Provider. A machine that runs and has not used its
// ticket gets the new one; otherwise one that runs is left alone.
func (p *Provider) Create(ctx context.Context, spec provider.Spec) (provider.Machine, error) {
	unlock := p.machines.lock(spec.Node)
	defer unlock()
	at, err := p.claim(spec)
	if err != nil {
		return provider.Machine{}, fmt.Errorf("create machine %s: %w", spec.Node, err)
	}
	files := pathsOf(p.config.Home, spec.Node)
	spec.Join.Gateway = net.JoinHostPort(at.gateway().String(), strconv.Itoa(p.config.RouterPort))

	running, err := p.running(ctx, spec.Node)
	if err == nil && running {
		err = renewTicket(files, spec)
	} else if err == nil {
		err = p.start(ctx, spec, files, at)
	}
	if err != nil {
		return provider.Machine{}, fmt.Errorf("create machine %s: %w", spec.Node, err)
	}
	return machine(spec.Node, at, true), nil
}

// claim gives the machine its place in the network.
func (p *Provider) claim(spec provider.Spec) (at place, err error) {
	if _, ok := tenant.ParseNodeID(string(spec.Node)); !ok {
		return at, fmt.Errorf("%q is not the identifier of a node", spec.Node)
	}
	err = p.registry.change(func(r *registry) error {
		at, err = r.assign(spec.Cluster, spec.Node)
		return err
	})
	return at, err
}

// renewTicket replaces a ticket that the machine has not used.
func renewTicket(files paths, spec provider.Spec) error {
	if _, err := os.Stat(files.ticket()); errors.Is(err, fs.ErrNotExist) || spec.Join.Token == "" {
		return nil
	}
	return files.putTicket(spec.Join)
}

// start starts a machine that does not run, whatever is there of it.
func (p *Provider) start(ctx context.Context, spec provider.Spec, files paths, at place) error {
	if err := files.prepare(p.config.NodeRoot, spec, at); err != nil {
		return err
	}
	if err := p.connect(ctx, files, at); err != nil {
		return err
	}
	if spec.Join.Token != "" {
		if err := files.putTicket(spec.Join); err != nil {
			return err
		}
	}
	// Before the container starts: without the file, runc is asked.
	if err := os.Remove(files.init()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forget the old process: %w", err)
	}
	output, err := runc.OpenLog(files.log())
	if err != nil {
		return err
	}
	defer output.Close()
	config := container(spec, files, p.config.NodeRoot, p.cgroup(spec.Node), p.host)
	init, err := p.config.Runc.Run(ctx, string(spec.Node), files.bundle(), config, output)
	if err != nil {
		return err
	}
	text, err := json.Marshal(init)
	if err != nil {
		return fmt.Errorf("remember the process: %w", err)
	}
	return writeFile(files.init(), text, 0o600)
}

// connect gives a machine a fresh network namespace: what an earlier life of it
// left in one (pods' links, rules, addresses) would be in the way.
func (p *Provider) connect(ctx context.Context, files paths, at place) error {
	if err := p.ensureNetwork(ctx, at.number); err != nil {
		return err
	}
	if err := removeNamespace(files.namespace()); err != nil {
		return err
	}
	if err := newNamespace(files.namespace()); err != nil {
		return err
	}
	inside, err := os.Open(files.namespace())
	if err != nil {
		return fmt.Errorf("open network namespace of machine: %w", err)
	}
	defer inside.Close()
	if err := within(p.config.Home.NetworkNamespace(), func() error { return addLink(at, int(inside.Fd())) }); err != nil {
		return err
	}
	return within(files.namespace(), func() error { return configureMachine(at) })
}

// ensureNetwork makes a cluster's bridge, and the firewall that goes with it.
func (p *Provider) ensureNetwork(ctx context.Context, number uint8) error {
	if err := EnsureNamespace(p.config.Home); err != nil {
		return err
	}
	// Under the registry's lock, so that rules are loaded in the order of the
	// changes that they express.
	return p.registry.change(func(r *registry) error {
		return within(p.config.Home.NetworkNamespace(), func() error {
			if err := setFirewall(ctx, firewall(r.numbers(), p.config.RouterPort)); err != nil {
				return err
			}
			return addBridge(number)
		})
	})
}

// Machine implements provider.Provider.
func (p *Provider) Machine(ctx context.Context, node tenant.NodeID) (provider.Machine, error) {
	r, err := p.registry.read()
	if err != nil {
		return provider.Machine{}, err
	}
	at, ok := r.find(node)
	if !ok {
		return provider.Machine{}, fmt.Errorf("machine %s: %w", node, provider.ErrNoMachine)
	}
	return p.look(ctx, node, at)
}

// Machines implements provider.Provider. The machines are in the order of their
// identifiers.
func (p *Provider) Machines(ctx context.Context, cluster tenant.ClusterID) ([]provider.Machine, error) {
	r, err := p.registry.read()
	if err != nil {
		return nil, err
	}
	var machines []provider.Machine
	for node, at := range r.machines(cluster) {
		m, err := p.look(ctx, node, at)
		if err != nil {
			return nil, err
		}
		machines = append(machines, m)
	}
	slices.SortFunc(machines, func(a, b provider.Machine) int { return cmp.Compare(a.Node, b.Node) })
	return machines, nil
}

// look returns a machine as it is, and sets its log aside when that is full:
// whoever keeps machines looks at them regularly.
func (p *Provider) look(ctx context.Context, node tenant.NodeID, at place) (provider.Machine, error) {
	if _, err := runc.Rotate(pathsOf(p.config.Home, node).log(), logSize, logKeep); err != nil {
		p.config.Log.WarnContext(ctx, "set log of machine aside", "node", node, "error", err)
	}
	running, err := p.running(ctx, node)
	if err != nil {
		return provider.Machine{}, fmt.Errorf("look at machine %s: %w", node, err)
	}
	return machine(node, at, running), nil
}

func machine(node tenant.NodeID, at place, running bool) provider.Machine {
	return provider.Machine{Node: node, Cluster: at.cluster, Address: at.address().String(), Running: running}
}

// running reports whether a machine's first process lives. The process that was
// remembered is enough to tell; runc, which is slower, is asked when the memory
// was lost between a start and its writing down.
func (p *Provider) running(ctx context.Context, node tenant.NodeID) (bool, error) {
	var init runc.Init
	text, err := os.ReadFile(pathsOf(p.config.Home, node).init())
	if err == nil && json.Unmarshal(text, &init) == nil {
		return init.Alive(), nil
	}
	init, err = p.config.Runc.Init(ctx, string(node))
	if errors.Is(err, runc.ErrNotFound) {
		return false, nil
	}
	return err == nil && init.Alive(), err
}

// Delete implements provider.Provider. The machine's place is given up last: as
// long as anything may be left, the machine exists.
func (p *Provider) Delete(ctx context.Context, node tenant.NodeID) error {
	if _, ok := tenant.ParseNodeID(string(node)); !ok {
		return fmt.Errorf("delete machine: %q is not the identifier of a node", node)
	}
	unlock := p.machines.lock(node)
	defer unlock()
	r, err := p.registry.read()
	if err != nil {
		return err
	}
	at, ok := r.find(node)
	if !ok {
		return nil
	}
	if err := p.stop(ctx, node, at); err != nil {
		return fmt.Errorf("delete machine %s: %w", node, err)
	}
	if err := pathsOf(p.config.Home, node).remove(); err != nil {
		return fmt.Errorf("delete machine %s: %w", node, err)
	}
	return p.registry.change(func(r *registry) error {
		r.release(node)
		return nil
	})
}

// stop ends a machine and removes all of it but its disk. Its pods' processes
// and mounts end with its namespaces.
func (p *Provider) stop(ctx context.Context, node tenant.NodeID, at place) error {
	// The cgroup first: it waits for the last process, and runc does not.
	if err := runc.RemoveCgroup(ctx, p.cgroup(node)); err != nil {
		return err
	}
	if err := p.config.Runc.Delete(ctx, string(node), true); err != nil {
		return err
	}
	if isNamespace(p.config.Home.NetworkNamespace()) {
		err := within(p.config.Home.NetworkNamespace(), func() error { return deleteLink(at.link()) })
		if err != nil {
			return err
		}
	}
	return removeNamespace(pathsOf(p.config.Home, node).namespace())
}

// Release implements provider.Provider. It is an error while the cluster has
// machines.
func (p *Provider) Release(ctx context.Context, cluster tenant.ClusterID) error {
	err := p.registry.change(func(r *registry) error {
		c, ok := r.Clusters[cluster]
		if !ok {
			return nil
		}
		if len(c.Machines) > 0 {
			return fmt.Errorf("it still has %d machines", len(c.Machines))
		}
		delete(r.Clusters, cluster)
		if !isNamespace(p.config.Home.NetworkNamespace()) {
			return nil
		}
		return within(p.config.Home.NetworkNamespace(), func() error {
			if err := deleteLink(bridge(c.Number)); err != nil {
				return err
			}
			return setFirewall(ctx, firewall(r.numbers(), p.config.RouterPort))
		})
	})
	if err != nil {
		return fmt.Errorf("release network of cluster %s: %w", cluster, err)
	}
	return nil
}

// Stop ends all machines and removes everything that is not on disk, the home's
// network namespace included. Create starts a machine again, with the same
// address and disk.
func (p *Provider) Stop(ctx context.Context) error {
	r, err := p.registry.read()
	if err != nil {
		return err
	}
	var errs []error
	for _, node := range r.nodes() {
		unlock := p.machines.lock(node)
		at, _ := r.find(node)
		if err := p.stop(ctx, node, at); err != nil {
			errs = append(errs, fmt.Errorf("stop machine %s: %w", node, err))
		}
		unlock()
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	if err := runc.RemoveCgroup(ctx, p.cgroups()); err != nil {
		return err
	}
	p.leaveCgroup()
	if err := os.RemoveAll(filepath.Join(p.config.Home.Run(), "m")); err != nil {
		return fmt.Errorf("remove files of machines: %w", err)
	}
	return removeNamespace(p.config.Home.NetworkNamespace())
}

// leaveCgroup removes the home's own cgroup if nothing else is in it.
func (p *Provider) leaveCgroup() {
	groups, err := filepath.Glob("/sys/fs/cgroup/*" + p.config.Home.Cgroup())
	if err != nil || p.host.unified {
		groups = []string{"/sys/fs/cgroup" + p.config.Home.Cgroup()}
	}
	for _, group := range groups {
		_ = unix.Rmdir(group) // busy: control planes are in there, who do the same
	}
}

// Purge deletes all machines and all that the provider keeps.
func (p *Provider) Purge(ctx context.Context) error {
	r, err := p.registry.read()
	if err != nil {
		return err
	}
	nodes := r.nodes()
	errs := make([]error, len(nodes))
	var all sync.WaitGroup
	for i, node := range nodes {
		all.Go(func() { errs[i] = p.Delete(ctx, node) })
	}
	all.Wait()
	for cluster := range r.Clusters {
		errs = append(errs, p.Release(ctx, cluster))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return p.Stop(ctx)
}

func (p *Provider) cgroups() string                  { return path.Join(p.config.Home.Cgroup(), "m") }
func (p *Provider) cgroup(node tenant.NodeID) string { return path.Join(p.cgroups(), string(node)) }
