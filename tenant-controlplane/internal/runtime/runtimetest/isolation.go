package runtimetest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/marina-cloud/marina/internal/runc/runctest/report"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/reconcile"
)

// isolation asks the process itself what it can see and do.
func isolation(t *testing.T, s suite) {
	shared := filepath.Join(s.dir, "shared")
	if err := os.Mkdir(shared, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(shared, s.UID, s.UID); err != nil {
		t.Fatal(err)
	}
	p := s.process("report", "/run/shared/report")
	p.Mounts = []reconcile.Mount{
		{Source: shared, Target: "/run/shared"},
		{Source: shared, Target: "/run/readonly", ReadOnly: true},
	}
	s.start(t, p)
	var r report.Report
	s.until(t, "reporting", func(reconcile.ProcessState) bool {
		data, err := os.ReadFile(filepath.Join(shared, "report"))
		return err == nil && json.Unmarshal(data, &r) == nil
	})

	uid := strconv.Itoa(s.UID)
	ids := strings.Join([]string{uid, uid, uid, uid}, "\t")
	for what, c := range map[string]struct{ got, want string }{
		"user":                     {r.Status["Uid"], ids},
		"group":                    {r.Status["Gid"], ids},
		"further groups":           {r.Status["Groups"], ""},
		"umask":                    {r.Status["Umask"], "0007"},
		"effective capabilities":   {r.Status["CapEff"], "0000000000000000"},
		"permitted capabilities":   {r.Status["CapPrm"], "0000000000000000"},
		"inheritable capabilities": {r.Status["CapInh"], "0000000000000000"},
		"bounding capabilities":    {r.Status["CapBnd"], "0000000000000000"},
		"ambient capabilities":     {r.Status["CapAmb"], "0000000000000000"},
		"no new privileges":        {r.Status["NoNewPrivs"], "1"},
		"system call filter":       {r.Status["Seccomp"], "2"},
		"process id":               {strconv.Itoa(r.PID), "1"},
		"listening on loopback":    {r.Loopback, ""},
		"writing to /tmp":          {r.TmpWrite, ""},
	} {
		if c.got != c.want {
			t.Errorf("%s = %q, want %q", what, c.got, c.want)
		}
	}
	for what, err := range map[string]string{
		"writing to /":                 r.RootWrite,
		"writing to its own program":   r.BinaryWrite,
		"reaching another network":     r.Outside,
		"mounting":                     r.Mount,
		"making a user namespace":      r.Unshare,
		"writing to a read-only mount": r.ReadOnlyWrite,
	} {
		if err == "" {
			t.Errorf("%s worked", what)
		}
	}
	if !strings.Contains(r.Unshare, "not permitted") {
		t.Errorf("making a user namespace: %q, want the filter to forbid it", r.Unshare)
	}
	if diff := cmp.Diff([]string{"lo"}, r.Interfaces); diff != "" {
		t.Errorf("network interfaces: %s", diff)
	}
	if diff := cmp.Diff([]string{"lo"}, r.Up); diff != "" {
		t.Errorf("network interfaces that are up: %s", diff)
	}
	if diff := cmp.Diff([]string{"ONE=two"}, slices.DeleteFunc(r.Environment, func(v string) bool { return strings.HasPrefix(v, "HOME=") })); diff != "" {
		t.Errorf("environment: %s", diff)
	}
	if diff := cmp.Diff([]string{"dev", "etc", "probe", "proc", "run", "tmp"}, r.Entries); diff != "" {
		t.Errorf("/ holds what it should not: %s", diff)
	}
	if slices.ContainsFunc(r.Devices, func(d string) bool {
		return strings.HasPrefix(d, "sd") || strings.HasPrefix(d, "vd") || d == "kmsg" || d == "mem" || d == "kvm"
	}) {
		t.Errorf("devices: %v", r.Devices)
	}
	namespaces(t, r)
	mounts(t, r)
}

// namespaces holds that the process shares none with the host, whoever may do what in
// it.
func namespaces(t *testing.T, r report.Report) {
	for _, kind := range []string{"pid", "ipc", "uts", "mnt", "net", "cgroup"} {
		host, err := os.Readlink("/proc/self/ns/" + kind)
		if err != nil {
			continue // the kernel has none of this kind
		}
		if own := r.Namespaces[kind]; own == "" || own == host {
			t.Errorf("its %s namespace is %q, and the host's %q", kind, own, host)
		}
	}
}

// mounts holds what the process could not do even if it were root: its files' owners
// and modes are not what protects the host.
func mounts(t *testing.T, r report.Report) {
	for at, want := range map[string][]string{
		"/":             {"ro"},
		"/dev":          {"ro", "nosuid", "noexec"},
		"/proc":         {"nosuid", "noexec", "nodev"},
		"/proc/sys":     {"ro"},
		"/tmp":          {"nosuid", "noexec", "nodev"},
		"/probe":        {"ro", "nosuid", "nodev"},
		"/run/shared":   {"nosuid", "noexec", "nodev"},
		"/run/readonly": {"ro", "nosuid", "noexec", "nodev"},
	} {
		options := strings.Split(r.Mounts[at], ",")
		for _, o := range want {
			if !slices.Contains(options, o) {
				t.Errorf("%s is mounted with %q, want %s, too", at, r.Mounts[at], o)
			}
		}
	}
	for _, hidden := range []string{"/proc/kcore", "/proc/keys", "/proc/timer_list"} {
		if _, err := os.Stat(hidden); err != nil {
			continue // this kernel has none
		}
		if _, ok := r.Mounts[hidden]; !ok {
			t.Errorf("%s of the host is not hidden", hidden)
		}
	}
}

// tooManyTasks: whoever has taken the process over makes no more threads than it may,
// and the host's others have theirs.
func tooManyTasks(t *testing.T, s suite) {
	if err := s.runtime.Start(t.Context(), s.process("threads", "2000")); err != nil {
		t.Fatal(err)
	}
	s.until(t, "dead", dead)
	log, err := os.ReadFile(filepath.Join(s.dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(log), "failed to create new OS thread") {
		t.Errorf("a process with 2000 threads ended otherwise than for want of them:\n%.400s", log)
	}
}
