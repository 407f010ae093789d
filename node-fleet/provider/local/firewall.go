package local

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
)

// firewall returns the nftables rules of the home's namespace, as a script that
// replaces the ones before it in one step. For machines of the networks numbers
// there is one thing to reach: the router's port at their own gateway address.
// Refusals are answered, so that programs do not wait; but nothing is answered that
// claims to come from elsewhere, as the answer would go there.
//
// Traffic between machines of one network never leaves their bridge; where the
// host has loaded br_netfilter it passes the forward chain all the same.
func firewall(numbers []uint8, routerPort int) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("table inet marina {}")
	line("delete table inet marina")
	line("table inet marina {")
	// Before a route is looked for, as that it is missing is answered, too. What only
	// passes a bridge, pods' packets among them, is addressed to another machine.
	line("\tchain prerouting {")
	line("\t\ttype filter hook prerouting priority raw; policy accept;")
	for _, n := range numbers {
		line("\t\tiifname %q ether daddr %s ip saddr != %s drop", bridge(n), net.HardwareAddr(hardware(gateway(n))), netip.PrefixFrom(gateway(n), 24).Masked())
	}
	line("\t}")
	line("\tchain input {")
	line("\t\ttype filter hook input priority filter; policy drop;")
	line("\t\tiifname \"lo\" accept")
	for _, n := range numbers {
		line("\t\tiifname %q ip daddr %s tcp dport %d accept", bridge(n), gateway(n), routerPort)
	}
	line("\t\tmeta l4proto tcp reject with tcp reset")
	line("\t\tmeta l4proto udp reject")
	line("\t}")
	line("\tchain forward {")
	line("\t\ttype filter hook forward priority filter; policy drop;")
	for _, n := range numbers {
		line("\t\tiifname %[1]q oifname %[1]q accept", bridge(n))
	}
	line("\t\treject with icmpx admin-prohibited")
	line("\t}")
	line("}")
	return b.String()
}

// setFirewall loads rules into the namespace that the calling thread is in.
//
// Forwarding is switched on although nothing is ever forwarded: only a router
// says that it has no route, and one that is switched off lets programs wait. On
// each bridge the namespace is asked only for the address that it has there: the
// others' are none of a machine's business (arp_ignore, ip-sysctl).
func setFirewall(ctx context.Context, rules string) error {
	cmd := exec.CommandContext(ctx, "nft", "-f", "-")
	cmd.Stdin = strings.NewReader(rules)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("set firewall of local machines: nft: %w: %s", err, out)
	}
	for _, setting := range []string{"ip_forward", "conf/all/arp_ignore"} {
		if err := os.WriteFile("/proc/sys/net/ipv4/"+setting, []byte("1"), 0); err != nil {
			return fmt.Errorf("set firewall of local machines: %w", err)
		}
	}
	return nil
}
