package route

import (
	"net/netip"
	"slices"
)

// Admits reports whether people at an address may reach the API server of a cluster
// whose authorized networks these are; where there are none, everybody may. An address
// that nobody knows is in no network.
func Admits(networks []netip.Prefix, client netip.Addr) bool {
	client = client.Unmap().WithZone("")
	return len(networks) == 0 || slices.ContainsFunc(networks, func(n netip.Prefix) bool { return n.Contains(client) })
}
