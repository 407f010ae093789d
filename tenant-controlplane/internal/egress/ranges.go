package egress

import "net/netip"

// special are the ranges that are not the public Internet, from the registries of
// special-purpose addresses (RFC 6890;
// https://www.iana.org/assignments/iana-ipv4-special-registry,
// https://www.iana.org/assignments/iana-ipv6-special-registry). Services of clouds
// that tell a machine about itself lie in the link-local, shared, unique local and
// documented ones.
var special = []struct {
	prefix netip.Prefix
	why    string
}{
	{netip.MustParsePrefix("0.0.0.0/8"), "this network"},
	{netip.MustParsePrefix("10.0.0.0/8"), "a private network"},
	{netip.MustParsePrefix("100.64.0.0/10"), "shared by a provider's customers"},
	{netip.MustParsePrefix("127.0.0.0/8"), "loopback"},
	{netip.MustParsePrefix("168.63.129.16/32"), "a cloud's service for its machines"},
	{netip.MustParsePrefix("169.254.0.0/16"), "link-local"},
	{netip.MustParsePrefix("172.16.0.0/12"), "a private network"},
	{netip.MustParsePrefix("192.0.0.0/24"), "for protocols"},
	{netip.MustParsePrefix("192.0.2.0/24"), "for documentation"},
	{netip.MustParsePrefix("192.88.99.0/24"), "of the old 6to4 relays"},
	{netip.MustParsePrefix("192.168.0.0/16"), "a private network"},
	{netip.MustParsePrefix("198.18.0.0/15"), "for measurements"},
	{netip.MustParsePrefix("198.51.100.0/24"), "for documentation"},
	{netip.MustParsePrefix("203.0.113.0/24"), "for documentation"},
	{netip.MustParsePrefix("224.0.0.0/4"), "multicast"},
	{netip.MustParsePrefix("240.0.0.0/4"), "reserved"},
}

// global is all that is given out of IPv6 (RFC 4291, 2.4), and special6 are the
// parts of it that are not the public Internet. Addresses that hold one of IPv4 and
// are carried to it by somebody are refused whatever they hold: nobody needs them
// who can be reached over IPv4.
var (
	global   = netip.MustParsePrefix("2000::/3")
	special6 = []struct {
		prefix netip.Prefix
		why    string
	}{
		{netip.MustParsePrefix("2001::/23"), "for protocols, among them Teredo"},
		{netip.MustParsePrefix("2001:db8::/32"), "for documentation"},
		{netip.MustParsePrefix("2002::/16"), "an address of IPv4 within (6to4)"},
		{netip.MustParsePrefix("3fff::/20"), "for documentation"},
	}
)

// notPublic says why an address is not on the public Internet, or "". Addresses of
// IPv4 within IPv6 ("::ffff:…") must have been unmapped.
func notPublic(a netip.Addr) string {
	if a.Is4() {
		for _, s := range special {
			if s.prefix.Contains(a) {
				return s.why
			}
		}
		return ""
	}
	if !global.Contains(a) {
		// Among them ::, ::1, ::/96 and ::ffff:0:0:0/96 (IPv4 within), 64:ff9b::/96
		// and 64:ff9b:1::/48 (NAT64), 100::/64, fc00::/7, fe80::/10, fec0::/10, ff00::/8.
		return "not a global unicast address"
	}
	for _, s := range special6 {
		if s.prefix.Contains(a) {
			return s.why
		}
	}
	return ""
}
