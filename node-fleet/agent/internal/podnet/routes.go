package podnet

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// routeProtocol marks the routes that are ours (ip route shows "proto 77"), so
// that none of anybody else is ever touched. The kernel leaves the numbers above
// 64 that rtnetlink.h does not list to anybody.
const routeProtocol = 77

// SetRoutes makes the routes of this network namespace that are ours be want.
// A route whose gateway is not directly reachable is reported, and the others
// are set all the same.
func SetRoutes(want []Route) error {
	have, err := netlink.RouteListFiltered(netlink.FAMILY_V4,
		&netlink.Route{Table: unix.RT_TABLE_MAIN, Protocol: routeProtocol},
		netlink.RT_FILTER_TABLE|netlink.RT_FILTER_PROTOCOL)
	if err != nil {
		return fmt.Errorf("list routes: %w", err)
	}
	wanted := make(map[netip.Prefix]netip.Addr, len(want))
	for _, r := range want {
		wanted[r.Pods] = r.Via
	}
	var errs []error
	for _, r := range have {
		pods, via := prefix(r.Dst), address(r.Gw)
		switch {
		case wanted[pods] == via:
			delete(wanted, pods) // as it should be
		case !wanted[pods].IsValid():
			if err := netlink.RouteDel(&r); err != nil && !errors.Is(err, unix.ESRCH) {
				errs = append(errs, fmt.Errorf("remove route to %s: %w", pods, err))
			}
		}
	}
	for _, r := range want {
		if _, missing := wanted[r.Pods]; !missing {
			continue
		}
		if err := netlink.RouteReplace(&netlink.Route{
			Dst:      &net.IPNet{IP: r.Pods.Addr().AsSlice(), Mask: net.CIDRMask(r.Pods.Bits(), 32)},
			Gw:       r.Via.AsSlice(),
			Protocol: routeProtocol,
		}); err != nil {
			errs = append(errs, fmt.Errorf("set route to %s via %s: %w", r.Pods, r.Via, err))
		}
	}
	return errors.Join(errs...)
}

func prefix(n *net.IPNet) netip.Prefix {
	if n == nil {
		return netip.Prefix{}
	}
	bits, _ := n.Mask.Size()
	return netip.PrefixFrom(address(n.IP), bits)
}

func address(ip net.IP) netip.Addr {
	a, _ := netip.AddrFromSlice(ip)
	return a.Unmap()
}

// AddLocalAddress gives this network namespace's loopback an address, as a dummy
// link would hold; kernels without that link type have loopback all the same.
func AddLocalAddress(ip string) error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("look for loopback: %w", err)
	}
	addr := &netlink.Addr{
		IPNet: &net.IPNet{IP: net.ParseIP(ip).To4(), Mask: net.CIDRMask(32, 32)},
		Scope: unix.RT_SCOPE_HOST,
	}
	if err := netlink.AddrReplace(lo, addr); err != nil {
		return fmt.Errorf("add %s to loopback: %w", ip, err)
	}
	return nil
}

// MTU returns the largest packet of the link that holds the default route.
func MTU() (int, error) {
	routes, err := netlink.RouteList(nil, netlink.FAMILY_V4)
	if err != nil {
		return 0, fmt.Errorf("list routes: %w", err)
	}
	for _, r := range routes {
		if p := prefix(r.Dst); r.Dst != nil && p.Bits() != 0 {
			continue
		}
		link, err := netlink.LinkByIndex(r.LinkIndex)
		if err != nil {
			return 0, fmt.Errorf("look at the link of the default route: %w", err)
		}
		return link.Attrs().MTU, nil
	}
	return 0, errors.New("look for the default route: there is none")
}
