package route_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/marina-cloud/marina/internal/route"
	"github.com/marina-cloud/marina/internal/tenant"
)

func TestRoute(t *testing.T) {
	t.Parallel()
	dir, id := filepath.Join(t.TempDir(), "routes"), tenant.NewClusterID()
	if _, ok, err := route.Find(dir, id); ok || err != nil {
		t.Errorf("before: %v, %v", ok, err)
	}
	networks := []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("2001:db8::/48")}
	for _, r := range []route.Route{{API: "/a", Tunnel: "/t"}, {API: "/b", Tunnel: "/t", Networks: networks}} {
		if err := route.Publish(dir, id, r); err != nil {
			t.Fatal(err)
		}
		if got, ok, err := route.Find(dir, id); !got.Equal(r) || !ok || err != nil {
			t.Errorf("published %v, found %v, %v, %v", r, got, ok, err)
		}
	}
	// What somebody left who died while he published.
	if err := os.WriteFile(filepath.Join(dir, "."+string(id)), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := route.Withdraw(dir, id); err != nil {
			t.Fatal(err)
		}
	}
	if _, ok, err := route.Find(dir, id); ok || err != nil {
		t.Errorf("after: %v, %v", ok, err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
