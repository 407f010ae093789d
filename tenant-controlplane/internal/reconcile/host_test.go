//go:build integration

package reconcile_test

import (
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/marina-cloud/marina/internal/home"
	"github.com/marina-cloud/marina/internal/tenant"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/reconcile"
)

// TestFiles needs root: the files belong to the users of the control plane.
func TestFiles(t *testing.T) {
	t.Parallel()
	h, err := home.At(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(h.Run()); err != nil {
			t.Error(err)
		}
	})
	f := reconcile.Files{Home: h, Etcd: "/bin/etcd", Kubernetes: map[string]string{"1.37": "/bin/kubernetes"}, Limits: controlplane.Small()}
	c := newborn()
	c.PodCIDR, c.ServiceCIDR, c.Issuer, c.UIDSlot = controlplane.DefaultPodCIDR, controlplane.DefaultServiceCIDR, "https://issuer", 3
	prepared := func(want bool, why string) {
		t.Helper()
		if got, err := f.Prepared(c); got != want || err != nil {
			t.Errorf("Prepared = %v, %v; want %v: %s", got, err, want, why)
		}
	}
	prepare := func() {
		t.Helper()
		if err := f.Prepare(c); err != nil {
			t.Fatal(err)
		}
	}

	prepared(false, "nothing is there yet")
	prepare()
	prepared(true, "all was made")
	prepare()
	prepared(true, "to do it again changes nothing")

	config := filepath.Join(h.TenantRun(c.ID), "config", "stack.json")
	if err := os.WriteFile(config, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	prepared(false, "a file was changed")
	prepare()
	if err := os.Chmod(h.Tenant(c.ID), 0o777); err != nil {
		t.Fatal(err)
	}
	prepared(false, "the data is open to everybody")
	prepare()
	if err := os.RemoveAll(h.TenantRun(c.ID)); err != nil {
		t.Fatal(err)
	}
	prepared(false, "the machine was restarted")
	prepare()
	prepared(true, "and all is there again")

	etcd, stack := h.UIDs(3)
	for path, want := range map[string][3]int{
		h.TenantRun(c.ID):                        {0o700, 0, 0},
		h.Tenant(c.ID):                           {0o700, 0, 0},
		filepath.Join(h.Tenant(c.ID), "etcd"):    {0o700, etcd, etcd},
		filepath.Join(h.Tenant(c.ID), "audit"):   {0o700, stack, etcd},
		filepath.Join(h.TenantRun(c.ID), "sock"): {0o770, etcd, etcd},
		filepath.Join(h.TenantRun(c.ID), "pki"):  {0o750, 0, etcd},
		config:                                   {0o640, 0, etcd},
	} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		st := info.Sys().(*syscall.Stat_t)
		if got := [3]int{int(info.Mode().Perm()), int(st.Uid), int(st.Gid)}; got != want {
			t.Errorf("%s has mode, user and group %o, want %o", path, got, want)
		}
	}
}

func TestProcesses(t *testing.T) {
	t.Parallel()
	h, err := home.At("/var/lib/marina")
	if err != nil {
		t.Fatal(err)
	}
	f := reconcile.Files{Home: h, Etcd: "/bin/etcd", Kubernetes: map[string]string{"1.37": "/bin/kubernetes"}, Limits: controlplane.Small()}
	c := newborn()
	etcd, stack, err := f.Processes(c)
	if err != nil {
		t.Fatal(err)
	}
	if etcd.UID == stack.UID || etcd.GID != stack.GID {
		t.Errorf("users are %d and %d, groups %d and %d; want different users of one group", etcd.UID, stack.UID, etcd.GID, stack.GID)
	}
	other := c
	other.PodCIDR = "10.9.0.0/16"
	etcd2, stack2, err := f.Processes(other)
	if err != nil {
		t.Fatal(err)
	}
	if etcd.Hash() != etcd2.Hash() || stack.Hash() == stack2.Hash() {
		t.Error("a flag of the stack changed: its hash must, etcd's must not")
	}
	other.Version = "1.99"
	if _, _, err := f.Processes(other); err == nil {
		t.Error("a version that is not installed has a process")
	}
}

func TestRoutes(t *testing.T) {
	t.Parallel()
	h, err := home.At(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(h.Run()); err != nil {
			t.Error(err)
		}
	})
	f, c := reconcile.Files{Home: h}, controlplane.Cluster{ID: tenant.NewClusterID()}
	published := func(want bool) {
		t.Helper()
		if got, err := f.Published(c); got != want || err != nil {
			t.Errorf("Published = %v, %v; want %v", got, err, want)
		}
	}
	for _, networks := range [][]netip.Prefix{nil, {netip.MustParsePrefix("203.0.113.0/24")}, {netip.MustParsePrefix("198.51.100.0/24")}} {
		c.Networks = networks
		published(false)
		if err := f.Publish(c); err != nil {
			t.Fatal(err)
		}
		published(true)
	}
	for range 2 {
		if err := f.Withdraw(c.ID); err != nil {
			t.Fatal(err)
		}
	}
	published(false)
	if _, err := os.Stat(filepath.Join(h.Routes(), string(c.ID))); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the route's file is left: %v", err)
	}
}
