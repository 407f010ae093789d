package router_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/marina-cloud/marina/gateway/router"
	"github.com/marina-cloud/marina/internal/route"
)

func TestAPIServerHearsTheClientsAddress(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	c := newCluster(t).serveAPI(t, sayAddress).publish(t, w)
	for name, tc := range map[string]struct{ listen, host string }{
		"IPv4":       {"127.0.0.1:0", "127.0.0.1"},
		"IPv6":       {"[::1]:0", "::1"},
		"IPv4Mapped": {":0", "127.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			_, port, err := net.SplitHostPort(w.listen(t, tc.listen))
			check(t, err)
			conn, err := tls.Dial("tcp", net.JoinHostPort(tc.host, port), c.client())
			check(t, err)
			defer func() { _ = conn.Close() }()
			if got, want := ask(t, conn, "who am I"), conn.LocalAddr().String(); got != want {
				t.Errorf("the API server sees %s, want %s: audit events must carry the client's address", got, want)
			}
		})
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	c := newCluster(t).serveAPI(t, echo).publish(t, w)
	gone := newCluster(t).publish(t, w)
	check(t, route.Withdraw(w.config.Routes, gone.id))
	never := newCluster(t)
	check(t, os.WriteFile(filepath.Join(filepath.Dir(w.config.Routes), "outside"), []byte(`{}`), 0o600))

	for name, tc := range map[string]struct {
		why, sni string
		carried  bool
	}{
		"Cluster":       {"the plain case", c.name(), true},
		"Capitals":      {"DNS names know no case", strings.ToUpper(c.name()), true},
		"None":          {"without a name nobody can tell which cluster is meant", "", false},
		"NeverWas":      {"the name of no cluster", never.name(), false},
		"Deleted":       {"must look as if it had never been", gone.name(), false},
		"OtherDomain":   {"only names of our domain are ours", string(c.id) + ".example.com", false},
		"NoDomain":      {"an id alone is no name", string(c.id), false},
		"Domain":        {"the domain itself is no cluster", domain, false},
		"Suffix":        {"the domain ends at a dot", string(c.id) + "x" + domain, false},
		"Below":         {"names below a cluster's are not the cluster's", "a." + c.name(), false},
		"NotAnID":       {"a name becomes a path only as a valid id", "kc-1." + domain, false},
		"ThePath":       {"nothing leads out of the directory of routes", "..outside." + domain, false},
		"TunnelOfNone":  {"a tunnel needs a cluster", "tunnel." + domain, false},
		"TunnelOfNever": {"a tunnel needs a cluster with a route", "tunnel." + never.name(), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := c.client()
			config.ServerName = tc.sni
			if tc.sni == "" {
				config.InsecureSkipVerify = true // crypto/tls wants a name otherwise; nothing is verified here
			}
			conn, err := w.secure(t, config)
			if tc.carried {
				if err != nil {
					t.Fatalf("%q: %v, want it carried: %s", tc.sni, err, tc.why)
				}
				ask(t, conn, "hello")
				return
			}
			if err == nil || err.Error() != "remote error: tls: unrecognized name" {
				t.Errorf("%q: %v, want the alert unrecognized_name: %s", tc.sni, err, tc.why)
			}
		})
	}
}

// TestManyAtOnce mixes clients of several clusters. Each client verifies its
// server's certificate, which another cluster's server would not pass.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	var all sync.WaitGroup
	const clusters, clients, lines = 5, 20, 20
	for range clusters {
		c := newCluster(t).serveAPI(t, echo).publish(t, w)
		for n := range clients {
			all.Go(func() {
				conn, err := w.secure(t, c.client())
				if err != nil {
					t.Error(err)
					return
				}
				for i := range lines {
					line := fmt.Sprint(c.id, n, i)
					if got := ask(t, conn, line); got != line {
						t.Errorf("answer = %q, want %q", got, line)
					}
				}
				_ = conn.Close()
			})
		}
	}
	all.Wait()
	eventually(t, "all connections have ended", func() bool { return w.Stats().Open == 0 })
	if s := w.Stats(); s.Carried["api"] != clusters*clients || s.Accepted["public"] != clusters*clients || s.BytesIn == 0 || s.BytesOut == 0 {
		t.Errorf("Stats = %+v, want %d connections accepted and carried, and bytes both ways", s, clusters*clients)
	}
}

func TestRouteChanges(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	c := newCluster(t).serveAPI(t, echo)
	if conn, err := w.secure(t, c.client()); err == nil {
		t.Fatalf("connected to %s before it had a route", conn.RemoteAddr())
	}
	c.publish(t, w)
	conn, err := w.secure(t, c.client())
	if err != nil {
		t.Fatalf("a route must hold for the next connection: %v", err)
	}
	check(t, route.Withdraw(w.config.Routes, c.id))
	if _, err := w.secure(t, c.client()); err == nil {
		t.Error("connected although the route was withdrawn")
	}
	if got := ask(t, conn, "still there"); got != "still there" {
		t.Errorf("answer = %q: a route's end is not for connections that are open", got)
	}
	c.publish(t, w)
	if _, err := w.secure(t, c.client()); err != nil {
		t.Errorf("after the route came back: %v", err)
	}
}

