package router_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/marina-cloud/marina/gateway/router"
)

// generation is one of several routers that follow one another.
type generation struct {
	serving chan net.Addr // gets the address when it is the one that serves
	retired chan struct{} // closed when it has stopped
	ran     chan error    // its end
	stop    context.CancelFunc
	*router.Router
}

// generations start routers on the same sockets.
type generations struct {
	*world
	config router.Config
}

func newGenerations(t *testing.T) *generations {
	t.Helper()
	w := start(t, nil)
	dir := shortDir(t)
	g := &generations{world: w, config: w.config}
	g.config.Listen = "127.0.0.1:0"
	g.config.Control, g.config.Handover = filepath.Join(dir, "control.sock"), filepath.Join(dir, "handover.sock")
	return g
}

// next starts one more router; change may be nil.
func (g *generations) next(t *testing.T, change func(*router.Config)) *generation {
	t.Helper()
	n := &generation{serving: make(chan net.Addr, 1), retired: make(chan struct{}), ran: make(chan error, 1)}
	config := g.config
	config.Serving = func(a net.Addr) { n.serving <- a }
	config.Retired = func() { close(n.retired) }
	if change != nil {
		change(&config)
	}
	var err error
	n.Router, err = router.New(config)
	check(t, err)
	var ctx context.Context
	ctx, n.stop = context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		n.ran <- n.Run(ctx)
	}()
	t.Cleanup(func() {
		n.stop()
		<-ended
	})
	return n
}

// serves waits until a generation is the one that serves.
func (n *generation) serves(t *testing.T) string {
	t.Helper()
	select {
	case a := <-n.serving:
		return a.String()
	case err := <-n.ran:
		t.Fatalf("Run = %v, want it to serve", err)
	case <-time.After(patience):
		t.Fatal("the router does not serve")
	}
	return ""
}

// soon returns what comes from c in time.
func soon[T any](t *testing.T, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("%s: not within %s", what, patience)
	}
	panic("unreachable")
}

// TestReplacedUnderLoad: while one router after the other takes over, every new
// connection succeeds, and one that was open before goes on through the end.
func TestReplacedUnderLoad(t *testing.T) {
	t.Parallel()
	g := newGenerations(t)
	c := newCluster(t).serveAPI(t, echo).publish(t, g.world)
	first := g.next(t, nil)
	g.address = first.serves(t)
	old, err := g.secure(t, c.client())
	check(t, err)
	ask(t, old, "before")

	ctx, done := context.WithCancel(context.Background())
	var clients sync.WaitGroup
	var made atomic.Int64
	for range 3 {
		clients.Go(func() {
			for ctx.Err() == nil {
				conn, err := tls.Dial("tcp", g.address, c.client())
				if err != nil {
					t.Errorf("a new connection: %v", err)
					return
				}
				if got := ask(t, conn, "hello"); got != "hello" {
					t.Errorf("answer = %q", got)
				}
				_ = conn.Close()
				made.Add(1)
			}
		})
	}
	const replacements = 5
	last := first
	for range replacements {
		enough := made.Load() + 20
		eventually(t, "many connections between two replacements", func() bool { return made.Load() > enough || t.Failed() })
		successor := g.next(t, nil)
		if at := successor.serves(t); at != g.address {
			t.Errorf("the successor serves %s, want %s", at, g.address)
		}
		soon(t, "the end of accepting", last.retired)
		last = successor
	}
	ask(t, old, "after five replacements")
	done()
	clients.Wait()
	eventually(t, "the first router has the one connection that is open", func() bool { return first.Stats().Open == 1 })
	check(t, old.Close())
	if err := soon(t, "the first router's end", first.ran); err != nil {
		t.Errorf("Run = %v, want nil when its last connection has ended", err)
	}
	if err := os.Remove(g.config.Control); err != nil {
		t.Errorf("the socket of the one that serves is gone: %v", err)
	}
}

