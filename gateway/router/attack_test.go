package router_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"

	"github.com/marina-cloud/marina/gateway/router"
	"github.com/marina-cloud/marina/internal/route"
)

// The tests of this file attack the router. Each has a control: the same probe
// where the defence is not, or by somebody who may do what is tried, so that a
// probe which has stopped to work does not pass for a defence.

// spoofed are PROXY headers that name another client.
func spoofed(tb testing.TB) map[string][]byte {
	tb.Helper()
	liar, victim := &net.TCPAddr{IP: net.IPv4(203, 0, 113, 7), Port: 7}, &net.TCPAddr{IP: net.IPv4(198, 51, 100, 1), Port: 443}
	all := map[string][]byte{}
	for name, version := range map[string]byte{"v1": 1, "v2": 2} {
		header, err := proxyproto.HeaderProxyFromAddrs(version, liar, victim).Format()
		check(tb, err)
		all[name] = header
	}
	return all
}

const spoofedAddress = "203.0.113.7:7"

// askWhoAmI says header and then, over TLS, asks the API server for the address
// that it takes the client to have.
func askWhoAmI(c net.Conn, header []byte, config *tls.Config) (string, error) {
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	if _, err := c.Write(header); err != nil {
		return "", err
	}
	secure := tls.Client(c, config)
	if _, err := io.WriteString(secure, "who am I\n"); err != nil {
		return "", err
	}
	return readLine(secure)
}

// TestSpoofedAddress: nobody outside says whose address a connection has, at the
// public address, at the nodes', and inside a node's own connection.
func TestSpoofedAddress(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	c := newCluster(t).serveAPI(t, sayAddress).publish(t, w)
	nodes := w.listenOn(t, "127.0.0.1:0", router.Nodes)
	agent := w.newNode(t, c)
	for version, header := range spoofed(t) {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			direct, err := net.Dial("unix", c.route.API)
			check(t, err)
			defer func() { _ = direct.Close() }()
			if got, err := askWhoAmI(direct, header, c.client()); err != nil || got != spoofedAddress {
				t.Fatalf("control: the API server's own socket believes %q, %v; want %s", got, err, spoofedAddress)
			}
			for side, address := range map[string]string{"public": w.address, "nodes": nodes} {
				conn, err := net.Dial("tcp", address)
				check(t, err)
				if got, err := askWhoAmI(conn, header, c.client()); err == nil {
					t.Errorf("at the %s side the API server took the client for %s", side, got)
				}
				check(t, conn.Close())
			}
			outer, err := w.agent(t, agent)
			check(t, err)
			inside := c.client()
			inside.ServerName = "kubernetes"
			if got, err := askWhoAmI(outer, header, inside); err == nil {
				t.Errorf("inside a node's connection the API server took the client for %s", got)
			}
			outer, err = w.agent(t, agent)
			check(t, err)
			if got, err := askWhoAmI(outer, nil, inside); err != nil || got != outer.LocalAddr().String() {
				t.Errorf("control: without the header %q, %v; want %s", got, err, outer.LocalAddr())
			}
		})
	}
}

// serveStrictAPI runs an API server that wants certificates of its own cluster's
// clients, and says who they are.
func (c *cluster) serveStrictAPI(tb testing.TB) *cluster {
	tb.Helper()
	config := &tls.Config{
		Certificates: []tls.Certificate{c.ca.issue(tb, certificate{dns: []string{c.name(), "kubernetes"}})},
		ClientAuth:   tls.RequireAndVerifyClientCert, ClientCAs: c.ca.pool(), NextProtos: []string{"h2", router.PodProtocol},
	}
	serveUnix(tb, c.route.API, func(raw net.Conn) {
		conn := tls.Server(proxyproto.NewConn(raw, proxyproto.WithPolicy(proxyproto.REQUIRE)), config)
		if conn.Handshake() == nil {
			eachLine(conn, func(string) string { return conn.ConnectionState().PeerCertificates[0].Subject.CommonName })
		}
	})
	return c
}

