package egress

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
)

// TestDecideAddresses holds which addresses a cluster may be connected with.
func TestDecideAddresses(t *testing.T) {
	t.Parallel()
	own := Own{netip.MustParseAddr("8.8.4.4"), netip.MustParseAddr("2a00:1450::4")}
	for _, tc := range []struct {
		address string
		ok      bool
		why     string
	}{
		{"1.1.1.1", true, "the public Internet"},
		{"8.8.8.8", true, "the public Internet, beside an address of this machine"},
		{"100.63.255.255", true, "just below the shared range"},
		{"100.128.0.0", true, "just above it"},
		{"172.15.255.255", true, "just below a private range"},
		{"172.32.0.0", true, "just above it"},
		{"192.167.255.255", true, "just below a private range"},
		{"192.169.0.0", true, "just above it"},
		{"223.255.255.255", true, "just below multicast"},
		{"2606:4700:4700::1111", true, "the public Internet over IPv6"},
		{"2003::1", true, "just above 6to4"},
		{"3ffe:ffff::1", true, "just below documentation"},

		{"8.8.4.4", false, "a public address of this machine"},
		{"::ffff:8.8.4.4", false, "the same, within IPv6"},
		{"2a00:1450::4", false, "a public address of this machine"},
		{"0.0.0.0", false, "this machine, to connect(2)"},
		{"0.1.2.3", false, "this network"},
		{"127.0.0.1", false, "loopback"},
		{"127.255.255.254", false, "all of it"},
		{"10.0.0.1", false, "private"},
		{"10.244.0.1", false, "pods"},
		{"10.96.0.1", false, "Services"},
		{"172.16.0.1", false, "private"},
		{"172.31.255.255", false, "to its end"},
		{"192.168.1.1", false, "private"},
		{"100.64.0.1", false, "a carrier's NAT"},
		{"100.100.100.200", false, "a cloud's metadata in the shared range"},
		{"100.127.255.255", false, "to its end"},
		{"169.254.169.254", false, "clouds' metadata"},
		{"169.254.170.2", false, "a cloud's credentials"},
		{"168.63.129.16", false, "a cloud's service for its machines"},
		{"192.0.0.192", false, "a cloud's metadata among addresses for protocols"},
		{"192.0.2.1", false, "where the agents listen"},
		{"198.51.100.1", false, "documentation"},
		{"203.0.113.1", false, "documentation"},
		{"198.18.0.1", false, "measurements"},
		{"198.19.255.255", false, "to its end"},
		{"192.88.99.1", false, "6to4 relays"},
		{"224.0.0.1", false, "multicast"},
		{"239.255.255.255", false, "to its end"},
		{"240.0.0.1", false, "reserved"},
		{"255.255.255.255", false, "broadcast"},

		{"::", false, "unspecified"},
		{"::1", false, "loopback"},
		{"::127.0.0.1", false, "IPv4 within, the oldest way"},
		{"::ffff:127.0.0.1", false, "IPv4 within"},
		{"::ffff:10.0.0.1", false, "IPv4 within"},
		{"::ffff:169.254.169.254", false, "IPv4 within"},
		{"::ffff:0:127.0.0.1", false, "IPv4 translated"},
		{"64:ff9b::7f00:1", false, "NAT64"},
		{"64:ff9b::1.1.1.1", false, "NAT64 to a public address: it is reached over IPv4"},
		{"64:ff9b:1::a00:1", false, "NAT64 of a network's own"},
		{"2002:7f00:1::", false, "6to4 of loopback"},
		{"2002:a00:1::1", false, "6to4 of a private address"},
		{"2001::1", false, "Teredo"},
		{"2001:0:4136:e378:8000:63bf:3fff:fdd2", false, "Teredo"},
		{"2001:db8::1", false, "documentation"},
		{"3fff:fff::1", false, "documentation"},
		{"fc00::1", false, "unique local"},
		{"fd00:ec2::254", false, "a cloud's metadata"},
		{"fe80::1", false, "link-local"},
		{"fe80::1%eth0", false, "with a zone"},
		{"2606:4700::1%lo", false, "with a zone"},
		{"fec0::1", false, "site-local, long gone"},
		{"ff02::1", false, "multicast"},
		{"100::1", false, "the discard prefix"},
		{"5f00::1", false, "segment routing"},
		{"4000::1", false, "given to nobody"},
	} {
		got, err := Decide(Target{"example.com", 443}, []netip.Addr{netip.MustParseAddr(tc.address)}, Allowed{}, own)
		if (err == nil) != tc.ok {
			t.Errorf("%s (%s): %v, %v", tc.address, tc.why, got, err)
		}
		if refusal, ok := errors.AsType[*Refusal](err); err != nil && (!ok || refusal.Why == "") {
			t.Errorf("%s: the error %v is no refusal", tc.address, err)
		}
	}
}

