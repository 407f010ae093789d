// Package controlplanetest is a world for tests in which control planes live in
// memory: every effect can be made to fail, before or after it takes hold.
package controlplanetest

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/marina-cloud/marina/internal/event"
	"github.com/marina-cloud/marina/internal/seal"
	"github.com/marina-cloud/marina/internal/tenant"
	"github.com/marina-cloud/marina/migrations/pg"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/reconcile"
)

// ErrBoom is how an effect fails on purpose.
var ErrBoom = errors.New("boom")

// World is one cluster, its row in the database and all that is there of it. It is
// safe for concurrent use.
type World struct {
	// FailAt makes the n-th effect fail, once; 0: none does. If Late, the effect
	// takes hold nevertheless, and only its answer is lost.
	FailAt int
	Late   bool
	// Slow is how many times the API server is asked before each next thing that
	// it does of itself (getting ready, making the ServiceAccount) has happened.
	Slow int
	// Stubborn is how many times dependents are asked before they are gone.
	Stubborn int

	mu        sync.Mutex
	cluster   controlplane.Cluster
	now       time.Time
	effects   int
	failures  int
	messages  []string
	issued    bool
	sealed    bool
	keyFiles  bool
	files     bool
	serving   bool
	wayOut    bool
	dataKey   bool
	published bool
	networks  []netip.Prefix // with which it was
	data      bool
	revoked   bool // a credential is
	denied    bool // and the API server finds it
	bound     bool
	asked     int
	processes map[string]reconcile.ProcessState
	starts    map[string]int
}

// New returns a world in which c has just been asked for.
func New(c controlplane.Cluster) *World {
	return &World{
		cluster: c, now: c.Since,
		processes: make(map[string]reconcile.ProcessState), starts: make(map[string]int),
	}
}

// Reconcile gives the cluster one turn, by a reconciler made for it alone: like one
// that was restarted, it knows nothing but what it reads.
func (w *World) Reconcile(ctx context.Context) (time.Duration, error) {
	place := &reconcile.Place{
		Host: w, Runtime: w, Keys: keys{w}, KMS: kms{w}, Egress: egress{w}, API: w, Dependents: w, Clusters: w, Credentials: w, Now: w.Now,
	}
	r := reconcile.Reconciler{Store: w, World: place, Log: slog.New(slog.DiscardHandler), Now: w.Now}
	return r.Reconcile(ctx, pg.Lease{ID: string(w.Cluster().ID)})
}

// Now is the time in this world; each look at the clock takes a millisecond.
func (w *World) Now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(time.Millisecond)
	return w.now
}

// Sleep lets time pass.
func (w *World) Sleep(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// Cluster returns the row.
func (w *World) Cluster() controlplane.Cluster {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.cluster
}

// Change changes what the owner wants.
func (w *World) Change(f func(*controlplane.Cluster)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f(&w.cluster)
	w.cluster.Generation++
}

// Kill ends a process.
func (w *World) Kill(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.processes[name]
	p.Running, p.PID, p.ExitedAt, p.Exit = false, 0, w.now, "signal: killed"
	w.processes[name] = p
	w.asked = 0
}

// Seal makes the secret store answer nothing, or answer again.
func (w *World) Seal(sealed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sealed = sealed
}

// Reboot takes away what a restart of the machine takes away: processes, and all
// that was on a tmpfs.
func (w *World) Reboot() {
	w.Kill(reconcile.Etcd)
	w.Kill(reconcile.Stack)
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.processes)
	w.files, w.keyFiles, w.serving, w.published, w.denied = false, false, false, false, false
}

// Revoke revokes a credential.
func (w *World) Revoke() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.revoked = true
}

// Starts is how often a process has been started.
func (w *World) Starts(name string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.starts[name]
}

// Failures is how many effects have failed on purpose.
func (w *World) Failures() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failures
}

// Messages is what the owner was told, in order.
func (w *World) Messages() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.messages)
}

// Left lists what is there of the cluster besides its row.
func (w *World) Left() (left []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for name, there := range map[string]bool{
		"keys": w.issued, "key files": w.keyFiles, "files": w.files, "kms socket": w.serving, "egress socket": w.wayOut, "data key": w.dataKey,
		"route": w.published, "data": w.data, "revoked credential": w.revoked, "file of it": w.denied,
	} {
		if there {
			left = append(left, name)
		}
	}
	for name := range w.processes {
		left = append(left, "process "+name)
	}
	slices.Sort(left)
	return left
}

func (w *World) effect(hold func()) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.effects++
	fail := w.effects == w.FailAt
	if !fail || w.Late {
		hold()
	}
	if fail {
		w.failures++
		return ErrBoom
	}
	return nil
}