// TestForgedName: whatever name and protocol a client asks for, all that it gets is
// the TLS server of that name, which knows its own.
func TestForgedName(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	mine := newCluster(t).serveStrictAPI(t).publish(t, w)
	other := newCluster(t).serveStrictAPI(t).publish(t, w)
	admin := mine.ca.issue(t, certificate{name: "admin"})
	node := w.newNode(t, mine)
	for name, tc := range map[string]struct {
		why          string
		to           *cluster
		certificates []tls.Certificate
		protocols    []string
		want         string // who the server says the client is; empty: it lets nobody in
	}{
		"Own":              {"control: a client of the cluster", mine, []tls.Certificate{admin}, nil, "admin"},
		"Foreign":          {"another cluster's name opens nothing to my certificate", other, []tls.Certificate{admin}, nil, ""},
		"NodeAsClient":     {"a node's identity is the platform's, not a client's of the cluster", mine, []tls.Certificate{node}, nil, ""},
		"PodProtocol":      {"the nodes' protocol means nothing under a cluster's name", other, []tls.Certificate{node}, []string{router.PodProtocol}, ""},
		"OwnOtherProtocol": {"control: it is passed on like any other", mine, []tls.Certificate{admin}, []string{router.PodProtocol}, "admin"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := tc.to.client()
			config.Certificates, config.NextProtos = tc.certificates, tc.protocols
			conn, err := w.secure(t, config) // verifies that it is the server of that name
			check(t, err)
			_, _ = io.WriteString(conn, "who am I\n") // a refusal is heard when reading
			got, err := readLine(conn)
			if (err == nil) != (tc.want != "") || got != tc.want {
				t.Errorf("the server says %q, %v; want %q: %s", got, err, tc.want, tc.why)
			}
		})
	}
}

// TestOddNames cannot be made with crypto/tls, whose clients leave such names out.
func TestOddNames(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	c := newCluster(t).serveAPI(t, echo).publish(t, w)
	check(t, route.Publish(w.config.Routes, newCluster(t).id, c.route))
	for name, tc := range map[string]struct {
		why, sni string
		reaches  bool
	}{
		"Plain":       {"control: a name put in by hand works", c.name(), true},
		"TrailingDot": {"a name in a ClientHello has none (RFC 6066 section 3)", c.name() + ".", false},
		"IPv4":        {"an address is no name", "127.0.0.1", false},
		"IPv6":        {"of neither kind", "::1", false},
		"Nul":         {"a name does not end where C would end it", c.name() + "\x00.example.com", false},
		"NulBefore":   {"nor begin", "x\x00" + c.name(), false},
		"Slash":       {"a name is no path", "../routes/" + c.name(), false},
		"Dots":        {"nor part of one", "..." + domain, false},
		"Space":       {"nothing is trimmed", " " + c.name(), false},
		"Unicode":     {"letters that only look alike are others", strings.Replace(c.name(), "k", "\u212a", 1), false}, // K, the Kelvin sign
		"Long":        {"however long", strings.Repeat("a.", 2000) + c.name(), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// A name of the same length, replaced in the finished ClientHello.
			stand := strings.Repeat("m", len(tc.sni))
			hello := clientHello(t, &tls.Config{ServerName: stand, InsecureSkipVerify: true})
			if !bytes.Contains(hello, []byte(stand)) {
				t.Fatal("the ClientHello lacks the name")
			}
			conn := w.connect(t)
			_, err := conn.Write(bytes.Replace(hello, []byte(stand), []byte(tc.sni), 1))
			check(t, err)
			answer := make([]byte, 1)
			_, err = io.ReadFull(conn, answer)
			// A server goes on with its part of the handshake (22), a refusal is an alert (21).
			if reached := err == nil && answer[0] == 22; reached != tc.reaches {
				t.Errorf("heard %v, %v; want it to reach a server: %t: %s", answer, err, tc.reaches, tc.why)
			}
		})
	}
}

// flood opens connections until several in a row are refused, and returns how many
// are carried.
func flood(t *testing.T, open func() (*tls.Conn, error)) (carried int) {
	t.Helper()
	for refused := 0; refused < 5; {
		conn, err := open()
		switch {
		case err == nil:
			ask(t, conn, "hello")
			carried++
		case ended(err):
			refused++
		default:
			t.Fatal(err)
		}
	}
	return carried
}

