package controlplane

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/marina-cloud/marina/internal/fault"
)

// MaxNetworks is how many authorized networks a cluster may have.
const MaxNetworks = 64

// ParseNetworks reads the networks from which people may reach a cluster's API
// server, in CIDR notation or as single addresses, and returns each of them once, in
// the order in which they were named; none stands for everywhere. The error is a fault
// that names every wrong entry.
func ParseNetworks(texts []string) ([]netip.Prefix, error) {
	if len(texts) > MaxNetworks {
		return nil, fault.InvalidFields([]fault.Field{{Name: "networks", Reason: fmt.Sprintf("has %d entries; %d are the most", len(texts), MaxNetworks)}})
	}
	networks := make([]netip.Prefix, 0, len(texts))
	var wrong []fault.Field
	for i, text := range texts {
		p, reason := parseNetwork(strings.TrimSpace(text))
		switch {
		case reason != "":
			wrong = append(wrong, fault.Field{Name: fmt.Sprintf("networks[%d]", i), Reason: reason})
		case !slices.Contains(networks, p):
			networks = append(networks, p)
		}
	}
	return networks, fault.InvalidFields(wrong)
}

// parseNetwork reads one network, or says what is wrong with it.
func parseNetwork(text string) (netip.Prefix, string) {
	const notANetwork = "is not a network in CIDR notation, such as 203.0.113.0/24 or 2001:db8::/48, nor an address"
	p, err := netip.ParsePrefix(text)
	// A zone means something on one machine only.
	if a, e := netip.ParseAddr(text); e == nil && a.Zone() == "" {
		p, err = netip.PrefixFrom(a, a.BitLen()), nil
	}
	switch {
	case err != nil:
		return p, notANetwork
	case p.Addr().Is4In6():
		return p, "is an IPv4 network within IPv6; write it as IPv4"
	case p != p.Masked():
		return p, fmt.Sprintf("has bits set after its prefix; did you mean %s", p.Masked())
	}
	return p, ""
}
