package router_test

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/pires/go-proxyproto"

	"github.com/marina-cloud/marina/gateway/router"
)

// trusting lets the client at address(proxy) speak for others.
func trusting(proxy int) func(*router.Config) {
	ip := address(proxy).(*net.TCPAddr).AddrPort().Addr().Unmap()
	return func(c *router.Config) { c.TrustedProxies = []netip.Prefix{netip.PrefixFrom(ip, 32)} }
}

// TestTrustedProxies: where an operator says that a proxy stands in front, it says
// whom it speaks for, and has to; nobody else may.
func TestTrustedProxies(t *testing.T) {
	t.Parallel()
	const proxy, stranger = 1, 2
	w := start(t, trusting(proxy))
	c := newCluster(t).serveAPI(t, sayAddress).publish(t, w)
	v6 := &proxyproto.Header{Version: 2, Command: proxyproto.PROXY, TransportProtocol: proxyproto.TCPv6,
		SourceAddr: &net.TCPAddr{IP: net.ParseIP("2001:db8::7"), Port: 7}, DestinationAddr: &net.TCPAddr{IP: net.ParseIP("2001:db8::1"), Port: 443}}
	extended := *v6
	check(t, extended.SetTLVs([]proxyproto.TLV{{Type: proxyproto.PP2_TYPE_UNIQUE_ID, Value: bytes.Repeat([]byte{1}, 100)}}))
	format := func(h *proxyproto.Header) []byte {
		raw, err := h.Format()
		check(t, err)
		return raw
	}
	huge := append([]byte("\r\n\r\n\x00\r\nQUIT\n\x21\x11"), binary.BigEndian.AppendUint16(nil, 0xffff)...)
	known := spoofed(t)
	for name, tc := range map[string]struct {
		from   int
		header []byte
		want   string // the client's address as the API server sees it; empty: refused; "own": the connection's
		reason string // for which it is refused
	}{
		"V1":          {proxy, known["v1"], spoofedAddress, ""},
		"V2":          {proxy, known["v2"], spoofedAddress, ""},
		"IPv6":        {proxy, format(v6), "[2001:db8::7]:7", ""},
		"Extended":    {proxy, format(&extended), "[2001:db8::7]:7", ""},
		"HealthV1":    {proxy, []byte("PROXY UNKNOWN\r\n"), "own", ""},
		"HealthV2":    {proxy, format(&proxyproto.Header{Version: 2, Command: proxyproto.LOCAL, TransportProtocol: proxyproto.UNSPEC}), "own", ""},
		"Missing":     {proxy, nil, "", "no-proxy-header"},
		"Twice":       {proxy, append(bytes.Clone(known["v2"]), known["v1"]...), "", "not-tls"},
		"Endless":     {proxy, []byte("PROXY TCP4 " + strings.Repeat("1", 200) + "\r\n"), "", "no-proxy-header"},
		"Huge":        {proxy, huge, "", "no-proxy-header"},
		"Garbled":     {proxy, []byte("PROXY TCP4 a b c d\r\n"), "", "no-proxy-header"},
		"StrangerV1":  {stranger, known["v1"], "", "not-tls"},
		"StrangerV2":  {stranger, known["v2"], "", "not-tls"},
		"StrangerOwn": {stranger, nil, "own", ""},
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := w.dialFrom(t, address(tc.from))
			check(t, err)
			before := w.Stats().Refused[tc.reason]
			got, err := askWhoAmI(conn, tc.header, c.client())
			if tc.want == "" {
				if err == nil {
					t.Errorf("the API server took the client for %s", got)
				}
				eventually(t, "it is counted as "+tc.reason, func() bool { return w.Stats().Refused[tc.reason] == before+1 })
				return
			}
			if want := strings.Replace(tc.want, "own", conn.LocalAddr().String(), 1); err != nil || got != want {
				t.Errorf("the API server took the client for %q, %v; want %s", got, err, want)
			}
		})
	}
}

// TestFloodThroughAProxy: those whom a trusted proxy speaks for have their shares as if
// it were not there. Whoever has a network of IPv6 has one share with all its addresses.
func TestFloodThroughAProxy(t *testing.T) {
	t.Parallel()
	const proxy, places = 1, 20
	for name, tc := range map[string]struct {
		header  string
		address func(n int) string // of the flood's n-th connection
		other   string             // somebody else's address
	}{
		"IPv4": {"PROXY TCP4 %s 203.0.113.1 7 443\r\n", func(int) string { return "198.51.100.1" }, "198.51.100.2"},
		"IPv6": {"PROXY TCP6 %s 2001:db8::1 7 443\r\n", func(n int) string { return fmt.Sprintf("2001:db8:0:1::%x", n) }, "2001:db8:0:2::1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t, func(c *router.Config) {
				trusting(proxy)(c)
				c.MaxConnections = places
			})
			var clusters []*cluster // so many that no name's places are at stake
			for range 6 {
				clusters = append(clusters, newCluster(t).serveAPI(t, echo).publish(t, w))
			}
			speak := func(client string, of *cluster) (*tls.Conn, error) {
				raw, err := w.dialFrom(t, address(proxy))
				if err != nil {
					return nil, err
				}
				if _, err := fmt.Fprintf(raw, tc.header, client); err != nil {
					return nil, err
				}
				conn := tls.Client(raw, of.client())
				return conn, conn.Handshake()
			}
			n := 0
			carried := flood(t, func() (*tls.Conn, error) {
				n++
				return speak(tc.address(n), clusters[n%len(clusters)])
			})
			if carried != places/2 {
				t.Errorf("%d connections of one client are carried, want half of all", carried)
			}
			conn, err := speak(tc.other, clusters[0])
			if err != nil {
				t.Fatalf("control: another client behind the same proxy: %v", err)
			}
			ask(t, conn, "hello")
		})
	}
}

// TestEndlessHeader: what a trusted proxy says of its client is read up to where it has
// to end, and not for as long as the time lasts.
func TestEndlessHeader(t *testing.T) {
	t.Parallel()
	w := start(t, trusting(1))
	conn, err := w.dialFrom(t, address(1))
	check(t, err)
	_, err = conn.Write([]byte("PROXY TCP4 " + strings.Repeat("1", 200)))
	check(t, err)
	eventually(t, "it is refused", func() bool { return w.Stats().Refused["no-proxy-header"]+w.Stats().Refused["slow-hello"] == 1 })
	if n := w.Stats().Refused["no-proxy-header"]; n != 1 {
		t.Error("it was waited for until its time was over")
	}
}

// TestSilentProxy: a proxy that says nothing is not waited for any longer than others.
func TestSilentProxy(t *testing.T) {
	t.Parallel()
	w := start(t, func(c *router.Config) {
		trusting(1)(c)
		c.HandshakeTimeout = 50e6
	})
	conn, err := w.dialFrom(t, address(1))
	check(t, err)
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("it was answered")
	}
	eventually(t, "it is counted as slow", func() bool { return w.Stats().Refused["slow-hello"] == 1 })
}
