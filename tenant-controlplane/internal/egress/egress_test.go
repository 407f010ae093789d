package egress

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/marina-cloud/marina/internal/tenant"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const cluster tenant.ClusterID = "kc-01jz8v5m3q7x9c2b4d6f8h0k1m"

// outside is a server on this machine's loopback that a cluster wants to reach: it
// echoes, and counts who came.
type outside struct {
	net.Listener
	came atomic.Int32
}

func newOutside(t *testing.T) *outside {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o := &outside{Listener: ln}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			o.came.Add(1)
			wg.Go(func() {
				defer conn.Close()
				_, _ = io.Copy(conn, conn)
			})
		}
	})
	t.Cleanup(func() { ln.Close(); wg.Wait() })
	return o
}

// proxy serves one cluster; rules and change are what differs from the ordinary.
func proxy(t *testing.T, rules []string, change func(*World, *Limits)) (s *Server, socket string, log *bytes.Buffer) {
	t.Helper()
	allowed, err := ParseAllowed(rules)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "egress") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket = filepath.Join(dir, "e.sock")
	world, limits := Machine(), DefaultLimits()
	if change != nil {
		change(&world, &limits)
	}
	log = new(bytes.Buffer)
	s = New(allowed, world, limits, func(tenant.ClusterID) string { return socket }, slog.New(slog.NewTextHandler(log, nil)))
	if err := s.Serve(t.Context(), cluster, os.Getgid()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Shutdown)
	return s, socket, log
}

// ask asks for a target as an API server does (egressselector's tunnelHTTPConnect).
func ask(t *testing.T, socket, target string) (net.Conn, int) {
	t.Helper()
	conn, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if _, err := fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", target); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(conn)
	answer, err := http.ReadResponse(r, nil)
	if err != nil {
		return conn, 0
	}
	if answer.StatusCode == http.StatusOK && r.Buffered() > 0 {
		t.Errorf("%d bytes follow the answer, which API servers do not take", r.Buffered())
	}
	return conn, answer.StatusCode
}

func echoes(conn net.Conn) error {
	text := []byte("hello")
	if _, err := conn.Write(text); err != nil {
		return err
	}
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	got := make([]byte, len(text))
	if _, err := io.ReadFull(conn, got); err != nil || !bytes.Equal(got, text) {
		return fmt.Errorf("echo %q, %w", got, err)
	}
	return nil
}

// TestRefused: a target on this machine is reached when the operator allows it, and
// otherwise nobody even connects with it. The log names the cluster and the reason,
// the answer does not.
func TestRefused(t *testing.T) {
	t.Parallel()
	o := newOutside(t)
	_, open, _ := proxy(t, []string{o.Addr().String()}, nil)
	conn, status := ask(t, open, o.Addr().String())
	if err := echoes(conn); status != http.StatusOK || err != nil || o.came.Load() != 1 {
		t.Fatalf("an allowed target: status %d, %v, %d connections", status, err, o.came.Load())
	}

	s, closed, log := proxy(t, []string{":" + strings.TrimPrefix(o.Addr().String(), "127.0.0.1:")}, nil)
	for _, target := range []string{o.Addr().String(), "localhost.:" + strings.Split(o.Addr().String(), ":")[1], "[::ffff:127.0.0.1]:443", "metadata:443"} {
		conn, status := ask(t, closed, target)
		if status < 400 {
			t.Errorf("%s: status %d", target, status)
		}
		conn.Close()
	}
	if n := o.came.Load(); n != 1 {
		t.Errorf("%d connections came to a target that was refused", n-1)
	}
	s.Shutdown()
	if !strings.Contains(log.String(), string(cluster)) || !strings.Contains(log.String(), "127.0.0.1 is an address of this machine") {
		t.Errorf("the log does not say who was refused and why: %s", log)
	}
}

