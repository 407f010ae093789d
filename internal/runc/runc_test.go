//go:build integration

package runc_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/marina-cloud/marina/internal/runc"
	"github.com/marina-cloud/marina/internal/runc/runctest"
)

// place is where a test's containers live.
type place struct {
	runc          runc.Runc
	bundle, probe string
	cgroup        string
}

func newPlace(t *testing.T) place {
	t.Helper()
	p := place{runc: runctest.New(t), bundle: t.TempDir(), probe: runctest.Probe(t), cgroup: "/marina-test-" + filepath.Base(filepath.Dir(t.TempDir()))}
	if err := os.MkdirAll(filepath.Join(p.bundle, "rootfs"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		runctest.Clear(t, p.runc)
		leftNothing(t, p.cgroup)
	})
	return p
}

// leftNothing checks that there is no such cgroup any more.
func leftNothing(t *testing.T, cgroup string) {
	t.Helper()
	for _, pattern := range []string{"/sys/fs/cgroup" + cgroup, "/sys/fs/cgroup/*" + cgroup} {
		if left, _ := filepath.Glob(pattern); len(left) > 0 {
			t.Errorf("cgroups were left behind: %v", left)
		}
	}
}

// spec is a container that runs the probe.
func (p place) spec(args ...string) *specs.Spec {
	return &specs.Spec{
		Version: specs.Version,
		Root:    &specs.Root{Path: "rootfs", Readonly: true},
		Process: &specs.Process{Args: append([]string{"/probe"}, args...), Cwd: "/"},
		Mounts: []specs.Mount{
			{Destination: "/proc", Type: "proc", Source: "proc"},
			{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "mode=755"}},
			{Destination: "/probe", Type: "bind", Source: p.probe, Options: []string{"bind", "ro"}},
		},
		Linux: &specs.Linux{
			CgroupsPath: p.cgroup,
			Namespaces:  []specs.LinuxNamespace{{Type: specs.PIDNamespace}, {Type: specs.MountNamespace}, {Type: specs.NetworkNamespace}},
		},
	}
}

func (p place) run(t *testing.T, id string, args ...string) (runc.Init, string) {
	t.Helper()
	log := filepath.Join(t.TempDir(), "log")
	f, err := runc.OpenLog(log)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	init, err := p.runc.Run(t.Context(), id, p.bundle, p.spec(args...), f)
	if err != nil {
		t.Fatal(err)
	}
	return init, log
}

