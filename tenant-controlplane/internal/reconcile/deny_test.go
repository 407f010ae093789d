//go:build integration

package reconcile_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/marina-cloud/marina/internal/home"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/kube"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/reconcile"
)

func files(t *testing.T) (reconcile.Files, controlplane.Cluster) {
	t.Helper()
	h, err := home.At(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(h.Run()); err != nil {
			t.Error(err)
		}
	})
	f, c := reconcile.Files{Home: h, Limits: controlplane.Small()}, newborn()
	for _, dir := range []string{h.Revoked(c.ID), h.Uses(c.ID)} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return f, c
}

func TestDeny(t *testing.T) {
	t.Parallel()
	f, c := files(t)
	until := func(id string, d time.Duration) controlplane.Revocation {
		return controlplane.Revocation{Credential: id, Until: time.Now().Add(d)}
	}
	a, b, over := until("X509SHA256=00", time.Hour), until("JTI=../x", time.Hour), until("X509SHA256=22", -2*time.Hour)
	denied := func(want bool, why string, rs ...controlplane.Revocation) {
		t.Helper()
		if got, err := f.Denied(c, rs); got != want || err != nil {
			t.Errorf("Denied = %v, %v; want %v: %s", got, err, want, why)
		}
	}
	deny := func(rs ...controlplane.Revocation) {
		t.Helper()
		if err := f.Deny(c, rs); err != nil {
			t.Fatal(err)
		}
	}
	denied(true, "nothing is revoked")
	denied(false, "one is", a)
	deny(a, b)
	denied(true, "both are there", a, b)
	deny(a)
	denied(true, "who knew of one less took nothing back", a, b)
	later := a
	later.Until = a.Until.Add(time.Hour)
	denied(false, "the file would go too early", later)
	deny(later)
	denied(true, "it stays longer now", later)
	if err := os.WriteFile(filepath.Join(f.Home.Revoked(c.ID), ".123"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	denied(true, "somebody is about to write another one", a, b)
	old := filepath.Join(f.Home.Revoked(c.ID), kube.RevokedFile(over.Credential))
	if err := os.WriteFile(old, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(old, over.Until, over.Until); err != nil {
		t.Fatal(err)
	}
	denied(false, "one has ended by itself", a, b)
	deny(a, b)
	denied(true, "and is gone", a, b)
	if _, err := os.Stat(old); !os.IsNotExist(err) {
		t.Errorf("the file of an ended credential is left: %v", err)
	}
}

// TestUses: who writes the file may be hostile.
func TestUses(t *testing.T) {
	t.Parallel()
	f, c := files(t)
	file := filepath.Join(f.Home.Uses(c.ID), kube.UsesFile)
	uses := func(after time.Time) (map[string]time.Time, time.Time, error) { return f.Uses(c.ID, after) }
	if last, _, err := uses(time.Time{}); len(last) != 0 || err != nil {
		t.Errorf("without a file: %v, %v", last, err)
	}
	if err := os.WriteFile(file, []byte(`{"X509SHA256=00":1767358800,"X509SHA256=11":-1,"x\u0000":1767358800}`), 0o600); err != nil {
		t.Fatal(err)
	}
	last, at, err := uses(time.Time{})
	if err != nil || len(last) != 1 || last["X509SHA256=00"].Unix() != 1767358800 {
		t.Errorf("read %v, %v", last, err)
	}
	if last, _, err := uses(at); len(last) != 0 || err != nil {
		t.Errorf("the same file again: %v, %v, want nothing new", last, err)
	}
	secret := filepath.Join(t.TempDir(), "secret")
	for name, make := range map[string]func() error{
		"no JSON":               func() error { return os.WriteFile(file, []byte("{"), 0o600) },
		"a link that leads out": func() error { return os.Symlink(secret, file) },
		"a pipe":                func() error { return syscall.Mkfifo(file, 0o600) },
		"a directory":           func() error { return os.Mkdir(file, 0o700) },
		"very much":             func() error { return errors.Join(os.WriteFile(file, nil, 0o600), os.Truncate(file, 1<<32)) },
	} {
		if err := os.RemoveAll(file); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(secret, []byte(`{"X509SHA256=00":1767358800}`), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := make(); err != nil {
			t.Fatal(err)
		}
		if last, _, err := uses(time.Time{}); err == nil {
			t.Errorf("%s was read as %v", name, last)
		}
	}
}
