package router_test

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/marina-cloud/marina/gateway/router"
)

// serveTunnel runs the cluster's tunnel server until the test ends. The tests of
// this file let it speak no TLS: after the ClientHello, which handle is given,
// the router must not care for what is said, and a bare socket shows best what
// becomes of it.
func (c *cluster) serveTunnel(tb testing.TB, handle func(hello string, conn *net.UnixConn)) *cluster {
	tb.Helper()
	serveUnix(tb, c.route.Tunnel, func(conn net.Conn) {
		hello := make([]byte, len(c.tunnelHello(tb)))
		if _, err := io.ReadFull(conn, hello); err == nil {
			handle(string(hello), conn.(*net.UnixConn))
		}
	})
	return c
}

// tunnelHello is a ClientHello for the cluster's tunnel, of constant length.
func (c *cluster) tunnelHello(tb testing.TB) []byte {
	tb.Helper()
	return clientHello(tb, &tls.Config{ServerName: "tunnel." + c.name(), CurvePreferences: []tls.CurveID{tls.X25519}})
}

// tunnel opens a connection to the cluster's tunnel and sends its ClientHello.
func (w *world) tunnel(tb testing.TB, c *cluster) *net.TCPConn {
	tb.Helper()
	conn := w.connect(tb)
	_, err := conn.Write(c.tunnelHello(tb))
	check(tb, err)
	return conn
}

func TestTunnelGetsTheBytesAlone(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	heard := make(chan string, 1)
	c := newCluster(t).serveTunnel(t, func(hello string, conn *net.UnixConn) {
		rest, _ := readLine(conn)
		heard <- hello + rest
	}).publish(t, w)
	hello := c.tunnelHello(t)
	conn := w.connect(t)
	_, err := conn.Write(append(hello, "and more\n"...)) // in one packet
	check(t, err)
	if got, want := <-heard, string(hello)+"and more"; got != want {
		t.Errorf("the tunnel server got %q, want %q: no PROXY header, nothing lost, nothing twice", got, want)
	}
}

func TestHalfClose(t *testing.T) {
	t.Parallel()
	t.Run("ClientFirst", func(t *testing.T) {
		t.Parallel()
		// The server goes on for longer than Linger after the client has said all.
		const linger = 20 * time.Millisecond
		w := start(t, func(c *router.Config) { c.Linger = linger })
		c := newCluster(t).serveTunnel(t, func(_ string, conn *net.UnixConn) {
			said, err := io.ReadAll(conn)
			if err != nil {
				return
			}
			<-time.After(3 * linger)
			_, _ = io.WriteString(conn, "heard "+string(said))
		}).publish(t, w)
		conn := w.tunnel(t, c)
		_, err := io.WriteString(conn, "all")
		check(t, err)
		check(t, conn.CloseWrite())
		answer, err := io.ReadAll(conn)
		if err != nil || string(answer) != "heard all" {
			t.Errorf("answer = %q, %v; want the whole answer after the client's end", answer, err)
		}
	})
	t.Run("ServerFirst", func(t *testing.T) {
		t.Parallel()
		w := start(t, nil)
		heard := make(chan string, 1)
		c := newCluster(t).serveTunnel(t, func(_ string, conn *net.UnixConn) {
			if conn.CloseWrite() != nil {
				return
			}
			said, _ := io.ReadAll(conn)
			heard <- string(said)
		}).publish(t, w)
		conn := w.tunnel(t, c)
		if rest, err := io.ReadAll(conn); err != nil || len(rest) != 0 {
			t.Fatalf("read %q, %v; want the server's end", rest, err)
		}
		_, err := io.WriteString(conn, "last words")
		check(t, err)
		check(t, conn.CloseWrite())
		if got := <-heard; got != "last words" {
			t.Errorf("after its own end the server heard %q, want the client's last words", got)
		}
	})
}

