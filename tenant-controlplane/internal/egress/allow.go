package egress

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Allowed is what an operator allows beyond port 443 of the public Internet. The
// zero value is nothing.
type Allowed struct {
	targets  []Target
	networks []network
	ports    []uint16
}

// network is a range of addresses; port is 0 where the usual ports are meant.
type network struct {
	prefix netip.Prefix
	port   uint16
}

// ParseAllowed reads what an operator wrote, one rule each:
//
//	HOST:PORT    this name or address on this port, wherever the name leads to
//	CIDR         the addresses of a network, on the usual ports
//	CIDR:PORT    … on this port; an IPv6 network is written in brackets
//	:PORT        this port of the public Internet, too
func ParseAllowed(rules []string) (Allowed, error) {
	var a Allowed
	for _, rule := range rules {
		if err := a.add(rule); err != nil {
			return Allowed{}, fmt.Errorf("egress rule %q: write HOST:PORT, CIDR, CIDR:PORT or :PORT", rule)
		}
	}
	return a, nil
}

func (a *Allowed) add(rule string) error {
	if prefix, err := netip.ParsePrefix(rule); err == nil {
		a.networks = append(a.networks, network{prefix: prefix.Masked()})
		return nil
	}
	if strings.Contains(rule, "/") {
		i := strings.LastIndexByte(rule, ':')
		if i < 0 {
			return errTarget
		}
		prefix, err := netip.ParsePrefix(strings.TrimSuffix(strings.TrimPrefix(rule[:i], "["), "]"))
		if err != nil {
			return err
		}
		port, err := splitTarget("name" + rule[i:])
		a.networks = append(a.networks, network{prefix.Masked(), port.Port})
		return err
	}
	if strings.HasPrefix(rule, ":") {
		t, err := splitTarget("name" + rule)
		a.ports = append(a.ports, t.Port)
		return err
	}
	t, err := splitTarget(rule)
	a.targets = append(a.targets, t)
	return err
}

func (a Allowed) target(t Target) bool { return slices.Contains(a.targets, t) }

func (a Allowed) port(p uint16) bool { return slices.Contains(a.ports, p) }

// address reports whether an address lies in an allowed network, and whether that
// network's rule allows the port, too.
func (a Allowed) address(addr netip.Addr, port uint16) (inside, alsoPort bool) {
	for _, n := range a.networks {
		if !n.prefix.Contains(addr) {
			continue
		}
		if n.port == 0 {
			inside = true
		} else if n.port == port {
			return true, true
		}
	}
	return inside, false
}
