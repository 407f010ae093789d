package render

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/marina-cloud/marina/node-fleet/join"
)

// CNI returns the pod network of a node: a link of its own for each pod, with an
// address of the node's range podCIDR, and host ports.
//
// Links are point to point, not ports of a bridge: a reply between two pods of
// one node then passes the node's routing and finds its way back through the
// address translation of Services, which it would miss on a bridge without
// br_netfilter. Given-out addresses are kept in leases, which should end with
// the machine, as its pods do.
func CNI(podCIDR string, mtu int, leases string) []byte {
	return indented(object{
		"cniVersion": "1.0.0",
		"name":       "marina",
		"plugins": []object{
			{
				"type":   "ptp",
				"mtu":    mtu,
				"ipMasq": false, // Masquerade does it for the whole node at once
				"ipam": object{
					"type":    "host-local",
					"dataDir": leases,
					"ranges":  [][]object{{{"subnet": podCIDR}}},
					"routes":  []object{{"dst": "0.0.0.0/0"}},
				},
			},
			{
				"type":         "portmap",
				"capabilities": object{"portMappings": true},
				"snat":         true,
				"backend":      "nftables",
			},
		},
	})
}

// Masquerade returns the nftables script that lets pods, whose addresses nobody
// outside the cluster knows, reach the outside with the node's address. The
// script may be run again.
func Masquerade(podCIDR string) string {
	return fmt.Sprintf(`table ip marina {}
delete table ip marina
table ip marina {
	chain postrouting {
		type nat hook postrouting priority srcnat; policy accept;
		ip saddr %[1]s ip daddr != %[1]s masquerade fully-random
	}
}
`, podCIDR)
}

// Tunnel is where the konnectivity agent finds things.
type Tunnel struct {
	Port        string // of the gateway
	Authority   string // file
	Certificate string // file
	Key         string // file
}

// TunnelFlags returns the flags of the konnectivity agent. It dials the host
// name that it also verifies, so the name has to lead to the gateway: see Hosts.
func TunnelFlags(c join.Config, t Tunnel) []string {
	identifiers := url.Values{"ipv4": {c.Address}, "host": {c.NodeName}}
	return []string{
		"--proxy-server-host=" + c.TunnelServerName,
		"--proxy-server-port=" + t.Port,
		"--ca-cert=" + t.Authority,
		"--agent-cert=" + t.Certificate,
		"--agent-key=" + t.Key,
		"--agent-id=" + c.NodeName,
		"--agent-identifiers=" + identifiers.Encode(),
		"--sync-interval=1s",
		"--sync-interval-cap=10s",
		"--probe-interval=1s",
		"--keepalive-time=30s",
		"--health-server-host=127.0.0.1",
		"--admin-bind-address=127.0.0.1",
	}
}

const (
	hostsBegin = "# marina: begin"
	hostsEnd   = "# marina: end"
)

// Named is an address with the names that lead to it.
type Named struct {
	Address string
	Names   []string
}

// Hosts returns the hosts file old with names leading to addresses, in a block of
// its own that is replaced when it is there already.
func Hosts(old string, hosts ...Named) string {
	var kept []string
	inside := false
	for line := range strings.Lines(old) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case line == hostsBegin:
			inside = true
		case line == hostsEnd:
			inside = false
		case !inside:
			kept = append(kept, line)
		}
	}
	kept = append(kept, hostsBegin)
	for _, h := range hosts {
		kept = append(kept, h.Address+"\t"+strings.Join(h.Names, " "))
	}
	kept = append(kept, hostsEnd)
	return strings.Join(kept, "\n") + "\n"
}