func TestBackendComesUp(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	c := newCluster(t).publish(t, w)
	type result struct {
		conn *tls.Conn
		err  error
	}
	results := make(chan result, 1)
	go func() {
		conn, err := w.secure(t, c.client())
		results <- result{conn, err}
	}()
	eventually(t, "the client waits for its cluster", func() bool { s := w.Stats(); return s.Open == 1 && s.Handshaking == 0 })
	c.serveAPI(t, echo)
	got := <-results
	if got.err != nil {
		t.Fatalf("a connection must wait for a stack that is starting: %v", got.err)
	}
	ask(t, got.conn, "hello")
}

func TestBackendStaysDown(t *testing.T) {
	t.Parallel()
	w := start(t, func(c *router.Config) { c.DialTimeout = 50 * time.Millisecond })
	c := newCluster(t).publish(t, w)
	if _, err := w.secure(t, c.client()); !ended(err) {
		t.Errorf("handshake = %v, want the connection reset: clients then try again", err)
	}
	if n := w.Stats().Refused["unavailable"]; n != 1 {
		t.Errorf("%d connections were refused as unavailable, want 1", n)
	}
}

func TestRouteWithdrawnWhileWaiting(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	c := newCluster(t).publish(t, w)
	result := make(chan error, 1)
	go func() {
		_, err := w.secure(t, c.client())
		result <- err
	}()
	eventually(t, "the client waits for its cluster", func() bool { s := w.Stats(); return s.Open == 1 && s.Handshaking == 0 })
	check(t, route.Withdraw(w.config.Routes, c.id))
	if err := <-result; err == nil || err.Error() != "remote error: tls: unrecognized name" {
		t.Errorf("handshake = %v, want the alert unrecognized_name: the cluster was deleted meanwhile", err)
	}
}

func TestNodesName(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	config := &tls.Config{Certificates: []tls.Certificate{w.nodes.issue(t, certificate{dns: []string{"nodes." + domain}})}, NextProtos: []string{"h2", "http/1.1"}}
	serveUnix(t, w.config.NodesSocket, func(c net.Conn) { echo(tls.Server(c, config)) })
	for _, protocols := range [][]string{nil, {"http/1.1"}} {
		conn, err := w.secure(t, &tls.Config{ServerName: "nodes." + domain, RootCAs: w.nodes.pool(), NextProtos: protocols})
		check(t, err)
		ask(t, conn, "join")
	}
	if n := w.Stats().Carried["nodes"]; n != 2 {
		t.Errorf("%d connections were carried to the API for machines, want 2", n)
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		why   string
		drain time.Duration
		cut   bool
	}{
		"Cuts":   {"without a time to drain, the end of the process is the end of its connections", 0, true},
		"Drains": {"an open connection may go on until it ends by itself", time.Hour, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, stop := context.WithCancel(context.Background())
			defer stop()
			ready := make(chan net.Addr, 1)
			w := start(t, nil)
			c := newCluster(t).serveAPI(t, echo).publish(t, w)
			config := w.config
			config.Listen, config.Drain = "127.0.0.1:0", tc.drain
			config.Ready = func(_ router.Side, a net.Addr) { ready <- a }
			ran := make(chan error, 1)
			go func() { ran <- router.Run(ctx, config) }()
			address := (<-ready).String()
			conn, err := tls.Dial("tcp", address, c.client())
			check(t, err)
			defer func() { _ = conn.Close() }()
			ask(t, conn, "before")
			stop()
			eventually(t, "no new connection is accepted", func() bool {
				c, err := net.Dial("tcp", address)
				if err == nil {
					_ = c.Close()
				}
				return err != nil
			})
			if tc.cut {
				if _, err := readLine(conn); !ended(err) {
					t.Errorf("read = %v, want the connection cut: %s", err, tc.why)
				}
			} else {
				if got := ask(t, conn, "after"); got != "after" {
					t.Errorf("answer = %q: %s", got, tc.why)
				}
				check(t, conn.Close())
			}
			if err := <-ran; err != nil {
				t.Errorf("Run = %v, want nil after its context ended", err)
			}
		})
	}
}

func TestRunTakesAnInheritedListener(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(context.Background())
	w := start(t, nil)
	c := newCluster(t).serveAPI(t, echo).publish(t, w)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	config := w.config
	config.Listener = ln.(*net.TCPListener)
	ran := make(chan error, 1)
	go func() { ran <- router.Run(ctx, config) }()
	conn, err := tls.Dial("tcp", ln.Addr().String(), c.client())
	check(t, err)
	ask(t, conn, "hello")
	check(t, conn.Close())
	stop()
	check(t, <-ran)
}

func TestRunRefuses(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	for name, change := range map[string]func(*router.Config){
		"NoDomain":     func(c *router.Config) { c.Domain = "" },
		"NoRoutes":     func(c *router.Config) { c.Routes = "" },
		"AddressTaken": func(c *router.Config) { c.Listen = w.address },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := w.config
			config.Listen = "127.0.0.1:0"
			change(&config)
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			if err := router.Run(ctx, config); err == nil {
				t.Error("Run = nil, want an error at once")
			}
		})
	}
}
