//go:build integration

package local

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/marina-cloud/marina/internal/tenant"
)

// TestSpoofedSource: a machine that takes the address of another cluster's machine
// makes nothing arrive there: no answer of the router's, and no refusal either.
func TestSpoofedSource(t *testing.T) {
	p := open(t)
	a, _ := start(t, p, tenant.NewClusterID(), "attacker")
	v, victim := start(t, p, tenant.NewClusterID(), "victim")
	listenAtGateway(t, p, "6443")
	attacker, home := pathsOf(p.config.Home, a.Node).namespace(), pathsOf(p.config.Home, v.Node).namespace()
	heard := listenRaw(t, home)
	spoofed := netip.MustParseAddr(victim.Address)
	inside(t, attacker, func() error {
		eth0, err := netlink.LinkByName(machineLink)
		if err != nil {
			return err
		}
		return netlink.AddrAdd(eth0, &netlink.Addr{IPNet: &net.IPNet{IP: spoofed.AsSlice(), Mask: net.CIDRMask(32, 32)}})
	})
	for _, to := range []string{"172.30.1.1:6443", "172.30.1.1:2222", "172.30.2.1:6443", "198.51.100.1:80"} {
		inside(t, attacker, func() error {
			d := net.Dialer{LocalAddr: &net.TCPAddr{IP: spoofed.AsSlice()}, Timeout: 300 * time.Millisecond}
			if c, err := d.DialContext(t.Context(), "tcp", to); err == nil {
				t.Errorf("%s was reached from an address that is another's", to)
				c.Close()
			}
			u, err := net.DialUDP("udp", &net.UDPAddr{IP: spoofed.AsSlice()}, net.UDPAddrFromAddrPort(netip.MustParseAddrPort(to)))
			if err != nil {
				return err
			}
			defer u.Close()
			_, err = u.Write([]byte("spoofed"))
			return err
		})
	}
	// The control, and the end of what can have come: the victim's own connection.
	inside(t, home, func() error {
		c, err := net.DialTimeout("tcp", "172.30.2.1:6443", 5*time.Second)
		if err == nil {
			c.Close()
		}
		return err
	})
	for {
		from, protocol := heard()
		if from == netip.MustParseAddr("172.30.2.1") && protocol == unix.IPPROTO_TCP {
			return
		}
		if protocol == unix.IPPROTO_IGMP {
			continue // its bridge looks for listeners by itself
		}
		t.Errorf("a packet from %s of protocol %d came to the victim", from, protocol)
	}
}

// TestNoNeighbours: a machine does not learn which networks there are besides its own,
// and has no other way to the gateway than the one address.
func TestNoNeighbours(t *testing.T) {
	p := open(t)
	one := tenant.NewClusterID()
	a, _ := start(t, p, one, "worker-1")
	b, _ := start(t, p, one, "worker-2")
	start(t, p, tenant.NewClusterID(), "other")
	listenAtGateway(t, p, "6443")
	from, beside := pathsOf(p.config.Home, a.Node).namespace(), pathsOf(p.config.Home, b.Node).namespace()
	local6 := func(namespace, link string) string {
		t.Helper()
		var found string
		for deadline := time.Now().Add(20 * time.Second); found == "" && time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
			inside(t, namespace, func() error {
				l, err := netlink.LinkByName(link)
				if err != nil {
					return err
				}
				all, err := netlink.AddrList(l, netlink.FAMILY_V6)
				for _, x := range all {
					if x.IP.IsLinkLocalUnicast() && x.Flags&unix.IFA_F_TENTATIVE == 0 {
						found = x.IP.String()
					}
				}
				return err
			})
		}
		if found == "" {
			t.Fatalf("%s has no link-local address: this host has no IPv6, which a test of it needs", link)
		}
		return found
	}
	gateway6, machine6 := local6(p.config.Home.NetworkNamespace(), bridge(1)), local6(beside, machineLink)
	local6(from, machineLink)
	for _, tc := range []struct {
		why, address string
		reached      bool
	}{
		{"control: a machine of the same cluster, over IPv6", "[" + machine6 + "%LINK]:80", true},
		{"the gateway, over IPv6", "[" + gateway6 + "%LINK]:6443", false},
		{"the address of metadata services", "169.254.169.254:80", false},
		{"the gateway's broadcast address", "172.30.1.255:6443", false},
	} {
		inside(t, from, func() error {
			// The hardware address is no secret: not to be told it is no defence.
			eth0, err := netlink.LinkByName(machineLink)
			if err != nil {
				return err
			}
			if err := netlink.NeighSet(&netlink.Neigh{
				LinkIndex: eth0.Attrs().Index, State: netlink.NUD_PERMANENT, IP: net.ParseIP(gateway6), HardwareAddr: hardware(gateway(1)),
			}); err != nil {
				return err
			}
			d := net.Dialer{Timeout: 2 * time.Second}
			// By number: net remembers names of links, those of another namespace, too.
			address := strings.Replace(tc.address, "LINK", strconv.Itoa(eth0.Attrs().Index), 1)
			c, err := d.DialContext(t.Context(), "tcp", address)
			if (err == nil) != tc.reached {
				t.Errorf("%s: dialing %s gave %v", tc.why, address, err)
			}
			if err == nil {
				c.Close()
			}
			return nil
		})
	}
	// As if the other cluster's gateway were on this link.
	inside(t, from, func() error {
		eth0, err := netlink.LinkByName(machineLink)
		if err != nil {
			return err
		}
		other := net.IPNet{IP: net.IPv4(172, 30, 2, 0).To4(), Mask: net.CIDRMask(24, 32)}
		if err := netlink.RouteReplace(&netlink.Route{LinkIndex: eth0.Attrs().Index, Dst: &other, Scope: netlink.SCOPE_LINK}); err != nil {
			return err
		}
		for _, address := range []string{"172.30.2.1:6443", "172.30.2.2:80"} {
			began := time.Now()
			_, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(t.Context(), "tcp", address)
			if !errors.Is(err, syscall.EHOSTUNREACH) {
				t.Errorf("dialing %s as a neighbour gave %v after %s; want that there is no such neighbour", address, err, time.Since(began).Round(time.Millisecond))
			}
		}
		return nil
	})
}

// inside calls f in a network namespace.
func inside(t *testing.T, namespace string, f func() error) {
	t.Helper()
	if err := within(namespace, f); err != nil {
		t.Fatal(err)
	}
}

// listenAtGateway stands for the router.
func listenAtGateway(t *testing.T, p *Provider, port string) {
	t.Helper()
	var l net.Listener
	inside(t, p.config.Home.NetworkNamespace(), func() (err error) {
		l, err = net.Listen("tcp", ":"+port)
		return err
	})
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
}

// listenRaw hears every IPv4 packet that comes to a namespace, and returns where the
// next one is from and what it carries.
func listenRaw(t *testing.T, namespace string) (next func() (from netip.Addr, protocol byte)) {
	t.Helper()
	var fd int
	const ip = 0x0800
	inside(t, namespace, func() (err error) {
		fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, int(binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, ip))))
		return err
	})
	f := os.NewFile(uintptr(fd), "packets")
	t.Cleanup(func() { f.Close() })
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 10}); err != nil {
		t.Fatal(err)
	}
	return func() (netip.Addr, byte) {
		t.Helper()
		packet := make([]byte, 2048)
		n, err := unix.Read(fd, packet)
		if err != nil || n < 20 {
			t.Fatalf("nothing was heard any more: %d bytes, %v", n, err)
		}
		return netip.AddrFrom4([4]byte(packet[12:16])), packet[9]
	}
}
