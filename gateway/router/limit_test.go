package router_test

import (
	"bytes"
	"crypto/tls"
	"log/slog"
	"strings"
	"testing"

	"github.com/marina-cloud/marina/gateway/router"
)

func TestConnectionsPerName(t *testing.T) {
	t.Parallel()
	w := start(t, func(c *router.Config) { c.MaxPerName = 3 })
	full := newCluster(t).serveAPI(t, echo).publish(t, w)
	other := newCluster(t).serveAPI(t, echo).publish(t, w)
	node := w.newNode(t, full)
	var open []*tls.Conn
	for n := range 3 {
		conn, err := w.secureFrom(t, n, full.client())
		check(t, err)
		ask(t, conn, "hello")
		open = append(open, conn)
	}
	if _, err := w.secureFrom(t, 3, full.client()); !ended(err) {
		t.Errorf("handshake = %v, want the fourth connection reset", err)
	}
	if n := w.Stats().Refused["busy"]; n != 1 {
		t.Errorf("%d connections refused as busy, want 1", n)
	}
	ask(t, fill(t, w, other, 1)[0], "another cluster is not concerned")
	ask(t, w.podConn(t, full, node), "nor are the cluster's own nodes")

	check(t, open[0].Close())
	eventually(t, "a place is free again", func() bool {
		conn, err := w.secureFrom(t, 3, full.client())
		return err == nil && conn.Close() == nil
	})
}

func TestConnectionsInAll(t *testing.T) {
	t.Parallel()
	w := start(t, func(c *router.Config) { c.MaxConnections = 3 })
	var open []*tls.Conn
	for n := range 3 {
		c := newCluster(t).serveAPI(t, echo).publish(t, w)
		conn, err := w.secureFrom(t, n, c.client())
		check(t, err)
		open = append(open, conn)
	}
	c := newCluster(t).serveAPI(t, echo).publish(t, w)
	if _, err := w.secureFrom(t, 3, c.client()); !ended(err) {
		t.Errorf("handshake = %v, want the fourth connection reset", err)
	}
	for _, conn := range open {
		ask(t, conn, "those that are open are not concerned")
	}
	check(t, open[0].Close())
	eventually(t, "a place is free again", func() bool {
		conn, err := w.secureFrom(t, 3, c.client())
		return err == nil && conn.Close() == nil
	})
}

func TestMoreConnectionsThanFiles(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	w := start(t, func(c *router.Config) {
		c.MaxConnections = 1 << 40
		c.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))
	})
	if !strings.Contains(log.String(), "raise the limit of open files") {
		t.Errorf("log = %q, want the operator told that there will be fewer connections", &log)
	}
	ask(t, fill(t, w, newCluster(t).serveAPI(t, echo).publish(t, w), 1)[0], "hello")
}

// TestSilentClientsMakeRoom: however many connections somebody opens and says
// nothing on, an honest client gets through.
func TestSilentClientsMakeRoom(t *testing.T) {
	t.Parallel()
	const places = 4
	w := start(t, func(c *router.Config) { c.MaxHandshakes = places })
	c := newCluster(t).serveAPI(t, echo).publish(t, w)
	first := w.connect(t)
	for range 3 * places {
		if _, err := w.dial(t); err != nil && !ended(err) { // the oldest may go before its dial returns
			t.Fatal(err)
		}
	}
	if _, err := first.Read(make([]byte, 1)); !ended(err) {
		t.Errorf("read = %v, want the oldest silent connection reset", err)
	}
	// They queue in the order in which their goroutines come to it: an honest
	// client that came right behind them could still be pushed out by one of them.
	eventually(t, "all silent connections have queued", func() bool {
		s := w.Stats()
		return s.Refused["busy"] == 1+2*places && s.Handshaking == places
	})
	ask(t, fill(t, w, c, 1)[0], "hello")
	if s := w.Stats(); s.Handshaking > places || s.Refused["busy"] < 2*places {
		t.Errorf("Stats = %+v, want at most %d in their handshake and the others refused as busy", s, places)
	}
}

// fill opens n connections that are carried.
func fill(t *testing.T, w *world, c *cluster, n int) []*tls.Conn {
	t.Helper()
	conns := make([]*tls.Conn, n)
	for i := range conns {
		var err error
		conns[i], err = w.secure(t, c.client())
		check(t, err)
		ask(t, conns[i], "hello")
	}
	return conns
}
