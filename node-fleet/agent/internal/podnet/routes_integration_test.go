//go:build integration

package podnet

import (
	"net"
	"net/netip"
	"runtime"
	"slices"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// inNamespace runs f in a network namespace of its own.
func inNamespace(t *testing.T, f func()) {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread and its namespace end here
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			f()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func up(t *testing.T, name, address string) {
	t.Helper()
	link, err := netlink.LinkByName(name)
	if err != nil {
		t.Error(err)
		return
	}
	ip, network, err := net.ParseCIDR(address)
	if err != nil {
		t.Error(err)
		return
	}
	if err := netlink.AddrAdd(link, &netlink.Addr{IPNet: &net.IPNet{IP: ip, Mask: network.Mask}}); err != nil {
		t.Error(err)
	}
	if err := netlink.LinkSetUp(link); err != nil {
		t.Error(err)
	}
}

func routes(t *testing.T) []string {
	t.Helper()
	list, err := netlink.RouteList(nil, netlink.FAMILY_V4)
	if err != nil {
		t.Error(err)
	}
	var texts []string
	for _, r := range list {
		if r.Gw != nil {
			texts = append(texts, r.Dst.String()+" via "+r.Gw.String())
		}
	}
	slices.Sort(texts)
	return texts
}

func TestSetRoutes(t *testing.T) {
	t.Parallel()
	route := func(pods, via string) Route {
		return Route{Pods: netip.MustParsePrefix(pods), Via: netip.MustParseAddr(via)}
	}
	inNamespace(t, func() {
		if err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "eth0", MTU: 1450}, PeerName: "peer"}); err != nil {
			t.Error(err)
			return
		}
		up(t, "peer", "198.51.100.1/24")
		up(t, "eth0", "172.30.1.2/24")
		foreign := &netlink.Route{Dst: &net.IPNet{IP: net.IPv4(10, 244, 9, 0), Mask: net.CIDRMask(24, 32)}, Gw: net.IPv4(172, 30, 1, 9)}
		if err := netlink.RouteAdd(foreign); err != nil {
			t.Error(err)
		}
		const other = "10.244.9.0/24 via 172.30.1.9"
		for _, c := range []struct {
			why  string
			set  []Route
			want []string
			fail bool
		}{
			{"a first node", []Route{route("10.244.1.0/24", "172.30.1.3")}, []string{"10.244.1.0/24 via 172.30.1.3", other}, false},
			{"a second one", []Route{route("10.244.1.0/24", "172.30.1.3"), route("10.244.2.0/24", "172.30.1.4")},
				[]string{"10.244.1.0/24 via 172.30.1.3", "10.244.2.0/24 via 172.30.1.4", other}, false},
			{"a range has moved", []Route{route("10.244.1.0/24", "172.30.1.4")}, []string{"10.244.1.0/24 via 172.30.1.4", other}, false},
			{"a node that cannot be reached keeps none of the others away", []Route{route("10.244.1.0/24", "203.0.113.1"), route("10.244.2.0/24", "172.30.1.4")},
				[]string{"10.244.1.0/24 via 172.30.1.4", "10.244.2.0/24 via 172.30.1.4", other}, true},
			{"all are gone", nil, []string{other}, false},
		} {
			if err := SetRoutes(c.set); (err != nil) != c.fail {
				t.Errorf("%s: %v", c.why, err)
			}
			if got := routes(t); !slices.Equal(got, c.want) {
				t.Errorf("%s: routes = %q, want %q", c.why, got, c.want)
			}
		}

		if _, err := MTU(); err == nil {
			t.Error("without a default route there is an MTU")
		}
		if err := netlink.RouteAdd(&netlink.Route{Dst: &net.IPNet{IP: net.IPv4zero.To4(), Mask: net.CIDRMask(0, 32)}, Gw: net.IPv4(172, 30, 1, 1)}); err != nil {
			t.Error(err)
		}
		if mtu, err := MTU(); err != nil || mtu != 1450 {
			t.Errorf("MTU = %d, %v", mtu, err)
		}
	})
}

func TestAddLocalAddress(t *testing.T) {
	t.Parallel()
	inNamespace(t, func() {
		link, err := netlink.LinkByName("lo")
		if err != nil {
			t.Error(err)
			return
		}
		if err := netlink.LinkSetUp(link); err != nil {
			t.Error(err)
		}
		for range 2 { // the second time it is there
			if err := AddLocalAddress("192.0.2.1"); err != nil {
				t.Error(err)
			}
		}
		l, err := net.Listen("tcp", "192.0.2.1:6443")
		if err != nil {
			t.Error(err)
			return
		}
		l.Close()
	})
}
