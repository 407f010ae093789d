package gateway_test

import (
	"net/netip"
	"testing"

	"github.com/marina-cloud/marina/gateway"
)

func TestClientAddress(t *testing.T) {
	t.Parallel()
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	for _, tc := range []struct {
		remote    string
		forwarded []string
		trusted   []netip.Prefix
		want, why string
	}{
		{"198.51.100.1:1", nil, proxies, "198.51.100.1", "nobody stands in between"},
		{"198.51.100.1:1", []string{"203.0.113.7"}, proxies, "198.51.100.1", "a client says nothing about itself"},
		{"198.51.100.1:1", []string{"203.0.113.7"}, nil, "198.51.100.1", "nobody is trusted by default"},
		{"10.0.0.1:1", []string{"198.51.100.1"}, proxies, "198.51.100.1", "a trusted proxy says whom it speaks for"},
		{"10.0.0.1:1", []string{"203.0.113.7, 198.51.100.1"}, proxies, "198.51.100.1", "what the client wrote before stands to the left"},
		{"10.0.0.1:1", []string{"203.0.113.7", "198.51.100.1"}, proxies, "198.51.100.1", "several headers are one list"},
		{"10.0.0.1:1", []string{"203.0.113.7, 198.51.100.1, 10.0.0.2"}, proxies, "198.51.100.1", "two proxies in a row"},
		{"10.0.0.1:1", []string{"10.0.0.3, 10.0.0.2"}, proxies, "10.0.0.3", "a proxy may be a client, too"},
		{"10.0.0.1:1", nil, proxies, "10.0.0.1", "a proxy that says nothing speaks for itself"},
		{"10.0.0.1:1", []string{"198.51.100.1, unknown"}, proxies, "10.0.0.1", "what cannot be read ends the search"},
		{"10.0.0.1:1", []string{"2001:db8::1"}, proxies, "2001:db8::1", "either family"},
		{"[::ffff:10.0.0.1]:1", []string{"::ffff:198.51.100.1"}, proxies, "198.51.100.1", "an IPv4 address is one however it is written"},
		{"[fe80::1%eth0]:1", nil, proxies, "fe80::1", "a zone is this machine's, not the client's"},
	} {
		if got := gateway.ClientAddress(tc.remote, tc.forwarded, tc.trusted); got.String() != tc.want {
			t.Errorf("%s, %q: %s, want %s: %s", tc.remote, tc.forwarded, got, tc.want, tc.why)
		}
	}
	if got := gateway.ClientAddress("@", nil, proxies); got.IsValid() {
		t.Errorf("a client without an address has %s", got)
	}
}
