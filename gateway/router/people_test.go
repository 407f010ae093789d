package router_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/marina-cloud/marina/gateway/router"
	"github.com/marina-cloud/marina/internal/route"
)

// only limits the cluster to clients at address(n) of each n, and publishes that.
func (c *cluster) only(tb testing.TB, w *world, clients ...int) {
	tb.Helper()
	c.route.Networks = nil
	for _, n := range clients {
		c.route.Networks = append(c.route.Networks, netip.PrefixFrom(address(n).(*net.TCPAddr).AddrPort().Addr().Unmap(), 32))
	}
	c.publish(tb, w)
}

// kubeletConn opens what the kubelet of a node opens, inside the agent's connection.
func (w *world) kubeletConn(tb testing.TB, c *cluster, agent tls.Certificate) net.Conn {
	tb.Helper()
	outer, err := w.secure(tb, &tls.Config{
		ServerName: "nodes." + domain, RootCAs: w.nodes.pool(), NextProtos: []string{router.KubeletProtocol}, Certificates: []tls.Certificate{agent},
	})
	check(tb, err)
	inner := tls.Client(outer, c.client())
	check(tb, inner.Handshake())
	return inner
}

// TestAuthorizedNetworks: who is outside of a cluster's networks hears why, and the
// cluster hears nothing. Nodes come in by certificate, wherever they are.
func TestAuthorizedNetworks(t *testing.T) {
	t.Parallel()
	const office, home = 1, 2
	w := start(t, nil)
	var heard atomic.Int64
	c := newCluster(t).serveAPI(t, func(conn *tls.Conn) {
		heard.Add(1)
		echo(conn)
	}).serveTunnel(t, func(string, *net.UnixConn) {})
	c.only(t, w, office)
	other := newCluster(t).serveAPI(t, echo).publish(t, w)

	conn, err := w.secureFrom(t, office, c.client())
	check(t, err)
	ask(t, conn, "from the office")
	before := heard.Load()
	if _, err := w.secureFrom(t, home, c.client()); err == nil || err.Error() != "remote error: tls: access denied" {
		t.Errorf("a client outside of the networks: %v, want the alert access_denied", err)
	}
	if n := heard.Load(); n != before {
		t.Errorf("the API server heard of %d connections from outside", n-before)
	}
	if n := w.Stats().Refused["unauthorized-network"]; n != 1 {
		t.Errorf("%d refusals are counted, want 1", n)
	}
	conn, err = w.secureFrom(t, home, other.client())
	check(t, err)
	ask(t, conn, "another cluster's networks are its own business")

	node := w.newNode(t, c) // at an address that is not the office's
	ask(t, w.podConn(t, c, node), "from a pod")
	ask(t, w.kubeletConn(t, c, node), "from a kubelet")
	w.tunnel(t, c)
	eventually(t, "the tunnel is carried", func() bool { return w.Stats().Carried["tunnel"] == 1 })

	c.only(t, w)
	conn, err = w.secureFrom(t, home, c.client())
	check(t, err)
	ask(t, conn, "the limit is gone")
}

// TestAuthorizedNetworksOfProxiedClients: it is the client's address that counts, as
// told by whoever may tell it, and by nobody else.
func TestAuthorizedNetworksOfProxiedClients(t *testing.T) {
	t.Parallel()
	const proxy, stranger = 1, 2
	w := start(t, trusting(proxy))
	c := newCluster(t).serveAPI(t, sayAddress)
	for name, tc := range map[string]struct {
		networks []string
		from     int
		spoken   bool // a header comes first, which names spoofedAddress
		carried  bool
	}{
		"InsideByProxy":        {[]string{"203.0.113.0/24"}, proxy, true, true},
		"OutsideByProxy":       {[]string{"198.51.100.0/24"}, proxy, true, false},
		"TheProxysOwnAddress":  {[]string{"127.0.0.0/8"}, proxy, true, false},
		"StrangerClaimsInside": {[]string{"203.0.113.0/24"}, stranger, true, false},
		"StrangerIsInside":     {[]string{"127.0.0.0/8"}, stranger, false, true},
		"StrangerIsOutside":    {[]string{"203.0.113.0/24"}, stranger, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			c.route.Networks = nil
			for _, n := range tc.networks {
				c.route.Networks = append(c.route.Networks, netip.MustParsePrefix(n))
			}
			c.publish(t, w)
			for version, header := range spoofed(t) {
				if !tc.spoken {
					header = nil
				}
				conn, err := w.dialFrom(t, address(tc.from))
				check(t, err)
				got, err := askWhoAmI(conn, header, c.client())
				if (err == nil) != tc.carried {
					t.Errorf("%s: the API server took the client for %q, %v; want it carried: %t", version, got, err, tc.carried)
				}
			}
		})
	}
}