// TestFloods: who takes all that there is to be had gets no more than a share, and
// others still get theirs. That the flood is carried up to there is the control.
func TestFloods(t *testing.T) {
	t.Parallel()
	const places, perName = 60, 20
	for name, tc := range map[string]struct {
		why     string
		clients func(n int) int // address of the n-th connection
		names   int             // clusters that are flooded
		least   int             // how many of them are carried at least
		most    int
	}{
		"OneAddressOneName":    {"half of a cluster's places", func(int) int { return 0 }, 1, perName / 2, perName / 2},
		"OneAddressManyNames":  {"half of all places", func(int) int { return 0 }, 6, places/2 - 6, places / 2},
		"ManyAddressesOneName": {"a cluster's places", func(n int) int { return n }, 1, perName - 1, perName},
		"ManyAddressesAndNames": {"nearly all, but each name gives way to one that has less",
			func(n int) int { return n }, 6, places / 2, places - 5},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t, func(c *router.Config) { c.MaxConnections, c.MaxPerName = places, perName })
			flooded := make([]*cluster, tc.names)
			for i := range flooded {
				flooded[i] = newCluster(t).serveAPI(t, echo).publish(t, w)
			}
			bystander := newCluster(t).serveAPI(t, echo).publish(t, w)
			node := w.newNode(t, bystander)
			n := 0
			carried := flood(t, func() (*tls.Conn, error) {
				n++
				return w.secureFrom(t, tc.clients(n), flooded[n%tc.names].client())
			})
			if carried < tc.least || carried > tc.most {
				t.Errorf("%d connections are carried, want %d to %d: %s", carried, tc.least, tc.most, tc.why)
			}
			// Refused connections may hold a place for a moment after they are reset.
			const honest = 1000
			conn, err := w.secureFrom(t, honest, bystander.client())
			if err != nil {
				t.Fatalf("another cluster's client: %v", err)
			}
			ask(t, conn, "hello")
			ask(t, w.podConn(t, bystander, node), "from a pod")
			if tc.names == 1 && tc.clients(1) == tc.clients(2) {
				conn, err := w.secureFrom(t, honest, flooded[0].client())
				if err != nil {
					t.Fatalf("the owner of the flooded cluster: %v", err)
				}
				ask(t, conn, "hello")
			}
		})
	}
}

// TestFloodOfTheNodeAPI: the API for machines has fewer places than the router. Whoever
// takes what they can get of it leaves some for machines that join.
func TestFloodOfTheNodeAPI(t *testing.T) {
	t.Parallel()
	const places = 256 // of the API for machines
	w := start(t, nil)
	config := &tls.Config{Certificates: []tls.Certificate{w.nodes.issue(t, certificate{dns: []string{"nodes." + domain}})}}
	serveUnix(t, w.config.NodesSocket, func(c net.Conn) { echo(tls.Server(c, config)) })
	client := &tls.Config{ServerName: "nodes." + domain, RootCAs: w.nodes.pool()}
	if n := flood(t, func() (*tls.Conn, error) { return w.secureFrom(t, 0, client) }); n != places/2 {
		t.Errorf("%d connections of one address are carried, want half of %d", n, places)
	}
	conn, err := w.secureFrom(t, 1, client)
	if err != nil {
		t.Fatalf("control: a machine elsewhere: %v", err)
	}
	ask(t, conn, "join")
}

