package reconcile

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/marina-cloud/marina/internal/seal"
	"github.com/marina-cloud/marina/internal/tenant"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

// Place is where clusters run: it looks at one, and does one step to it. It keeps
// no state of clusters and is safe for concurrent use.
type Place struct {
	Host       Host
	Runtime    Runtime
	Keys       Keys
	KMS        KMS
	Egress     Egress
	API        API
	Dependents Dependents // nil: there are none
	Issuers    Issuers    // nil: nobody looks after them

	Clusters    Clusters
	Credentials Credentials
	Now         func() time.Time
	// Watch, if not nil, is told of each process that was seen to run, to notice
	// its end.
	Watch func(id tenant.ClusterID, pid int)

	routes sync.Mutex // held while a route is read from the database and published, or withdrawn
}

// errNotYet means that a step began something that is not finished: the rest of
// the plan waits.
var errNotYet = errors.New("not finished yet")

const (
	// stopGrace is how long a process may take to end by itself.
	stopGrace = 10 * time.Second

	// awaitStep and awaitLimit are how often Await asks, and for how long: a new
	// cluster is usable at most one step later than it could be, and a change of
	// what the owner wants is noticed after the limit.
	awaitStep  = 50 * time.Millisecond
	awaitLimit = 2 * time.Second
)

// Look reads what is there of c.
func (p *Place) Look(ctx context.Context, c controlplane.Cluster) (seen controlplane.Seen, err error) {
	seen.At = p.Now()
	if c.Leaving() {
		return seen, nil // whatever is there goes
	}
	if seen.Keys, err = p.Keys.Issued(ctx, c.ID); err != nil {
		return seen, fmt.Errorf("look for keys: %w", err)
	}
	if err = p.Keys.Usable(ctx, c.ID); errors.Is(err, seal.ErrAway) {
		seen.Sealed = true
	} else if err != nil {
		return seen, fmt.Errorf("try the secret store: %w", err)
	}
	if seen.Prepared, err = p.prepared(ctx, c); err != nil {
		return seen, fmt.Errorf("look at files: %w", err)
	}
	revoked, err := p.Credentials.Revocations(ctx, c.ID)
	if err != nil {
		return seen, err
	}
	denied, err := p.Host.Denied(c, revoked)
	if err != nil {
		return seen, err
	}
	seen.Undenied = !denied
	if seen.Route, err = p.Host.Published(c); err != nil {
		return seen, err
	}
	if seen.Etcd, seen.Stack, err = p.processes(ctx, c); err != nil {
		return seen, err
	}
	if !seen.Sealed && seen.Keys && seen.Prepared && seen.Etcd.Running && seen.Stack.Running {
		seen.Health = p.API.Probe(ctx, c)
	}
	if p.Issuers != nil {
		seen.Issuers = p.Issuers.Complaint(c)
	}
	return seen, nil
}

func (p *Place) prepared(ctx context.Context, c controlplane.Cluster) (bool, error) {
	if !p.KMS.Serving(c.ID) || !p.Egress.Serving(c.ID) {
		return false, nil
	}
	if ok, err := p.Host.Prepared(c); !ok || err != nil {
		return false, err
	}
	dir, _, _ := p.Host.KeysDir(c)
	return p.Keys.Materialized(ctx, c, dir)
}

func (p *Place) processes(ctx context.Context, c controlplane.Cluster) (etcd, stack controlplane.ProcessSeen, err error) {
	wantEtcd, wantStack, err := p.Host.Processes(c)
	if err != nil {
		return etcd, stack, err
	}
	states, err := p.Runtime.Observe(ctx, c.ID)
	if err != nil {
		return etcd, stack, fmt.Errorf("look at processes: %w", err)
	}
	return p.seen(wantEtcd, states[Etcd]), p.seen(wantStack, states[Stack]), nil
}

func (p *Place) seen(want Process, s ProcessState) controlplane.ProcessSeen {
	if s.Running && s.PID != 0 && p.Watch != nil {
		p.Watch(want.Cluster, s.PID)
	}
	return controlplane.ProcessSeen{
		Running: s.Running, Outdated: s.Running && s.Hash != want.Hash(),
		StartedAt: s.StartedAt, ExitedAt: s.ExitedAt, Exit: s.Exit, OutOfMemory: s.OutOfMemory, Restarts: s.Restarts,
	}
}

// Do does one step to c. Doing it again changes nothing.
func (p *Place) Do(ctx context.Context, c controlplane.Cluster, seen controlplane.Seen, step controlplane.Step) error {
	switch step.(type) {
	case controlplane.IssueKeys:
		return p.Keys.Issue(ctx, c)
	case controlplane.Prepare:
		return p.prepare(ctx, c)
	case controlplane.Deny:
		return p.Deny(ctx, c)
	case controlplane.StartEtcd:
		etcd, _, err := p.Host.Processes(c)
		if err != nil {
			return err
		}
		return p.Runtime.Start(ctx, etcd)
	case controlplane.StartStack:
		_, stack, err := p.Host.Processes(c)
		if err != nil {
			return err
		}
		return p.Runtime.Start(ctx, stack)
	case controlplane.PublishRoute:
		return p.Publish(ctx, c.ID)
	case controlplane.EnsureBootstrap:
		return p.API.Bootstrap(ctx, c)
	case controlplane.Await:
		return p.await(ctx, c, seen)
	}
	return p.takeAway(ctx, c, step)
}

