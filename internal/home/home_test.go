package home_test

import (
	"strings"
	"testing"

	"github.com/marina-cloud/marina/internal/home"
	"github.com/marina-cloud/marina/internal/tenant"
)

func at(t *testing.T, dir string) home.Home {
	t.Helper()
	h, err := home.At(dir)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestHomesShareNothing(t *testing.T) {
	t.Parallel()
	a, b, again := at(t, "/srv/a"), at(t, "/srv/b"), at(t, "/srv/../srv/a")
	if a.Name() == b.Name() || a.Run() == b.Run() || a.Cgroup() == b.Cgroup() || a.NetworkNamespace() == b.NetworkNamespace() {
		t.Error("two homes share a name")
	}
	if a.Name() != again.Name() {
		t.Error("one directory written in two ways is two homes")
	}
	lastOfA, _ := a.UIDs(home.MaxClusters - 1)
	firstOfA, stack := a.UIDs(0)
	firstOfB, _ := b.UIDs(0)
	if firstOfA < 200_000 || stack != firstOfA+1 {
		t.Errorf("user ids %d, %d", firstOfA, stack)
	}
	if firstOfB >= firstOfA && firstOfB <= lastOfA+1 {
		t.Errorf("two homes share user ids: %d to %d, and %d", firstOfA, lastOfA+1, firstOfB)
	}
}

// TestSocketsFit: a unix socket's path holds 107 bytes, wherever the home is.
func TestSocketsFit(t *testing.T) {
	t.Parallel()
	h := at(t, "/"+strings.Repeat("very-long/", 40))
	if p := h.TenantRun(tenant.NewClusterID()) + "/sock/etcd-peer.sock"; len(p) > 107 {
		t.Errorf("%s has %d bytes", p, len(p))
	}
}