// TestRetiredRouterEnds: it does not stay for ever because of one connection, and
// goes at once when it is told to.
func TestRetiredRouterEnds(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		why    string
		retire time.Duration
		stop   bool
	}{
		"Limit":  {"a connection that never ends is cut after the time to retire", time.Millisecond, false},
		"Stop":   {"who is told to stop has no more time", time.Hour, true},
		"Nobody": {"nothing to wait for", time.Hour, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGenerations(t)
			c := newCluster(t).serveAPI(t, echo).publish(t, g.world)
			dir := shortDir(t)
			aside := filepath.Join(dir, "retired.sock")
			first := g.next(t, func(c *router.Config) { c.Retire, c.RetiredControl = tc.retire, aside })
			g.address = first.serves(t)
			var open *tls.Conn
			if name != "Nobody" {
				var err error
				open, err = g.secure(t, c.client())
				check(t, err)
				ask(t, open, "before")
			}
			g.next(t, nil).serves(t)
			if tc.stop {
				var health router.Health
				operator := throughSocket(t, aside)
				eventually(t, "the retired router can be asked", func() bool { _, err := os.Stat(aside); return err == nil })
				check(t, json.Unmarshal([]byte(get(t, operator, "/healthz")), &health))
				if health.Serving || health.Open != 1 {
					t.Errorf("health = %+v, want one connection of a router that does not serve", health)
				}
				first.stop()
			}
			check(t, soon(t, "the first router's end", first.ran))
			if open != nil {
				if _, err := readLine(open); !ended(err) {
					t.Errorf("read = %v, want the connection cut: %s", err, tc.why)
				}
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
				t.Errorf("left: %v, %v", left, err)
			}
			conn, err := g.secure(t, c.client())
			check(t, err)
			ask(t, conn, "the successor serves")
		})
	}
}

// TestSuccessorWithAnotherAddress: what both have in common is handed over.
func TestSuccessorWithAnotherAddress(t *testing.T) {
	t.Parallel()
	g := newGenerations(t)
	c := newCluster(t).serveAPI(t, echo).publish(t, g.world)
	first := g.next(t, nil)
	before := first.serves(t)
	g.address = g.next(t, func(c *router.Config) { c.Listen = "127.0.0.2:0" }).serves(t)
	soon(t, "the first router's end", first.ran)
	conn, err := g.secure(t, c.client())
	check(t, err)
	ask(t, conn, "hello")
	if conn, err := net.Dial("tcp", before); err == nil {
		_ = conn.Close()
		t.Errorf("%s is still served", before)
	}
}

// TestSuccessorThatCannotListen: a replacement that fails changes nothing.
func TestSuccessorThatCannotListen(t *testing.T) {
	t.Parallel()
	g := newGenerations(t)
	c := newCluster(t).serveAPI(t, echo).publish(t, g.world)
	first := g.next(t, nil)
	g.address = first.serves(t)
	bad := g.next(t, func(c *router.Config) { c.Listen = "192.0.2.1:0" }) // another machine's
	if err := soon(t, "its end", bad.ran); err == nil {
		t.Error("Run = nil, want an error")
	}
	conn, err := g.secure(t, c.client())
	check(t, err)
	ask(t, conn, "hello")
	g.next(t, nil).serves(t)
	soon(t, "the end of accepting", first.retired)
}

// impostor connects where a successor does and receives the offer.
func (g *generations) impostor(t *testing.T) *net.UnixConn {
	t.Helper()
	c, err := net.DialUnix("unixpacket", nil, &net.UnixAddr{Name: g.config.Handover, Net: "unixpacket"})
	check(t, err)
	t.Cleanup(func() { _ = c.Close() })
	check(t, c.SetDeadline(time.Now().Add(patience)))
	rights := make([]byte, 1024)
	_, n, _, _, err := c.ReadMsgUnix(make([]byte, 4096), rights)
	check(t, err)
	messages, err := unix.ParseSocketControlMessage(rights[:n])
	check(t, err)
	fds, err := unix.ParseUnixRights(&messages[0])
	check(t, err)
	for _, fd := range fds {
		check(t, unix.Close(fd))
	}
	return c
}