// TestChangedNetworksCut: what is open from outside ends with the change, and what is
// inside, or a node's, goes on. It is so in a router that accepts nobody any more, too.
func TestChangedNetworksCut(t *testing.T) {
	t.Parallel()
	for name, retired := range map[string]bool{"Serving": false, "Retired": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const office, home = 1, 2
			w := start(t, func(c *router.Config) { c.RecheckNetworks = 5 * time.Millisecond })
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			check(t, err)
			ctx, stop := context.WithCancel(t.Context())
			served := make(chan error, 1)
			go func() { served <- w.Serve(ctx, ln.(*net.TCPListener), router.Public) }()
			w.address = ln.Addr().String()
			c := newCluster(t).serveAPI(t, echo).publish(t, w)
			open := func(from int) *tls.Conn {
				conn, err := w.secureFrom(t, from, c.client())
				check(t, err)
				ask(t, conn, "before")
				return conn
			}
			inside, outside := open(office), open(home)
			node := w.newNode(t, c)
			pod, kubelet := w.podConn(t, c, node), w.kubeletConn(t, c, node)
			if retired {
				stop()
				check(t, <-served)
			}
			c.only(t, w, office)
			if line, err := readLine(outside); !ended(err) {
				t.Errorf("read = %q, %v; want the connection from outside cut", line, err)
			}
			for i, conn := range []net.Conn{inside, pod, kubelet} {
				if got := ask(t, conn, "still here"); got != "still here" {
					t.Errorf("%d: answer = %q, want it to go on", i, got)
				}
			}
			c.only(t, w, home) // and those who had come in before
			if line, err := readLine(inside); !ended(err) {
				t.Errorf("read = %q, %v; want the connection cut that was inside before", line, err)
			}
			stop()
		})
	}
}

// TestNetworksThatCannotBeRead: when it is not known whom a cluster lets in, it lets
// nobody in.
func TestNetworksThatCannotBeRead(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	c := newCluster(t).serveAPI(t, echo).publish(t, w)
	broken := fmt.Sprintf(`{"api":%q,"tunnel":%q,"networks":["0.0.0.0/0","everywhere"]}`, c.route.API, c.route.Tunnel)
	check(t, os.WriteFile(filepath.Join(w.config.Routes, string(c.id)), []byte(broken), 0o600))
	if conn, err := w.secure(t, c.client()); err == nil {
		_, err = io.WriteString(conn, "hello\n")
		t.Errorf("a client is let in: %v", err)
	}
}

// TestNetworksChangeWhileConnecting: nobody slips in between the look at the networks
// and their change.
func TestNetworksChangeWhileConnecting(t *testing.T) {
	t.Parallel()
	w := start(t, func(c *router.Config) { c.RecheckNetworks = 2 * time.Millisecond })
	c := newCluster(t).serveAPI(t, echo).publish(t, w)
	for range 20 {
		c.only(t, w)
		conns := make(chan *tls.Conn, 8)
		for range cap(conns) {
			go func() {
				conn, _ := w.secureFrom(t, 1, c.client()) // refused ones say so when they are read
				conns <- conn
			}()
		}
		check(t, route.Publish(w.config.Routes, c.id, route.Route{API: c.route.API, Tunnel: c.route.Tunnel, Networks: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}}))
		for range cap(conns) {
			if _, err := readLine(<-conns); !ended(err) && err.Error() != "remote error: tls: access denied" {
				t.Fatalf("read = %v, want every connection refused or cut", err)
			}
		}
	}
}

// TestPodsLeaveTheKubeletItsPlaces: pods that take all the places that a node can get
// for them do not cut their own node off.
func TestPodsLeaveTheKubeletItsPlaces(t *testing.T) {
	t.Parallel()
	const places = 4
	w := start(t, func(c *router.Config) { c.MaxPerName = places })
	c := newCluster(t).serveAPI(t, echo).publish(t, w)
	node := w.newNode(t, c)
	carried := 0
	for range 3 * places {
		outer, err := w.agent(t, node)
		check(t, err)
		if tls.Client(outer, &tls.Config{ServerName: "kubernetes", RootCAs: c.ca.pool()}).Handshake() == nil {
			carried++
		}
	}
	if carried == 0 || carried >= places {
		t.Fatalf("control: %d connections of pods are carried, want some and not all", carried)
	}
	ask(t, w.kubeletConn(t, c, node), "from the kubelet")
}
