package route_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/marina-cloud/marina/internal/route"
	"github.com/marina-cloud/marina/internal/tenant"
)

// TestCache: whatever happens to a file, the cache says what the file does.
func TestCache(t *testing.T) {
	t.Parallel()
	dir, id := filepath.Join(t.TempDir(), "routes"), tenant.NewClusterID()
	file := filepath.Join(dir, string(id))
	c := route.Cache{Dir: dir}
	same := func(what string) {
		t.Helper()
		want, there, err := route.Find(dir, id)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if got, ok, err := c.Find(id); !got.Equal(want) || ok != there || err != nil {
				t.Errorf("%s: %+v, %t, %v; want %+v, %t", what, got, ok, err, want, there)
			}
		}
	}
	same("before")
	// All of the same length, one right after the other, so that neither size nor time
	// tells them apart.
	for i := range 200 {
		n := netip.PrefixFrom(netip.AddrFrom4([4]byte{203, 0, 113, byte(100 + i%100)}), 32)
		if err := route.Publish(dir, id, route.Route{API: "/a", Tunnel: "/t", Networks: []netip.Prefix{n}}); err != nil {
			t.Fatal(err)
		}
		same("published anew")
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(file, old, old); err != nil {
		t.Fatal(err)
	}
	same("an old file")
	if err := route.Publish(dir, id, route.Route{API: "/b", Tunnel: "/t"}); err != nil {
		t.Fatal(err)
	}
	same("after an old file")
	if err := route.Withdraw(dir, id); err != nil {
		t.Fatal(err)
	}
	same("withdrawn")
	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := c.Find(id); ok || err == nil {
		t.Error("a file that is no route is taken for one")
	}
}

func BenchmarkFind(b *testing.B) {
	dir, id := filepath.Join(b.TempDir(), "routes"), tenant.NewClusterID()
	r := route.Route{API: "/run/marina/12345678/t/" + string(id) + "/sock/api.sock", Tunnel: "/run/marina/12345678/t/" + string(id) + "/sock/tunnel.sock"}
	for i := range 64 {
		r.Networks = append(r.Networks, netip.PrefixFrom(netip.AddrFrom4([4]byte{203, 0, byte(i), 0}), 24))
	}
	if err := route.Publish(dir, id, r); err != nil {
		b.Fatal(err)
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(filepath.Join(dir, string(id)), old, old); err != nil {
		b.Fatal(err)
	}
	b.Run("Read", func(b *testing.B) {
		for b.Loop() {
			if _, ok, err := route.Find(dir, id); !ok || err != nil {
				b.Fatal(ok, err)
			}
		}
	})
	b.Run("Cached", func(b *testing.B) {
		c := route.Cache{Dir: dir}
		for b.Loop() {
			if _, ok, err := c.Find(id); !ok || err != nil {
				b.Fatal(ok, err)
			}
		}
	})
}
