// Package runtimetest is the contract of reconcile.Runtime as a test, which every
// runtime must pass. It runs the program of internal/runc/runctest/probe.
package runtimetest

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/marina-cloud/marina/internal/tenant"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/reconcile"
)

// Place is where a runtime under test keeps its things.
type Place struct {
	// Open returns an instance of the runtime; each call another one, as a program
	// that was started again would have.
	Open func(t *testing.T) reconcile.Runtime
	// Left returns what of a cluster is left: containers, cgroups, directories.
	Left  func(t *testing.T, id tenant.ClusterID) []string
	Probe string // the built program
	UID   int    // of the processes; the group is the same
}

const (
	name = "etcd"
	long = time.Minute // a grace that is never used up
)

// Run tests the runtime of a place.
func Run(t *testing.T, p Place) {
	for test, f := range map[string]func(*testing.T, suite){
		"StartStop":          startStop,
		"StartIsIdempotent":  startIsIdempotent,
		"OtherHashReplaces":  otherHashReplaces,
		"AnotherAdopts":      anotherAdopts,
		"DeathIsSeen":        deathIsSeen,
		"RestartsAreCounted": restartsAreCounted,
		"OutOfMemoryIsSaid":  outOfMemoryIsSaid,
		"TooManyTasks":       tooManyTasks,
		"StopWithoutMercy":   stopWithoutMercy,
		"StopTakesNoPart":    stopTakesNoPart,
		"BadProcess":         badProcess,
		"TwoProcesses":       twoProcesses,
		"RemoveLeavesNone":   removeLeavesNone,
		"ClearLeavesData":    clearLeavesData,
		"Isolation":          isolation,
		"AtOnce":             atOnce,
	} {
		t.Run(test, func(t *testing.T) {
			s := suite{Place: p, runtime: p.Open(t), id: tenant.NewClusterID(), dir: t.TempDir()}
			if err := os.Chmod(s.dir, 0o755); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := s.runtime.Remove(context.WithoutCancel(t.Context()), s.id); err != nil {
					t.Error(err)
				}
				if left := s.Left(t, s.id); len(left) > 0 {
					t.Errorf("left behind: %v", left)
				}
			})
			f(t, s)
		})
	}
}

// suite is one test's place, with a cluster of its own.
type suite struct {
	Place
	runtime reconcile.Runtime
	id      tenant.ClusterID
	dir     string
}

// process is a probe with these arguments.
func (s suite) process(args ...string) reconcile.Process {
	return reconcile.Process{
		Cluster: s.id, Name: name, Binary: s.Probe, Args: append([]string{"/probe"}, args...),
		Env: []string{"ONE=two"}, UID: s.UID, GID: s.UID, Umask: 0o007,
		MemoryBytes: 128 << 20, CPUs: 0.5, Tmpfs: []string{"/tmp"},
		LogFile: filepath.Join(s.dir, "log"),
	}
}

func (s suite) start(t *testing.T, p reconcile.Process) reconcile.ProcessState {
	t.Helper()
	if err := s.runtime.Start(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	state := s.observe(t)[p.Name]
	if !state.Running || state.PID == 0 || state.Hash != p.Hash() || time.Since(state.StartedAt) > time.Minute {
		t.Fatalf("state = %+v, want it running since now", state)
	}
	return state
}

func (s suite) observe(t *testing.T) map[string]reconcile.ProcessState {
	t.Helper()
	states, err := s.runtime.Observe(t.Context(), s.id)
	if err != nil {
		t.Fatal(err)
	}
	return states
}

// until waits for a state of the process, and returns it.
func (s suite) until(t *testing.T, what string, ok func(reconcile.ProcessState) bool) (state reconcile.ProcessState) {
	t.Helper()
	until(t, what, func() bool {
		state = s.observe(t)[name]
		return ok(state)
	})
	return state
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("waited in vain for: %s", what)
		case <-tick.C:
		}
	}
}

func dead(s reconcile.ProcessState) bool { return !s.Running }

