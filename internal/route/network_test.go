package route_test

import (
	"net/netip"
	"testing"

	"github.com/marina-cloud/marina/internal/route"
)

func TestAdmits(t *testing.T) {
	t.Parallel()
	networks := []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("2001:db8::/48"), netip.MustParsePrefix("fe80::/10")}
	for address, want := range map[string]bool{
		"203.0.113.255": true, "203.0.114.0": false, "::ffff:203.0.113.1": true, "2001:db8::1": true, "2001:db8:1::": false, "fe80::1%eth0": true,
	} {
		if got := route.Admits(networks, netip.MustParseAddr(address)); got != want {
			t.Errorf("%s is let in: %t, want %t", address, got, want)
		}
	}
	if !route.Admits(nil, netip.MustParseAddr("203.0.113.1")) {
		t.Error("where there are no networks, everybody is let in")
	}
	if route.Admits(networks, netip.Addr{}) {
		t.Error("an address that nobody knows is let in")
	}
}
