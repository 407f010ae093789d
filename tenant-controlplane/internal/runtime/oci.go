// Package runtime runs the processes of control planes.
//
// OCI runs them on this machine, each in a container of its own that can reach
// nothing: no network but loopback, no capability, a root file system that holds
// its program and can not be written to, and a user that owns nothing else. What
// it may touch are the directories that its Process names.
package runtime

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/marina-cloud/marina/internal/home"
	"github.com/marina-cloud/marina/internal/runc"
	"github.com/marina-cloud/marina/internal/tenant"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/reconcile"
)

const (
	// replaceGrace is how long a process may take to end before the one that
	// replaces it starts.
	replaceGrace = 20 * time.Second
	// quiet is how long a process must run for its earlier restarts to be
	// forgotten.
	quiet = 10 * time.Minute
)

// OCI runs processes as runc containers on this machine. They outlive the program
// that started them: another OCI of the same home finds them again.
type OCI struct {
	home  home.Home
	runc  runc.Runc
	log   *slog.Logger
	locks locks // by container
}

var _ reconcile.Runtime = (*OCI)(nil)

// NewOCI returns the runtime of a home. The state directory of r must be
// home.Runc, or one that is nobody else's.
func NewOCI(h home.Home, r runc.Runc, log *slog.Logger) *OCI {
	return &OCI{home: h, runc: r, log: log}
}

// Start makes p run. Nothing happens when a process with the same Hash runs; one
// with another Hash is asked to end, and replaced.
func (o *OCI) Start(ctx context.Context, p reconcile.Process) error {
	if err := checkNames(p.Cluster, p.Name); err != nil {
		return err
	}
	defer o.locks.lock(container(p.Cluster, p.Name))()
	b := o.bundle(p.Cluster, p.Name)
	before, existed, err := o.look(ctx, b)
	if err != nil {
		return fmt.Errorf("start %s of %s: %w", p.Name, p.Cluster, err)
	}
	if existed && before.running() {
		if before.Hash == p.Hash() {
			return nil
		}
		if err := terminate(ctx, before.Init, replaceGrace); err != nil {
			return fmt.Errorf("replace %s of %s: %w", p.Name, p.Cluster, err)
		}
	}
	if err := o.launch(ctx, b, p, next(before, p)); err != nil {
		return fmt.Errorf("start %s of %s: %w", p.Name, p.Cluster, err)
	}
	return nil
}

// next is the record of a process that is about to be started, given that of the
// run before it, if there was one.
func next(before record, p reconcile.Process) record {
	r := record{Hash: p.Hash(), Log: p.LogFile, Memory: p.MemoryBytes}
	if before.Hash != r.Hash {
		return r // a new process has no past
	}
	r.ExitedAt, r.Exit, r.OOM, r.Restarts = before.ExitedAt, before.Exit, before.OOM, before.Restarts
	if before.Ended {
		if before.ExitedAt.Sub(before.StartedAt) >= quiet {
			r.Restarts = 0
		}
		r.Restarts++
	}
	return r
}

// launch starts a container where none runs. Its record is there before it is, so
// that one that was started by somebody who was killed at once is found.
func (o *OCI) launch(ctx context.Context, b bundle, p reconcile.Process, r record) error {
	spec, err := specFor(p, o.cgroup(p.Cluster, p.Name))
	if err != nil {
		return err
	}
	if err := o.runc.Delete(ctx, b.container, true); err != nil {
		return err
	}
	if err := b.prepare(); err != nil {
		return err
	}
	if err := b.write(r); err != nil {
		return err
	}
	output, err := runc.OpenLog(p.LogFile)
	if err != nil {
		return err
	}
	defer output.Close() // the container has its own
	r.StartedAt = now()
	if r.Init, err = o.runc.Run(ctx, b.container, b.dir, spec, output); err != nil {
		return err
	}
	return b.write(r)
}

// Stop ends a process, with SIGKILL after grace, and removes its container.
func (o *OCI) Stop(ctx context.Context, id tenant.ClusterID, name string, grace time.Duration) error {
	if err := checkNames(id, name); err != nil {
		return err
	}
	defer o.locks.lock(container(id, name))()
	b := o.bundle(id, name)
	r, existed, err := o.look(ctx, b)
	if err == nil && existed && grace > 0 {
		err = terminate(ctx, r.Init, grace)
	}
	if err == nil {
		err = o.runc.Delete(ctx, b.container, true)
	}
	if err == nil {
		err = runc.RemoveCgroup(ctx, o.cgroup(id, name))
	}
	if err == nil {
		err = os.RemoveAll(b.dir)
	}
	if err != nil {
		return fmt.Errorf("stop %s of %s: %w", name, id, err)
	}
	return nil
}

// terminate asks a process to end and returns when it has, with SIGKILL after
// grace. After an error it may still run.
func terminate(ctx context.Context, init runc.Init, grace time.Duration) error {
	for _, step := range []struct {
		sig  unix.Signal
		wait time.Duration
	}{{unix.SIGTERM, grace}, {unix.SIGKILL, replaceGrace}} {
		if err := init.Signal(step.sig); err != nil {
			return err
		}
		waiting, cancel := context.WithTimeout(ctx, step.wait)
		_, err := init.Wait(waiting)
		cancel()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
	}
	return fmt.Errorf("process %d does not die", init.PID)
}