func kill(t *testing.T, pid int) {
	t.Helper()
	p, err := os.FindProcess(pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
}

func startStop(t *testing.T, s suite) {
	if states := s.observe(t); len(states) != 0 {
		t.Errorf("Observe = %v before anything was started", states)
	}
	s.start(t, s.process("wait"))
	s.says(t, "probe wait")
	for range 2 {
		if err := s.runtime.Stop(t.Context(), s.id, name, long); err != nil {
			t.Fatalf("Stop: %v, want it done, also the second time", err)
		}
		if states := s.observe(t); len(states) != 0 {
			t.Errorf("Observe = %v, want nothing of a process that was stopped", states)
		}
	}
	again := s.start(t, s.process("wait"))
	if again.Restarts != 0 || !again.ExitedAt.IsZero() {
		t.Errorf("state = %+v, want no restart counted after a stop", again)
	}
}

func startIsIdempotent(t *testing.T, s suite) {
	first := s.start(t, s.process("wait"))
	if second := s.start(t, s.process("wait")); second != first {
		t.Errorf("state = %+v after a second Start, want %+v", second, first)
	}
}

func otherHashReplaces(t *testing.T, s suite) {
	first := s.start(t, s.process("wait"))
	s.says(t, "probe wait")
	other := s.process("wait")
	other.Revision = "2"
	second := s.start(t, other)
	if second.PID == first.PID || second.Restarts != 0 || !second.ExitedAt.IsZero() {
		t.Errorf("state = %+v, want a new process without a past", second)
	}
	if alive(first.PID, s.Probe) {
		t.Error("the replaced process lives on")
	}
}

func anotherAdopts(t *testing.T, s suite) {
	first := s.start(t, s.process("wait"))
	s.says(t, "probe wait")
	s.runtime = s.Open(t)
	if got := s.observe(t)[name]; got != first {
		t.Errorf("another instance sees %+v, want %+v", got, first)
	}
	if got := s.start(t, s.process("wait")); got != first {
		t.Errorf("another instance's Start made %+v of %+v", got, first)
	}
	if err := s.runtime.Stop(t.Context(), s.id, name, long); err != nil {
		t.Fatal(err)
	}
	if alive(first.PID, s.Probe) {
		t.Error("another instance could not stop it")
	}
}

func deathIsSeen(t *testing.T, s suite) {
	begun := time.Now().Add(-time.Second)
	if err := s.runtime.Start(t.Context(), s.process("exit", "3")); err != nil {
		t.Fatalf("Start = %v, want a program that ends at once to have been started", err)
	}
	state := s.until(t, "dead", dead)
	if state.PID != 0 || state.ExitedAt.Before(begun) || !strings.Contains(state.Exit, "the last word of the probe") {
		t.Errorf("state = %+v, want when it ended and its last words", state)
	}
	if again := s.observe(t)[name]; again != state {
		t.Errorf("state = %+v at a second look, want it as at the first, %+v", again, state)
	}
	s.runtime = s.Open(t)
	if again := s.observe(t)[name]; again != state {
		t.Errorf("state = %+v for another instance, want %+v", again, state)
	}
}

func restartsAreCounted(t *testing.T, s suite) {
	for n := range 3 {
		state := s.start(t, s.process("wait"))
		if state.Restarts != n || state.ExitedAt.IsZero() != (n == 0) {
			t.Fatalf("state = %+v, want %d restarts", state, n)
		}
		kill(t, state.PID)
		s.until(t, "dead", dead)
	}
	other := s.process("wait")
	other.Revision = "2"
	if state := s.start(t, other); state.Restarts != 0 {
		t.Errorf("state = %+v, want no restarts of a process that is another", state)
	}
}

func outOfMemoryIsSaid(t *testing.T, s suite) {
	p := s.process("eat", "268435456")
	p.MemoryBytes = 64 << 20
	if err := s.runtime.Start(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if state := s.until(t, "dead", dead); !state.OutOfMemory || !strings.Contains(state.Exit, "more memory than its limit of 64 MiB") {
		t.Errorf("out of memory = %v, exit = %q, want it to name the limit", state.OutOfMemory, state.Exit)
	}
}

func stopWithoutMercy(t *testing.T, s suite) {
	state := s.start(t, s.process("stubborn"))
	s.says(t, "probe stubborn")
	if err := s.runtime.Stop(t.Context(), s.id, name, 50*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if alive(state.PID, s.Probe) {
		t.Error("it lives on, although its grace is over")
	}
}

// stopTakesNoPart: whoever gives up waiting has stopped nothing for good, and the
// next one can.
func stopTakesNoPart(t *testing.T, s suite) {
	s.start(t, s.process("stubborn"))
	s.says(t, "probe stubborn")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := s.runtime.Stop(ctx, s.id, name, long); err == nil {
		t.Error("Stop came back without an error before the end of the process")
	}
	if !s.observe(t)[name].Running {
		t.Error("it was killed before its grace was over")
	}
}

func badProcess(t *testing.T, s suite) {
	absent := s.process("wait")
	absent.Binary = filepath.Join(s.dir, "absent")
	mount := s.process("wait")
	mount.Mounts = []reconcile.Mount{{Source: filepath.Join(s.dir, "absent"), Target: "/absent"}}
	nobody := s.process("wait")
	nobody.Cluster = "../../etc"
	nameless := s.process("wait")
	nameless.Name = "../etcd"
	for what, p := range map[string]reconcile.Process{"program": absent, "mount": mount, "cluster": nobody, "name": nameless} {
		if err := s.runtime.Start(t.Context(), p); err == nil {
			t.Errorf("a process with a bad %s was started", what)
		}
	}
	if _, err := os.Stat(mount.Mounts[0].Source); err == nil {
		t.Error("a missing directory was made on the host")
	}
	if err := s.runtime.Remove(t.Context(), "../../etc"); err == nil {
		t.Error("Remove of a bad cluster worked")
	}
	s.start(t, s.process("wait")) // nothing stands in the way of the right one
}

func twoProcesses(t *testing.T, s suite) {
	first := s.start(t, s.process("wait"))
	stack := s.process("wait")
	stack.Name, stack.LogFile = "stack", filepath.Join(s.dir, "stack.log")
	second := s.start(t, stack)
	said(t, stack.LogFile, "probe wait")
	if first.PID == second.PID {
		t.Error("two processes are one")
	}
	if err := s.runtime.Stop(t.Context(), s.id, "stack", long); err != nil {
		t.Fatal(err)
	}
	if states := s.observe(t); len(states) != 1 || !states[name].Running {
		t.Errorf("Observe = %+v, want the other process to run on", states)
	}
}

func removeLeavesNone(t *testing.T, s suite) {
	state := s.start(t, s.process("stubborn"))
	for range 2 {
		if err := s.runtime.Remove(t.Context(), s.id); err != nil {
			t.Fatalf("Remove: %v, want it done, also the second time", err)
		}
	}
	if alive(state.PID, s.Probe) {
		t.Error("the process lives on")
	}
	if states := s.observe(t); len(states) != 0 {
		t.Errorf("Observe = %+v of a removed cluster", states)
	}
}

// clearLeavesData: what ran is gone, can be started again, and finds what it wrote.
func clearLeavesData(t *testing.T, s suite) {
	p := s.process("wait")
	state := s.start(t, p)
	said(t, p.LogFile, "probe wait")
	for range 2 {
		if err := s.runtime.Clear(t.Context(), s.id); err != nil {
			t.Fatalf("Clear: %v, want it done, also the second time", err)
		}
	}
	if alive(state.PID, s.Probe) {
		t.Error("the process lives on")
	}
	if states := s.observe(t); len(states) != 0 {
		t.Errorf("Observe = %+v of a cleared cluster", states)
	}
	if text, err := os.ReadFile(p.LogFile); err != nil || len(text) == 0 {
		t.Errorf("the process's log is gone: %v", err)
	}
	s.start(t, p)
}

// atOnce: all methods may be called at the same time.
func atOnce(t *testing.T, s suite) {
	const callers = 4
	errs := make(chan error, 2*callers)
	for range callers {
		go func() {
			_, err := s.runtime.Observe(t.Context(), s.id)
			errs <- err
		}()
		go func() { errs <- s.runtime.Start(t.Context(), s.process("wait")) }()
	}
	for range 2 * callers {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if states := s.observe(t); len(states) != 1 || !states[name].Running || states[name].Restarts != 0 {
		t.Errorf("Observe = %+v, want one process", states)
	}
}

// says waits until the log of the process holds a line.
func (s suite) says(t *testing.T, line string) {
	t.Helper()
	said(t, filepath.Join(s.dir, "log"), line)
}

func said(t *testing.T, log, line string) {
	t.Helper()
	until(t, line, func() bool {
		data, err := os.ReadFile(log)
		return err == nil && slices.Contains(strings.Split(string(data), "\n"), line)
	})
}

// alive reports whether this process still runs the probe.
func alive(pid int, probe string) bool {
	exe, err := os.Readlink(filepath.Join("/proc", strconv.Itoa(pid), "exe"))
	return err == nil && filepath.Base(exe) == filepath.Base(probe)
}
