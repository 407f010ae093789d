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
}