// TestDecide holds ports, the operator's rules, and names of several addresses.
func TestDecide(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		why      string
		target   string
		resolved string
		rules    string
		want     string // "": refused
	}{
		{"only HTTPS", "example.com:80", "1.1.1.1", "", ""},
		{"not even for a literal", "1.1.1.1:22", "1.1.1.1", "", ""},
		{"a port that the operator adds", "example.com:8443", "1.1.1.1", ":8443", "1.1.1.1:8443"},
		{"which is of the Internet only", "example.com:8443", "10.0.0.1", ":8443", ""},
		{"a network that the operator adds", "example.com:443", "10.1.2.3", "10.1.0.0/16", "10.1.2.3:443"},
		{"and nothing beside it", "example.com:443", "10.2.2.3", "10.1.0.0/16", ""},
		{"on the usual ports only", "example.com:5432", "10.1.2.3", "10.1.0.0/16", ""},
		{"and those added", "example.com:8443", "10.1.2.3", "10.1.0.0/16 :8443", "10.1.2.3:8443"},
		{"a network with a port", "example.com:8443", "10.1.2.3", "10.1.0.0/16:8443", "10.1.2.3:8443"},
		{"is that port only", "example.com:443", "10.1.2.3", "10.1.0.0/16:8443", ""},
		{"also of IPv6", "example.com:8443", "fd00::1", "[fd00::/8]:8443", "[fd00::1]:8443"},
		{"a network given as within IPv6 is met after unmapping", "example.com:443", "::ffff:10.1.2.3", "10.1.0.0/16", "10.1.2.3:443"},
		{"a target that the operator allows", "127.0.0.1:9999", "127.0.0.1", "127.0.0.1:9999", "127.0.0.1:9999"},
		{"is that port only", "127.0.0.1:9998", "127.0.0.1", "127.0.0.1:9999", ""},
		{"a name is not its address", "localhost.example:9999", "127.0.0.1", "127.0.0.1:9999", ""},
		{"an allowed name leads anywhere", "idp.corp.example:8443", "10.9.9.9", "idp.corp.example:8443", "10.9.9.9:8443"},
		{"in whatever case", "IDP.corp.example.:8443", "10.9.9.9", "idp.Corp.example:8443", "10.9.9.9:8443"},
		{"its neighbour does not", "evil.idp.corp.example:8443", "10.9.9.9", "idp.corp.example:8443", ""},
		{"a zone is refused even so", "idp.corp.example:443", "fe80::1%lo", "fe80::/10", ""},
		{"nothing resolved", "example.com:443", "", "", ""},
		{"of several, the public ones", "example.com:443", "10.0.0.1 1.1.1.1 ::1 2606:4700::1", "", "1.1.1.1:443 [2606:4700::1]:443"},
		{"of several, none", "example.com:443", "10.0.0.1 ::1", "", ""},
	} {
		target, err := ParseTarget(tc.target)
		if err != nil {
			t.Fatalf("%s: %v", tc.target, err)
		}
		allowed, err := ParseAllowed(strings.Fields(tc.rules))
		if err != nil {
			t.Fatal(err)
		}
		var resolved []netip.Addr
		for _, a := range strings.Fields(tc.resolved) {
			resolved = append(resolved, netip.MustParseAddr(a))
		}
		got, err := Decide(target, resolved, allowed, nil)
		var words []string
		for _, a := range got {
			words = append(words, a.String())
		}
		if strings.Join(words, " ") != tc.want || (err == nil) != (tc.want != "") {
			t.Errorf("%s: %s at %s under %q: %v, %v, want %q", tc.why, tc.target, tc.resolved, tc.rules, words, err, tc.want)
		}
	}
}