// TestServerGone: a client that keeps its connection after the server has given
// it up does not hold a place for ever.
func TestServerGone(t *testing.T) {
	t.Parallel()
	w := start(t, func(c *router.Config) { c.Linger = 20 * time.Millisecond })
	c := newCluster(t).serveTunnel(t, func(string, *net.UnixConn) {}).publish(t, w)
	w.tunnel(t, c)
	eventually(t, "the silent client is cut", func() bool { s := w.Stats(); return s.Carried["tunnel"] == 1 && s.Open == 0 })
}

func TestClientGone(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	left := make(chan error, 1)
	c := newCluster(t).serveTunnel(t, func(_ string, conn *net.UnixConn) {
		_, err := readLine(conn)
		left <- err
	}).publish(t, w)
	conn := w.tunnel(t, c)
	eventually(t, "the connection is carried", func() bool { return w.Stats().Carried["tunnel"] == 1 })
	check(t, conn.SetLinger(0)) // a reset
	check(t, conn.Close())
	if err := <-left; !ended(err) {
		t.Errorf("the server read %v, want the connection's end", err)
	}
	eventually(t, "nothing is left open", func() bool { return w.Stats().Open == 0 })
}

// TestIdleIsNoFault: the limits of a handshake end with it; a watch may be
// silent for hours.
func TestIdleIsNoFault(t *testing.T) {
	t.Parallel()
	const limit = 50 * time.Millisecond
	w := start(t, func(c *router.Config) { c.HandshakeTimeout, c.DialTimeout, c.Linger = limit, limit, limit })
	c := newCluster(t).serveTunnel(t, func(_ string, conn *net.UnixConn) {
		eachLine(conn, strings.ToUpper)
	}).publish(t, w)
	conn := w.tunnel(t, c)
	check(t, conn.SetReadDeadline(time.Now().Add(4*limit)))
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("read = %v, want the idle connection to stay open", err)
	}
	check(t, conn.SetReadDeadline(time.Now().Add(patience)))
	if got := ask(t, conn, "hello"); got != "HELLO" {
		t.Errorf("answer = %q, want HELLO", got)
	}
}

// TestMuchBothWays sends much in both directions at once, to each kind of
// server, and compares the sums.
func TestMuchBothWays(t *testing.T) {
	t.Parallel()
	const size = 32 << 20
	w := start(t, nil)
	send := func(c io.Writer) (sum [32]byte, err error) {
		hash := sha256.New()
		_, err = io.CopyN(io.MultiWriter(c, hash), rand.Reader, size)
		return [32]byte(hash.Sum(nil)), err
	}
	receive := func(c io.Reader) (sum [32]byte, err error) {
		hash := sha256.New()
		_, err = io.CopyN(hash, c, size)
		return [32]byte(hash.Sum(nil)), err
	}
	type sums struct {
		sent, received [32]byte
		err            error
	}
	exchange := func(c net.Conn) (s sums) {
		var sending sync.WaitGroup
		var failed error
		sending.Go(func() { s.sent, failed = send(c) })
		s.received, s.err = receive(c)
		sending.Wait()
		s.err = errors.Join(s.err, failed)
		return s
	}
	servers := make(chan sums, 1)
	c := newCluster(t).publish(t, w)
	c.serveAPI(t, func(conn *tls.Conn) { servers <- exchange(conn) })
	c.serveTunnel(t, func(_ string, conn *net.UnixConn) { servers <- exchange(conn) })
	id := w.newNode(t, c)

	for name, open := range map[string]func() net.Conn{
		"API": func() net.Conn {
			conn, err := w.secure(t, c.client())
			check(t, err)
			return conn
		},
		"Tunnel": func() net.Conn { return w.tunnel(t, c) },
		"PodAPI": func() net.Conn { return w.podConn(t, c, id) },
	} {
		t.Run(name, func(t *testing.T) {
			conn := open()
			check(t, conn.SetDeadline(time.Now().Add(3*patience)))
			mine := exchange(conn)
			theirs := <-servers
			check(t, errors.Join(mine.err, theirs.err))
			if mine.sent != theirs.received || theirs.sent != mine.received {
				t.Error("the bytes that arrived are not those that were sent")
			}
		})
	}
}