// Observe returns the processes of a cluster that were started and not stopped.
func (o *OCI) Observe(ctx context.Context, id tenant.ClusterID) (map[string]reconcile.ProcessState, error) {
	names, err := o.names(id)
	if err != nil {
		return nil, err
	}
	states := map[string]reconcile.ProcessState{}
	for _, name := range names {
		s, ok, err := o.observe(ctx, id, name)
		if err != nil {
			return nil, fmt.Errorf("observe %s of %s: %w", name, id, err)
		}
		if ok {
			states[name] = s
		}
	}
	return states, nil
}

func (o *OCI) observe(ctx context.Context, id tenant.ClusterID, name string) (reconcile.ProcessState, bool, error) {
	defer o.locks.lock(container(id, name))()
	r, existed, err := o.look(ctx, o.bundle(id, name))
	if err != nil || !existed {
		return reconcile.ProcessState{}, false, err
	}
	s := reconcile.ProcessState{
		Running: r.running(), StartedAt: r.StartedAt,
		ExitedAt: r.ExitedAt, Exit: r.Exit, OutOfMemory: r.OOM, Restarts: r.Restarts, Hash: r.Hash,
	}
	if s.Running {
		s.PID = r.Init.PID
		if now().Sub(r.StartedAt) >= quiet {
			s.Restarts = 0
		}
	}
	return s, true, nil
}

// look reads the record of a process and brings it up to what is the case: it
// adopts a container whose starter was killed before it could note it, and notes
// an end that nobody asked for. The lock of the container must be held.
func (o *OCI) look(ctx context.Context, b bundle) (record, bool, error) {
	r, ok, err := b.read()
	if err != nil || !ok {
		return record{}, false, err
	}
	seen := r
	if r.Init == (runc.Init{}) {
		init, err := o.runc.Init(ctx, b.container)
		if errors.Is(err, runc.ErrNotFound) {
			return r, true, nil // it has never run
		}
		if err != nil {
			return record{}, false, err
		}
		r.Init, r.StartedAt = init, now()
	}
	// Asked once: what dies after this is found by the next look.
	if !r.Ended && !r.Init.Alive() {
		kills := runc.OOMKills(o.cgroup(b.cluster, b.name))
		r.Ended, r.ExitedAt, r.Exit, r.OOM = true, now(), lastWords(r, kills), kills > 0
	}
	if r == seen {
		return r, true, nil
	}
	return r, true, b.write(r)
}

// lastWords says how a process ended, as far as that can be known: it was nobody's
// child, so its exit status is lost.
func lastWords(r record, oomKills int) string {
	how := "it ended"
	if oomKills > 0 {
		how = fmt.Sprintf("it was killed because it needed more memory than its limit of %d MiB", r.Memory>>20)
	}
	said := strings.TrimSpace(string(runc.Tail(r.Log, 4<<10)))
	said = said[strings.LastIndexByte(said, '\n')+1:]
	if len(said) > 400 {
		said = said[:400]
	}
	if said == "" {
		return how
	}
	return fmt.Sprintf("%s; the last line of its log: %q", how, said)
}

// Remove removes the containers, cgroups, directories of sockets and data of a
// cluster. Nothing is left.
func (o *OCI) Remove(ctx context.Context, id tenant.ClusterID) error {
	if err := o.Clear(ctx, id); err != nil {
		return err
	}
	if err := os.RemoveAll(o.home.Tenant(id)); err != nil {
		return fmt.Errorf("remove %s: %w", id, err)
	}
	return nil
}

// Clear removes the containers, cgroups and directories of sockets of a cluster. Its
// data is left.
func (o *OCI) Clear(ctx context.Context, id tenant.ClusterID) error {
	names, err := o.names(id)
	if err != nil {
		return err
	}
	all, err := o.runc.List(ctx)
	if err != nil {
		return fmt.Errorf("remove %s: %w", id, err)
	}
	for _, c := range all { // also those without a record
		if name, ok := strings.CutPrefix(c, container(id, "")); ok {
			names = append(names, name)
		}
	}
	for _, name := range names {
		if err := o.Stop(ctx, id, name, 0); err != nil {
			return err
		}
	}
	if err := runc.RemoveCgroup(ctx, path.Join(o.home.Cgroup(), string(id))); err != nil {
		return fmt.Errorf("remove %s: %w", id, err)
	}
	if err := os.RemoveAll(o.home.TenantRun(id)); err != nil {
		return fmt.Errorf("remove %s: %w", id, err)
	}
	return nil
}

// names returns the processes of a cluster that have a record.
func (o *OCI) names(id tenant.ClusterID) ([]string, error) {
	if err := checkNames(id, "any"); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(o.bundles(id))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list processes of %s: %w", id, err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, nil
}

// checkNames refuses what must not become a part of a path.
func checkNames(id tenant.ClusterID, name string) error {
	if _, ok := tenant.ParseClusterID(string(id)); !ok {
		return fmt.Errorf("%q is no identifier of a cluster", id)
	}
	if name == "" || name != filepath.Base(name) || name[0] == '.' {
		return fmt.Errorf("%q is no name of a process", name)
	}
	return nil
}

func container(id tenant.ClusterID, name string) string { return string(id) + "-" + name }

func (o *OCI) cgroup(id tenant.ClusterID, name string) string {
	return path.Join(o.home.Cgroup(), string(id), name)
}

func (o *OCI) bundles(id tenant.ClusterID) string { return filepath.Join(o.home.TenantRun(id), "oci") }

func (o *OCI) bundle(id tenant.ClusterID, name string) bundle {
	return bundle{dir: filepath.Join(o.bundles(id), name), container: container(id, name), cluster: id, name: name}
}

// now has the precision that survives JSON.
func now() time.Time { return time.Now().UTC().Round(0) }
