package local

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// addBridge makes the bridge of a network in the home's namespace, which the
// calling thread is in.
func addBridge(number uint8) error {
	b := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{
		Name:         bridge(number),
		HardwareAddr: hardware(gateway(number)), // else it would follow its ports'
	}}
	if err := netlink.LinkAdd(b); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("make bridge %s: %w", b.Name, err)
	}
	if err := setAddress(b.Name, gateway(number)); err != nil {
		return err
	}
	return linkUp(b.Name)()
}

// addLink makes the pair of links between a machine's namespace, given as an
// open file, and its bridge, in the home's namespace, which the calling thread
// is in. A pair that was left behind is replaced.
func addLink(at place, machine int) error {
	if err := deleteLink(at.link()); err != nil {
		return err
	}
	b, err := netlink.LinkByName(bridge(at.number))
	if err != nil {
		return fmt.Errorf("look for bridge %s: %w", bridge(at.number), err)
	}
	pair := &netlink.Veth{
		LinkAttrs:        netlink.LinkAttrs{Name: at.link(), MasterIndex: b.Attrs().Index},
		PeerName:         machineLink,
		PeerHardwareAddr: hardware(at.address()),
		PeerNamespace:    netlink.NsFd(machine),
	}
	if err := netlink.LinkAdd(pair); err != nil {
		return fmt.Errorf("make link %s of machine: %w", pair.Name, err)
	}
	return linkUp(pair.Name)()
}

// machineLink is the name of a machine's one link, inside.
const machineLink = "eth0"

// configureMachine sets up a machine's namespace, which the calling thread is in.
func configureMachine(at place) error {
	if err := linkUp("lo")(); err != nil {
		return err
	}
	if err := setAddress(machineLink, at.address()); err != nil {
		return err
	}
	if err := linkUp(machineLink)(); err != nil {
		return err
	}
	if err := netlink.RouteReplace(&netlink.Route{Dst: everything, Gw: at.gateway().AsSlice()}); err != nil {
		return fmt.Errorf("set default route of machine: %w", err)
	}
	return nil
}

var everything = &net.IPNet{IP: net.IPv4zero.To4(), Mask: net.CIDRMask(0, 32)}

func setAddress(link string, a netip.Addr) error {
	l, err := netlink.LinkByName(link)
	if err != nil {
		return fmt.Errorf("look for link %s: %w", link, err)
	}
	err = netlink.AddrReplace(l, &netlink.Addr{IPNet: &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(24, 32)}})
	if err != nil {
		return fmt.Errorf("set address %s of link %s: %w", a, link, err)
	}
	return nil
}

func linkUp(name string) func() error {
	return func() error {
		l, err := netlink.LinkByName(name)
		if err != nil {
			return fmt.Errorf("look for link %s: %w", name, err)
		}
		if err := netlink.LinkSetUp(l); err != nil {
			return fmt.Errorf("start link %s: %w", name, err)
		}
		return nil
	}
}

// deleteLink removes a link of the namespace that the calling thread is in; it
// is no error that there is none.
func deleteLink(name string) error {
	l, err := netlink.LinkByName(name)
	if isLinkMissing(err) {
		return nil
	}
	if err == nil {
		err = netlink.LinkDel(l)
	}
	// The kernel removes a pair of links by itself, a moment after one's
	// namespace has gone.
	if err != nil && !errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("remove link %s: %w", name, err)
	}
	return nil
}

func isLinkMissing(err error) bool {
	_, missing := errors.AsType[netlink.LinkNotFoundError](err)
	return missing
}