// see reads under the lock.
func see[T any](w *World, f func() T) T {
	w.mu.Lock()
	defer w.mu.Unlock()
	return f()
}

// Read implements reconcile.Store.
func (w *World) Read(context.Context, pg.Lease) (controlplane.Cluster, error) {
	return w.Cluster(), nil
}

// ByID implements reconcile.Clusters.
func (w *World) ByID(context.Context, tenant.ClusterID) (controlplane.Cluster, error) {
	return w.Cluster(), nil
}

// Save implements reconcile.Store.
func (w *World) Save(_ context.Context, _ pg.Lease, c controlplane.Cluster, events ...event.Event) error {
	return w.effect(func() {
		w.cluster.Phase, w.cluster.Since = c.Phase, c.Since
		w.cluster.Observed, w.cluster.Conditions = c.Observed, c.Conditions
		for _, e := range events {
			if e.Message != "" {
				w.messages = append(w.messages, e.Message)
			}
		}
	})
}

// Prepare implements reconcile.Host.
func (w *World) Prepare(controlplane.Cluster) error {
	return w.effect(func() { w.files, w.data = true, true })
}

// Prepared implements reconcile.Host.
func (w *World) Prepared(controlplane.Cluster) (bool, error) {
	return see(w, func() bool { return w.files && w.data }), nil
}

// Deny implements reconcile.Host.
func (w *World) Deny(_ controlplane.Cluster, revoked []controlplane.Revocation) error {
	if !see(w, func() bool { return w.files }) {
		return errors.New("there is no directory of revoked credentials")
	}
	return w.effect(func() { w.denied = w.denied || len(revoked) > 0 })
}

// Denied implements reconcile.Host.
func (w *World) Denied(_ controlplane.Cluster, revoked []controlplane.Revocation) (bool, error) {
	return see(w, func() bool { return w.denied || len(revoked) == 0 }), nil
}

// Revocations implements reconcile.Credentials.
func (w *World) Revocations(context.Context, tenant.ClusterID) (rs []controlplane.Revocation, err error) {
	if see(w, func() bool { return w.revoked }) {
		rs = append(rs, controlplane.Revocation{Credential: "X509SHA256=00", Until: w.Now().Add(time.Hour)})
	}
	return rs, nil
}

// ForgetCredentials implements reconcile.Credentials.
func (w *World) ForgetCredentials(context.Context, tenant.ClusterID) error {
	return w.effect(func() { w.revoked = false })
}

// Processes implements reconcile.Host: the stack is another one for each version.
func (w *World) Processes(c controlplane.Cluster) (etcd, stack reconcile.Process, err error) {
	etcd = reconcile.Process{Cluster: c.ID, Name: reconcile.Etcd}
	return etcd, reconcile.Process{Cluster: c.ID, Name: reconcile.Stack, Binary: c.Version}, nil
}

// KeysDir implements reconcile.Host.
func (w *World) KeysDir(controlplane.Cluster) (dir string, uid, gid int) { return "pki", 1, 1 }

// Publish implements reconcile.Host.
func (w *World) Publish(c controlplane.Cluster) error {
	return w.effect(func() { w.published, w.networks = true, c.Networks })
}

// Withdraw implements reconcile.Host.
func (w *World) Withdraw(tenant.ClusterID) error { return w.effect(func() { w.published = false }) }

// Published implements reconcile.Host.
func (w *World) Published(c controlplane.Cluster) (bool, error) {
	return see(w, func() bool { return w.published && slices.Equal(w.networks, c.Networks) }), nil
}

// Networks is which networks the router was told to let in.
func (w *World) Networks() []netip.Prefix { return see(w, func() []netip.Prefix { return w.networks }) }

// Start implements reconcile.Runtime.
func (w *World) Start(_ context.Context, p reconcile.Process) error {
	if !see(w, func() bool { return w.files && w.keyFiles && w.serving && w.wayOut }) {
		return fmt.Errorf("%s was started before its files were there", p.Name)
	}
	if p.Name == reconcile.Stack && see(w, func() bool { return w.revoked && !w.denied }) {
		return errors.New("the stack was started before it could know of the revoked credential")
	}
	return w.effect(func() {
		old := w.processes[p.Name]
		if old.Running && old.Hash == p.Hash() {
			return
		}
		w.starts[p.Name]++
		next := reconcile.ProcessState{Running: true, PID: 100 + w.effects, StartedAt: w.now, Hash: p.Hash()}
		if !old.ExitedAt.IsZero() {
			next.ExitedAt, next.Exit, next.Restarts = old.ExitedAt, old.Exit, old.Restarts+1
		}
		w.processes[p.Name] = next
		w.asked = 0
	})
}