// TestFloodFromANode: whoever rules a machine has all addresses of its cluster's network,
// and no more than one share.
func TestFloodFromANode(t *testing.T) {
	t.Parallel()
	const places = 20
	for name, tc := range map[string]struct {
		side router.Side
		want int
	}{
		"Nodes":  {router.Nodes, places / 2},
		"Public": {router.Public, places - 4}, // control: there each of these addresses is somebody
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t, func(c *router.Config) { c.MaxConnections = places })
			w.address = w.listenOn(t, "127.0.0.1:0", tc.side)
			var clusters []*cluster
			for range 6 {
				clusters = append(clusters, newCluster(t).serveAPI(t, echo).publish(t, w))
			}
			n := 0
			carried := flood(t, func() (*tls.Conn, error) {
				n++
				return w.secureFrom(t, n%200, clusters[n%len(clusters)].client()) // all in 127.0.1.0/24
			})
			if tc.side == router.Nodes && carried != tc.want || tc.side == router.Public && carried <= places/2 {
				t.Errorf("%d connections are carried, want %d", carried, tc.want)
			}
			if tc.side == router.Nodes {
				conn, err := w.secureFrom(t, 300, clusters[0].client()) // in 127.0.2.0/24
				if err != nil {
					t.Fatalf("control: a machine of another cluster: %v", err)
				}
				ask(t, conn, "hello")
			}
		})
	}
}

// TestSilentFloodFromOneAddress: slow-loris by somebody who opens connections
// faster than an honest client's handshake takes. They only push out their own.
func TestSilentFloodFromOneAddress(t *testing.T) {
	t.Parallel()
	const places = 8
	for name, tc := range map[string]struct {
		address func(n int) int
		survive bool
	}{
		"OneAddress":    {func(int) int { return 0 }, true},
		"ManyAddresses": {func(n int) int { return n }, false}, // control: then the oldest goes, which is the slow one
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t, func(c *router.Config) { c.MaxHandshakes = places })
			c := newCluster(t).serveAPI(t, echo).publish(t, w)
			slow, err := w.dialFrom(t, address(1000))
			check(t, err)
			hello := clientHello(t, c.client())
			_, err = slow.Write(hello[:10])
			check(t, err)
			eventually(t, "the slow client waits", func() bool { return w.Stats().Handshaking == 1 })
			for n := range 5 * places {
				// One that is pushed out at once may not even seem to have been there.
				if _, err := w.dialFrom(t, address(tc.address(n))); err != nil && !ended(err) {
					t.Fatal(err)
				}
			}
			eventually(t, "the flood has come in", func() bool {
				s := w.Stats()
				return s.Refused["busy"] == 1+4*places && s.Handshaking == places
			})
			_, _ = slow.Write(hello[10:]) // fails if it was cut, which is seen below
			answer := make([]byte, 1)
			if _, err := io.ReadFull(slow, answer); (err == nil) != tc.survive {
				t.Errorf("the slow client reads %v, %v; want an answer: %t", answer, err, tc.survive)
			}
		})
	}
}

// TestServerThatNeverReads: a client can send it no more than the buffers hold, and
// the cluster's other connections do not wait for it.
func TestServerThatNeverReads(t *testing.T) {
	t.Parallel()
	const much = 64 << 20                                                          // bytes; more than all buffers together
	for name, reads := range map[string]bool{"Reads": true, "NeverReads": false} { // the first is the control
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t, nil)
			over := make(chan struct{})
			var once sync.Once
			done := func() { once.Do(func() { close(over) }) }
			c := newCluster(t).serveAPI(t, echo).serveTunnel(t, func(_ string, conn *net.UnixConn) {
				if reads {
					_, _ = io.Copy(io.Discard, conn)
				}
				<-over
			}).publish(t, w)
			t.Cleanup(done)
			conn := w.tunnel(t, c)
			sent := make(chan int64, 1)
			go func() {
				var n int64
				chunk := make([]byte, 64<<10)
				for n < much {
					// The deadline is for no progress at all.
					if conn.SetWriteDeadline(time.Now().Add(time.Second)) != nil {
						break
					}
					m, err := conn.Write(chunk)
					n += int64(m)
					if err != nil {
						if !errors.Is(err, os.ErrDeadlineExceeded) {
							t.Errorf("write: %v", err)
						}
						break
					}
				}
				sent <- n
			}()
			n := <-sent
			if (n >= much) != reads {
				t.Errorf("%d bytes were taken from the client", n)
			}
			ask(t, fill(t, w, c, 1)[0], "another connection")
			check(t, conn.Close())
			done()
			eventually(t, "its place is free", func() bool { return w.Stats().Open <= 1 })
		})
	}
}