// TestOnlyConnect: it is not a proxy for anything else.
func TestOnlyConnect(t *testing.T) {
	t.Parallel()
	o := newOutside(t)
	_, socket, _ := proxy(t, []string{o.Addr().String()}, nil)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	answer, err := client.Get("http://" + o.Addr().String() + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusMethodNotAllowed || o.came.Load() != 0 {
		t.Errorf("GET: %s, %d connections", answer.Status, o.came.Load())
	}
}

// TestRebinding: a name is resolved once, and what is dialled is what was judged.
func TestRebinding(t *testing.T) {
	t.Parallel()
	var resolved atomic.Int32
	dialled := make(chan netip.AddrPort, 8)
	_, socket, _ := proxy(t, nil, func(w *World, _ *Limits) {
		w.Resolve = func(_ context.Context, name string) ([]netip.Addr, error) {
			if resolved.Add(1) > 1 {
				return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
			}
			return []netip.Addr{netip.MustParseAddr("1.1.1.1")}, nil
		}
		w.Dial = func(_ context.Context, to netip.AddrPort) (net.Conn, error) {
			dialled <- to
			return nil, errors.New("nobody is there")
		}
	})
	if _, status := ask(t, socket, "rebind.example:443"); status != http.StatusBadGateway {
		t.Errorf("the first time: status %d", status)
	}
	if to := <-dialled; to != netip.MustParseAddrPort("1.1.1.1:443") || resolved.Load() != 1 {
		t.Errorf("dialled %s after %d resolutions", to, resolved.Load())
	}
	if _, status := ask(t, socket, "rebind.example:443"); status != http.StatusForbidden || len(dialled) != 0 {
		t.Errorf("the second time: status %d, %d dialled", status, len(dialled))
	}
}

// TestOwnAddress: an address of this machine is refused although it is public.
func TestOwnAddress(t *testing.T) {
	t.Parallel()
	var dials atomic.Int32
	for _, own := range []Own{nil, {netip.MustParseAddr("1.1.1.1")}} {
		_, socket, _ := proxy(t, nil, func(w *World, _ *Limits) {
			w.Own = func() (Own, error) { return own, nil }
			w.Dial = func(context.Context, netip.AddrPort) (net.Conn, error) {
				dials.Add(1)
				return nil, errors.New("nobody is there")
			}
		})
		ask(t, socket, "1.1.1.1:443")
	}
	if n := dials.Load(); n != 1 {
		t.Errorf("dialled %d times: want once, where it is somebody else's", n)
	}
	own, err := Machine().Own()
	if err != nil || len(own) == 0 {
		t.Errorf("this machine's addresses: %v, %v", own, err)
	}
}

// TestLimits: one cluster has its share and no more.
func TestLimits(t *testing.T) {
	t.Parallel()
	o := newOutside(t)
	rules := []string{o.Addr().String()}

	t.Run("connections at once", func(t *testing.T) {
		_, socket, _ := proxy(t, rules, func(_ *World, l *Limits) { l.Connections = 2 })
		first, _ := ask(t, socket, o.Addr().String())
		second, _ := ask(t, socket, o.Addr().String())
		if err := errors.Join(echoes(first), echoes(second)); err != nil {
			t.Fatal(err)
		}
		before := o.came.Load()
		status := make(chan int, 1)
		go func() { _, s := ask(t, socket, o.Addr().String()); status <- s }()
		if err := echoes(first); err != nil || o.came.Load() != before {
			t.Errorf("a third connection was made: %v", err)
		}
		first.Close()
		if s := <-status; s != http.StatusOK {
			t.Errorf("after one ended, the third has status %d", s)
		}
	})
	t.Run("new connections", func(t *testing.T) {
		_, socket, _ := proxy(t, rules, func(_ *World, l *Limits) { l.Dials, l.DialBurst = 0, 2 })
		for i, want := range []int{200, 200, 429, 429} {
			conn, status := ask(t, socket, o.Addr().String())
			conn.Close()
			if status != want {
				t.Errorf("connection %d: status %d, want %d", i, status, want)
			}
		}
	})
	t.Run("silence", func(t *testing.T) {
		_, socket, _ := proxy(t, rules, func(_ *World, l *Limits) { l.Idle = 50 * time.Millisecond })
		conn, _ := ask(t, socket, o.Addr().String())
		if err := conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, conn); n != 0 || err != nil {
			t.Errorf("a silent connection ended with %d bytes, %v", n, err)
		}
	})
	t.Run("life", func(t *testing.T) {
		_, socket, _ := proxy(t, rules, func(_ *World, l *Limits) { l.Life = 50 * time.Millisecond })
		conn, _ := ask(t, socket, o.Addr().String())
		for begun := time.Now(); echoes(conn) == nil; { // however busy it is
			if time.Since(begun) > 20*time.Second {
				t.Fatal("a connection lives on after its time")
			}
		}
	})
	t.Run("bytes", func(t *testing.T) {
		_, socket, _ := proxy(t, rules, func(_ *World, l *Limits) { l.Bytes, l.ByteBurst = 0, copyBuffer })
		conn, _ := ask(t, socket, o.Addr().String())
		go func() { _, _ = conn.Write(make([]byte, 4*copyBuffer)); conn.(*net.UnixConn).CloseWrite() }() //nolint:errcheck
		if n, _ := io.Copy(io.Discard, conn); n > copyBuffer {
			t.Errorf("%d bytes came back of a burst of %d", n, copyBuffer)
		}
	})
}

// TestClose: a cluster's connections end with it, and it can be served again, also
// when its socket was taken away.
func TestClose(t *testing.T) {
	t.Parallel()
	o := newOutside(t)
	s, socket, _ := proxy(t, []string{o.Addr().String()}, nil)
	conn, _ := ask(t, socket, o.Addr().String())
	if err := echoes(conn); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Close(cluster), s.Close(cluster)); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(socket); !errors.Is(err, os.ErrNotExist) || s.Serving(cluster) || echoes(conn) == nil {
		t.Errorf("closed, and still there: %v", err)
	}
	for range 2 {
		if err := s.Serve(t.Context(), cluster, os.Getgid()); err != nil || !s.Serving(cluster) {
			t.Fatal(err)
		}
		conn, _ := ask(t, socket, o.Addr().String())
		if err := echoes(conn); err != nil {
			t.Error(err)
		}
		os.Remove(socket)
		if s.Serving(cluster) {
			t.Error("served without a socket")
		}
	}
}