func TestLife(t *testing.T) {
	p := newPlace(t)
	ctx := t.Context()
	init, log := p.run(t, "one", "wait")
	if !init.Alive() {
		t.Fatal("it does not run")
	}
	s, err := p.runc.State(ctx, "one")
	if err != nil || s.Status != runc.Running || s.PID != init.PID || s.Bundle != p.bundle {
		t.Errorf("State = %+v, %v; want it running as process %d", s, err, init.PID)
	}
	if found, err := p.runc.Init(ctx, "one"); err != nil || found != init {
		t.Errorf("Init = %v, %v; want %v", found, err, init)
	}
	if ids, err := p.runc.List(ctx); err != nil || !slices.Equal(ids, []string{"one"}) {
		t.Errorf("List = %v, %v; want the one container", ids, err)
	}
	if _, err := p.runc.Run(ctx, "one", p.bundle, p.spec("wait"), nil); err == nil || !init.Alive() {
		t.Errorf("Run over a running container: %v, alive %v; want it refused", err, init.Alive())
	}
	if err := p.runc.Delete(ctx, "one", false); err == nil || !init.Alive() {
		t.Errorf("Delete without force: %v, alive %v; want it refused", err, init.Alive())
	}

	if err := p.runc.Kill(ctx, "one", unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if exit, err := init.Wait(soon(t)); err != nil || (exit.Known && exit.Code != 0) {
		t.Errorf("exit = %v, %v; want 0", exit, err)
	}
	if s, err := p.runc.State(ctx, "one"); err != nil || s.Status != runc.Stopped {
		t.Errorf("State = %+v, %v; want it stopped", s, err)
	}
	if _, err := p.runc.Init(ctx, "one"); !errors.Is(err, runc.ErrNotFound) {
		t.Errorf("Init of a stopped container = %v, want ErrNotFound", err)
	}
	if said, err := os.ReadFile(log); err != nil || string(said) != "probe wait\n" {
		t.Errorf("log = %q, %v; want the container's output and nothing else", said, err)
	}
	for range 2 {
		if err := p.runc.Delete(ctx, "one", false); err != nil {
			t.Error(err)
		}
	}
	if err := p.runc.Kill(ctx, "one", unix.SIGTERM); err != nil {
		t.Errorf("Kill of an absent container: %v, want nothing", err)
	}
	if _, err := p.runc.State(ctx, "one"); !errors.Is(err, runc.ErrNotFound) {
		t.Errorf("State = %v, want ErrNotFound", err)
	}
}

func TestExitIsToldToStrangers(t *testing.T) {
	p := newPlace(t)
	init, _ := p.run(t, "mortal", "wait")
	got := make(chan runc.Exit, 1)
	go func() {
		exit, err := init.Wait(soon(t))
		if err != nil {
			t.Error(err)
		}
		got <- exit
	}()
	for !pidfdIsOpen(t) { // Wait must have begun, or it finds nobody
	}
	if err := init.Signal(unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	exit := <-got
	t.Log(exit) // an old kernel, or a process 1 that is slow to reap, leaves it unknown
	if exit.Known && exit.Signal != unix.SIGKILL {
		t.Errorf("exit = %v, want SIGKILL", exit)
	}
}

func TestRunClears(t *testing.T) {
	for name, before := range map[string]func(t *testing.T, p place){
		"Stopped": func(t *testing.T, p place) {
			init, _ := p.run(t, "again", "wait")
			if err := init.Signal(unix.SIGKILL); err != nil {
				t.Fatal(err)
			}
			if _, err := init.Wait(soon(t)); err != nil {
				t.Fatal(err)
			}
		},
		"DirectoryOnly": func(t *testing.T, p place) {
			if err := os.MkdirAll(filepath.Join(p.runc.Root, "again"), 0o700); err != nil {
				t.Fatal(err)
			}
		},
		"StateLost": func(t *testing.T, p place) {
			p.run(t, "again", "stubborn")
			if err := os.RemoveAll(filepath.Join(p.runc.Root, "again")); err != nil {
				t.Fatal(err)
			}
		},
		"PidFileHalfWritten": func(t *testing.T, p place) { // by a runc that was killed
			if err := os.WriteFile(filepath.Join(p.bundle, ".pid"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		},
		"Created": func(t *testing.T, p place) {
			p.run(t, "again", "wait") // writes a bundle
			if err := p.runc.Delete(t.Context(), "again", true); err != nil {
				t.Fatal(err)
			}
			runctest.Create(t, p.runc, "again", p.bundle)
			if s, err := p.runc.State(t.Context(), "again"); err != nil || s.Status != runc.Created {
				t.Fatalf("State = %+v, %v; want it created", s, err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t)
			before(t, p)
			init, _ := p.run(t, "again", "wait")
			if !init.Alive() {
				t.Error("it does not run")
			}
			if err := p.runc.Delete(t.Context(), "again", true); err != nil {
				t.Error(err)
			}
			if init.Alive() {
				t.Error("it survived Delete with force")
			}
		})
	}
}

func TestRunSaysWhatIsWrong(t *testing.T) {
	p := newPlace(t)
	spec := p.spec("wait")
	spec.Process.Args = []string{"/absent"}
	_, err := p.runc.Run(t.Context(), "broken", p.bundle, spec, nil)
	if err == nil || !strings.Contains(err.Error(), "/absent") {
		t.Errorf("Run = %v, want it to name the missing program", err)
	}
	if _, err := p.runc.Run(t.Context(), "../evil", p.bundle, spec, nil); err == nil {
		t.Error("an identifier with a path in it was accepted")
	}
}

func TestOOMKills(t *testing.T) {
	p := newPlace(t)
	limit := int64(32 << 20)
	spec := p.spec("eat", "134217728")
	spec.Linux.Resources = &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: &limit}}
	if runc.CanLimitSwap() {
		spec.Linux.Resources.Memory.Swap = &limit
	}
	init, err := p.runc.Run(t.Context(), "hungry", p.bundle, spec, nil)
	if err == nil { // else it died so early that runc noticed
		if _, err := init.Wait(soon(t)); err != nil {
			t.Fatal(err)
		}
	}
	if n := runc.OOMKills(p.cgroup); n == 0 {
		t.Error("OOMKills = 0 for a process that ate more than its limit")
	}
	if n := runc.OOMKills("/absent"); n != 0 {
		t.Errorf("OOMKills = %d for an absent cgroup", n)
	}
}

func TestRemoveCgroup(t *testing.T) {
	p := newPlace(t)
	init, _ := p.run(t, "deep", "stubborn")
	if err := runc.RemoveCgroup(t.Context(), p.cgroup); err != nil {
		t.Fatal(err)
	}
	if init.Alive() {
		t.Error("a process survived the removal of its cgroup")
	}
	leftNothing(t, p.cgroup)
	if err := runc.RemoveCgroup(t.Context(), p.cgroup); err != nil {
		t.Errorf("RemoveCgroup of an absent one: %v, want nothing", err)
	}
	if err := runc.RemoveCgroup(t.Context(), "/x/.."); err == nil {
		t.Error("the root cgroup was accepted")
	}
}

// pidfdIsOpen reports whether this process holds a pidfd.
func pidfdIsOpen(t *testing.T) bool {
	t.Helper()
	links, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(links, func(l string) bool {
		target, _ := os.Readlink(l) // some are closed by now
		return target == "anon_inode:[pidfd]" || strings.HasPrefix(target, "pidfd:")
	})
}