// TestSuccessorDies at each point of a hand-over.
func TestSuccessorDies(t *testing.T) {
	t.Parallel()
	t.Run("BeforeItAccepts", func(t *testing.T) {
		t.Parallel()
		for why, say := range map[string]string{"nothing is said": "", "something else is said": "hurry"} {
			g := newGenerations(t)
			c := newCluster(t).serveAPI(t, echo).publish(t, g.world)
			first := g.next(t, nil)
			g.address = first.serves(t)
			dying := g.impostor(t)
			if say != "" {
				_, err := dying.Write([]byte(say))
				check(t, err)
			}
			check(t, dying.Close())
			conn, err := g.secure(t, c.client())
			if err != nil {
				t.Fatalf("%s: %v, want the first router to go on", why, err)
			}
			ask(t, conn, "hello")
			g.next(t, nil).serves(t) // and to be replaced by a better one
			soon(t, "the end of accepting", first.retired)
			ask(t, conn, "still open")
		}
	})
	t.Run("Afterwards", func(t *testing.T) {
		t.Parallel()
		g := newGenerations(t)
		c := newCluster(t).serveAPI(t, echo).publish(t, g.world)
		first := g.next(t, nil)
		g.address = first.serves(t)
		conn, err := g.secure(t, c.client())
		check(t, err)
		ask(t, conn, "before")
		g.config.Listen = g.address // where the next one has to be
		dying := g.impostor(t)
		_, err = dying.Write([]byte("ready"))
		check(t, err)
		soon(t, "the end of accepting", first.retired)
		check(t, dying.Close())
		g.next(t, nil).serves(t) // whoever keeps the routers starts one
		again, err := g.secure(t, c.client())
		check(t, err)
		ask(t, again, "hello")
		ask(t, conn, "still open")
	})
}

// TestPredecessorFallsSilent after its successor accepts: if it has died the
// successor serves; if it lives it has changed its mind, and only one may serve.
func TestPredecessorFallsSilent(t *testing.T) {
	t.Parallel()
	gone := exec.Command("true")
	check(t, gone.Run())
	for name, tc := range map[string]struct {
		pid    int
		serves bool
	}{
		"Dead":  {gone.Process.Pid, true},
		"Alive": {os.Getpid(), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGenerations(t)
			c := newCluster(t).serveAPI(t, echo).publish(t, g.world)
			public, err := net.Listen("tcp", g.config.Listen)
			check(t, err)
			t.Cleanup(func() { _ = public.Close() })
			g.address = public.Addr().String()
			handover, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: g.config.Handover, Net: "unixpacket"})
			check(t, err)
			successor := g.next(t, nil)
			conn, err := handover.AcceptUnix()
			check(t, err)
			file, err := public.(*net.TCPListener).File()
			check(t, err)
			offer := fmt.Sprintf(`{"pid":%d,"sockets":[{"role":"public","at":%q}]}`, tc.pid, g.config.Listen)
			_, _, err = conn.WriteMsgUnix([]byte(offer), unix.UnixRights(int(file.Fd())), nil)
			check(t, err)
			check(t, file.Close())
			heard := make([]byte, 16)
			n, err := conn.Read(heard)
			check(t, err)
			if string(heard[:n]) != "ready" {
				t.Errorf("heard %q", heard[:n])
			}
			check(t, conn.Close())
			check(t, handover.Close())
			if !tc.serves {
				if err := soon(t, "the successor's end", successor.ran); err == nil {
					t.Error("Run = nil, want an error: the other router serves on")
				}
				return
			}
			if at := successor.serves(t); at != g.address {
				t.Errorf("it serves %s, want %s", at, g.address)
			}
			client, err := g.secure(t, c.client())
			check(t, err)
			ask(t, client, "hello")
		})
	}
}