func (p *Place) takeAway(ctx context.Context, c controlplane.Cluster, step controlplane.Step) error {
	switch step.(type) {
	case controlplane.ReleaseDependents:
		if p.Dependents == nil {
			return nil
		}
		gone, err := p.Dependents.Release(ctx, c.ID, c.Purge)
		if err == nil && !gone {
			return errNotYet
		}
		return err
	case controlplane.WithdrawRoute:
		return p.withdraw(c.ID)
	case controlplane.StopStack:
		return p.Runtime.Stop(ctx, c.ID, Stack, grace(c))
	case controlplane.StopEtcd:
		return p.Runtime.Stop(ctx, c.ID, Etcd, grace(c))
	case controlplane.ClearRun:
		if err := p.desert(c.ID); err != nil {
			return err
		}
		return p.Runtime.Clear(ctx, c.ID)
	case controlplane.RemoveData:
		if err := p.desert(c.ID); err != nil {
			return err
		}
		return p.Runtime.Remove(ctx, c.ID)
	case controlplane.DestroyKeys:
		if err := p.KMS.Destroy(ctx, c.ID); err != nil {
			return err
		}
		if err := p.Keys.Destroy(ctx, c.ID); err != nil {
			return err
		}
		return p.Credentials.ForgetCredentials(ctx, c.ID)
	}
	return fmt.Errorf("no way to do %T", step)
}

// desert ends what this program does for a cluster that does not run any more.
func (p *Place) desert(id tenant.ClusterID) error {
	p.API.Forget(id)
	if p.Issuers != nil {
		p.Issuers.Forget(id)
	}
	return errors.Join(p.KMS.Close(id), p.Egress.Close(id))
}

// grace is how long c's processes may take to end: no time at all when nothing is
// left to be saved.
func grace(c controlplane.Cluster) time.Duration {
	if c.Purge {
		return 0
	}
	return stopGrace
}

// prepare makes everything that the processes find when they start.
func (p *Place) prepare(ctx context.Context, c controlplane.Cluster) error {
	if err := p.Host.Prepare(c); err != nil {
		return err
	}
	dir, uid, gid := p.Host.KeysDir(c)
	if err := p.Keys.Materialize(ctx, c, dir, uid, gid); err != nil {
		return fmt.Errorf("unseal keys: %w", err)
	}
	return p.serve(ctx, c, gid)
}

// Deny tells the cluster's API server which credentials are revoked by now.
func (p *Place) Deny(ctx context.Context, c controlplane.Cluster) error {
	revoked, err := p.Credentials.Revocations(ctx, c.ID)
	if err != nil {
		return err
	}
	return p.Host.Deny(c, revoked)
}

// Publish tells the router the way to a cluster, and who may take it by now. The
// cluster is read anew, and nobody else publishes meanwhile: whoever knows an older
// wish of the owner does not undo a newer one, and what was withdrawn stays so.
func (p *Place) Publish(ctx context.Context, id tenant.ClusterID) error {
	p.routes.Lock()
	defer p.routes.Unlock()
	c, err := p.Clusters.ByID(ctx, id)
	if err != nil || c.Deleting {
		return err
	}
	return p.Host.Publish(c)
}

func (p *Place) withdraw(id tenant.ClusterID) error {
	p.routes.Lock()
	defer p.routes.Unlock()
	return p.Host.Withdraw(id)
}

// serve opens the sockets at which c's processes find this program.
func (p *Place) serve(ctx context.Context, c controlplane.Cluster, gid int) error {
	if err := p.KMS.Serve(ctx, c.ID, gid); err != nil {
		return fmt.Errorf("serve the encryption of Secrets: %w", err)
	}
	if err := p.Egress.Serve(ctx, c.ID, gid); err != nil {
		return fmt.Errorf("serve the way to the Internet: %w", err)
	}
	return nil
}

// Adopt serves what the running processes of c need of this program, after it
// started anew. It does nothing for a cluster that has not come that far.
func (p *Place) Adopt(ctx context.Context, c controlplane.Cluster) error {
	if c.Leaving() {
		return nil
	}
	if issued, err := p.Keys.Issued(ctx, c.ID); err != nil || !issued {
		return err
	}
	if err := p.Host.Prepare(c); err != nil {
		return err
	}
	_, _, gid := p.Host.KeysDir(c)
	return p.serve(ctx, c, gid)
}

// await returns when c's health is not what was seen any more, when a process has
// ended, or after awaitLimit. It is no error that nothing happened.
func (p *Place) await(ctx context.Context, c controlplane.Cluster, seen controlplane.Seen) error {
	limit := time.NewTimer(awaitLimit)
	defer limit.Stop()
	tick := time.NewTicker(awaitStep)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-limit.C:
			return nil
		case <-tick.C:
		}
		if p.API.Probe(ctx, c) != seen.Health {
			return nil
		}
		if n%10 != 0 {
			continue // processes are asked about less often: they seldom die
		}
		etcd, stack, err := p.processes(ctx, c)
		if err != nil || !etcd.Running || !stack.Running {
			return err
		}
	}
}
