//go:build integration

package runtime_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/marina-cloud/marina/internal/home"
	"github.com/marina-cloud/marina/internal/runc"
	"github.com/marina-cloud/marina/internal/runc/runctest"
	"github.com/marina-cloud/marina/internal/tenant"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/reconcile"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/runtime"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/runtime/runtimetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newHome returns a home of the test's own, of which nothing is left afterwards.
func newHome(t *testing.T) home.Home {
	t.Helper()
	h, err := home.At(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(h.Run()); err != nil {
			t.Error(err)
		}
		_ = os.Remove(filepath.Dir(h.Run())) // others may use it
		for _, dir := range cgroups(t, h.Cgroup()) {
			if err := os.Remove(dir); err != nil {
				t.Error(err)
			}
		}
	})
	return h
}

func open(t *testing.T, h home.Home) *runtime.OCI {
	t.Helper()
	return runtime.NewOCI(h, runc.Runc{Binary: runctest.Binary(t), Root: h.Runc()}, slog.New(slog.DiscardHandler))
}

func cgroups(t *testing.T, path string) []string {
	t.Helper()
	var all []string
	for _, pattern := range []string{"/sys/fs/cgroup" + path, "/sys/fs/cgroup/*" + path} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, found...)
	}
	return all
}

func left(t *testing.T, h home.Home, id tenant.ClusterID) []string {
	t.Helper()
	all := cgroups(t, h.Cgroup()+"/"+string(id))
	for _, pattern := range []string{h.Tenant(id), h.TenantRun(id), filepath.Join(h.Runc(), string(id)+"*")} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, found...)
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, string(id)) {
			all = append(all, line)
		}
	}
	return all
}

func TestOCI(t *testing.T) {
	h := newHome(t)
	uid, _ := h.UIDs(7)
	runtimetest.Run(t, runtimetest.Place{
		Open:  func(t *testing.T) reconcile.Runtime { return open(t, h) },
		Left:  func(t *testing.T, id tenant.ClusterID) []string { return left(t, h, id) },
		Probe: runctest.Probe(t),
		UID:   uid,
	})
}

func process(t *testing.T, h home.Home, probe string, args ...string) reconcile.Process {
	t.Helper()
	id := tenant.NewClusterID()
	uid, _ := h.UIDs(0)
	t.Cleanup(func() {
		if err := open(t, h).Remove(context.WithoutCancel(t.Context()), id); err != nil {
			t.Error(err)
		}
	})
	return reconcile.Process{
		Cluster: id, Name: reconcile.Etcd, Binary: probe, Args: append([]string{"/probe"}, args...),
		UID: uid, GID: uid, LogFile: filepath.Join(h.Tenant(id), "log", "etcd.log"),
	}
}

// TestKilledWhileStarting: whatever point of a start its program was killed at,
// the next one gets the process to run, once.
func TestKilledWhileStarting(t *testing.T) {
	probe := runctest.Probe(t)
	record := func(h home.Home, p reconcile.Process) string {
		return filepath.Join(h.TenantRun(p.Cluster), "oci", p.Name, "record.json")
	}
	for name, tc := range map[string]struct {
		why   string
		spoil func(t *testing.T, h home.Home, p reconcile.Process)
		same  bool
	}{
		"BeforeItsEndWasNoted": {
			why: "a container that runs and is not in its record yet is adopted",
			spoil: func(t *testing.T, h home.Home, p reconcile.Process) {
				if err := os.WriteFile(record(h, p), []byte(`{"hash":"`+p.Hash()+`"}`), 0o600); err != nil {
					t.Fatal(err)
				}
			},
			same: true,
		},
		"RecordLost": {
			why: "a container nobody knows of is not taken for the wanted one",
			spoil: func(t *testing.T, h home.Home, p reconcile.Process) {
				if err := os.RemoveAll(filepath.Dir(record(h, p))); err != nil {
					t.Fatal(err)
				}
			},
		},
		"RuncLost": {
			why: "a container that runc forgot is killed through its cgroup",
			spoil: func(t *testing.T, h home.Home, p reconcile.Process) {
				if err := os.RemoveAll(h.Runc()); err != nil {
					t.Fatal(err)
				}
				if err := os.RemoveAll(filepath.Dir(record(h, p))); err != nil {
					t.Fatal(err)
				}
			},
		},
		"OnlyCreated": {
			why: "a container whose program was not started is made again",
			spoil: func(t *testing.T, h home.Home, p reconcile.Process) {
				r := runc.Runc{Binary: runctest.Binary(t), Root: h.Runc()}
				id := string(p.Cluster) + "-" + p.Name
				if err := r.Delete(t.Context(), id, true); err != nil {
					t.Fatal(err)
				}
				runctest.Create(t, r, id, filepath.Dir(record(h, p)))
				if err := os.WriteFile(record(h, p), []byte(`{"hash":"`+p.Hash()+`"}`), 0o600); err != nil {
					t.Fatal(err)
				}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHome(t)
			p := process(t, h, probe, "wait")
			if err := open(t, h).Start(t.Context(), p); err != nil {
				t.Fatal(err)
			}
			before, err := open(t, h).Observe(t.Context(), p.Cluster)
			if err != nil {
				t.Fatal(err)
			}
			tc.spoil(t, h, p)
			o := open(t, h)
			if err := o.Start(t.Context(), p); err != nil {
				t.Fatalf("Start = %v: %s", err, tc.why)
			}
			after, err := o.Observe(t.Context(), p.Cluster)
			if err != nil {
				t.Fatal(err)
			}
			s := after[p.Name]
			if !s.Running || s.Restarts != 0 || (s.PID == before[p.Name].PID) != tc.same {
				t.Errorf("state = %+v after %+v: %s", s, before[p.Name], tc.why)
			}
			// runc comes back just before its process becomes the program.
			wait(t, "the program", func() bool { return probes(t, probe) > 0 })
			if running := probes(t, probe); running != 1 {
				t.Errorf("%d processes run, want one: %s", running, tc.why)
			}
		})
	}
}

// probes counts the processes that run this very build of the probe.
func probes(t *testing.T, probe string) int {
	t.Helper()
	want, err := os.Stat(probe)
	if err != nil {
		t.Fatal(err)
	}
	all, err := filepath.Glob("/proc/[0-9]*/exe")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, exe := range all {
		if got, err := os.Stat(exe); err == nil && os.SameFile(got, want) {
			n++
		}
	}
	return n
}

func TestLogsAreRotated(t *testing.T) {
	h := newHome(t)
	p := process(t, h, runctest.Probe(t), "spam", "12582912")
	o := open(t, h)
	if err := o.Start(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	wait(t, "the log to be full", func() bool {
		info, err := os.Stat(p.LogFile)
		return err == nil && info.Size() > 12<<20
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- o.RotateLogs(ctx) }()
	wait(t, "the rotation", func() bool {
		old, err := os.Stat(p.LogFile + ".1")
		now, err2 := os.Stat(p.LogFile)
		return err == nil && err2 == nil && old.Size() > 12<<20 && now.Size() == 0
	})
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func wait(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("waited in vain for %s", what)
		case <-tick.C:
		}
	}
}