// Stop implements reconcile.Runtime.
func (w *World) Stop(_ context.Context, _ tenant.ClusterID, name string, _ time.Duration) error {
	return w.effect(func() { delete(w.processes, name) })
}

// Observe implements reconcile.Runtime.
func (w *World) Observe(context.Context, tenant.ClusterID) (map[string]reconcile.ProcessState, error) {
	return see(w, func() map[string]reconcile.ProcessState {
		states := make(map[string]reconcile.ProcessState)
		for name, p := range w.processes {
			states[name] = p
		}
		return states
	}), nil
}

// Clear implements reconcile.Runtime.
func (w *World) Clear(context.Context, tenant.ClusterID) error {
	return w.effect(func() {
		clear(w.processes)
		w.files, w.keyFiles, w.denied = false, false, false
	})
}

// Remove implements reconcile.Runtime.
func (w *World) Remove(context.Context, tenant.ClusterID) error {
	return w.effect(func() {
		clear(w.processes)
		w.files, w.keyFiles, w.data, w.denied = false, false, false, false
	})
}

// Usable implements reconcile.Keys.
func (w *World) Usable(context.Context, tenant.ClusterID) error {
	if see(w, func() bool { return w.sealed }) {
		return seal.ErrAway
	}
	return nil
}

// Issue implements reconcile.Keys.
func (w *World) Issue(context.Context, controlplane.Cluster) error {
	if see(w, func() bool { return w.sealed }) {
		return errors.New("keys are issued although they cannot be sealed")
	}
	return w.effect(func() { w.issued = true })
}

// Issued implements reconcile.Keys.
func (w *World) Issued(context.Context, tenant.ClusterID) (bool, error) {
	return see(w, func() bool { return w.issued }), nil
}

// Materialize implements reconcile.Keys.
func (w *World) Materialize(context.Context, controlplane.Cluster, string, int, int) error {
	if !see(w, func() bool { return w.issued }) {
		return errors.New("there are no keys to unseal")
	}
	if see(w, func() bool { return w.sealed }) {
		return errors.New("keys are unsealed although they cannot be")
	}
	return w.effect(func() { w.keyFiles = true })
}

// Materialized implements reconcile.Keys.
func (w *World) Materialized(context.Context, controlplane.Cluster, string) (bool, error) {
	return see(w, func() bool { return w.keyFiles }), nil
}

// SignClient implements reconcile.Keys.
func (w *World) SignClient(context.Context, tenant.ClusterID, string, crypto.PublicKey, string, []string, time.Duration) ([]byte, error) {
	return nil, errors.New("this world signs nothing")
}

// Certificate implements reconcile.Keys.
func (w *World) Certificate(context.Context, tenant.ClusterID, string) ([]byte, error) {
	return nil, errors.New("this world has no certificates")
}

// ServiceAccountKey implements reconcile.Keys.
func (w *World) ServiceAccountKey(context.Context, tenant.ClusterID) (crypto.PublicKey, error) {
	return nil, errors.New("this world has no keys to show")
}

// Serve implements reconcile.KMS.
func (w *World) Serve(context.Context, tenant.ClusterID, int) error {
	return w.effect(func() { w.serving, w.dataKey = true, true })
}

// Serving implements reconcile.KMS.
func (w *World) Serving(tenant.ClusterID) bool { return see(w, func() bool { return w.serving }) }

// Close implements reconcile.KMS.
func (w *World) Close(tenant.ClusterID) error { return w.effect(func() { w.serving = false }) }

// Probe implements reconcile.API.
func (w *World) Probe(context.Context, controlplane.Cluster) (h controlplane.Health) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.processes[reconcile.Etcd].Running {
		return h
	}
	h.EtcdAnswers, h.EtcdHealthy = true, true
	if !w.processes[reconcile.Stack].Running {
		return h
	}
	w.asked++
	h.APIReady = w.asked > w.Slow
	h.Bootstrapped = h.APIReady && w.bound
	h.ServiceAccount = w.asked > 2*w.Slow
	h.Credentials = h.ServiceAccount && h.Bootstrapped
	return h
}

// Bootstrap implements reconcile.API.
func (w *World) Bootstrap(context.Context, controlplane.Cluster) error {
	return w.effect(func() { w.bound = true })
}

// Forget implements reconcile.API.
func (w *World) Forget(tenant.ClusterID) {}

// Release implements reconcile.Dependents.
func (w *World) Release(context.Context, tenant.ClusterID, bool) (gone bool, err error) {
	err = w.effect(func() {
		if w.Stubborn > 0 {
			w.Stubborn--
		}
	})
	return see(w, func() bool { return w.Stubborn == 0 }), err
}