// TestParseTarget holds what counts as a target at all.
func TestParseTarget(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"example.com:443":                     "example.com:443",
		"Example.COM.:443":                    "example.com:443",
		"1.2.3.4:443":                         "1.2.3.4:443",
		"[::1]:443":                           "[::1]:443",
		"[2606:0::1]:443":                     "[2606::1]:443",
		"127.1:443":                           "127.1:443", // a name; whatever a resolver makes of it is judged
		"example.com":                         "",
		":443":                                "",
		"example.com:":                        "",
		"example.com:0":                       "",
		"example.com:65536":                   "",
		"example.com:https":                   "",
		"example.com:-1":                      "",
		"localhost:443":                       "",
		"postgres:443":                        "",
		"::1:443":                             "",
		"[1.2.3.4]:443":                       "",
		"[::1:443":                            "",
		"a..b:443":                            "",
		"-a.b:443":                            "",
		"a b.c:443":                           "",
		"a.b/c:443":                           "",
		"a.b\x00c:443":                        "",
		"user@a.b:443":                        "",
		strings.Repeat("a", 64) + ".com:443":  "",
		strings.Repeat("a.", 130) + "com:443": "",
		"münchen.example:443":                 "",
	} {
		got, err := ParseTarget(in)
		if (err == nil) != (want != "") || err == nil && got.String() != want {
			t.Errorf("%q: %v, %v, want %q", in, got, err, want)
		}
	}
}

// TestParseAllowed holds that an operator's slip is an error and not a hole.
func TestParseAllowed(t *testing.T) {
	t.Parallel()
	for _, rule := range []string{"", "example.com", "10.0.0.0/33", "10.0.0.0/8:", "10.0.0.0/8:x", ":0", ":", "10.0.0.1", "*:443", "http://a.b:1"} {
		if got, err := ParseAllowed([]string{rule}); err == nil || !strings.Contains(err.Error(), "write HOST:PORT") {
			t.Errorf("%q: %+v, %v", rule, got, err)
		}
	}
}

// FuzzDecide: whatever is asked for, nothing is allowed that the standard library
// knows not to be public, and only the port that was asked for.
func FuzzDecide(f *testing.F) {
	f.Add("example.com:443", []byte{127, 0, 0, 1})
	f.Add("[::1]:443", []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 1})
	f.Add("a.b:443", []byte{0x20, 0x02, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, text string, raw []byte) {
		target, err := ParseTarget(text)
		if err != nil {
			return
		}
		if again, err := ParseTarget(target.String()); err != nil || again != target {
			t.Errorf("%q is read as %v, which is read as %v, %v", text, target, again, err)
		}
		a, ok := netip.AddrFromSlice(raw)
		if !ok {
			return
		}
		may, err := Decide(target, []netip.Addr{a}, Allowed{}, Own{netip.MustParseAddr("8.8.8.8")})
		if err != nil {
			return
		}
		for _, m := range may {
			b := m.Addr()
			if m.Port() != 443 || m.Port() != target.Port || b != a.Unmap() || b.Is4In6() || !b.IsGlobalUnicast() || b.IsPrivate() ||
				b.IsLoopback() || b.IsUnspecified() || b.IsMulticast() || b.IsLinkLocalUnicast() || b == netip.MustParseAddr("8.8.8.8") {
				t.Errorf("%s at %s may be dialled as %s", text, a, m)
			}
		}
	})
}
