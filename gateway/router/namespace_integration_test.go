//go:build integration

package router_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/marina-cloud/marina/gateway/router"
)

// TestNodesSide follows the nodes' network namespace through its life: not yet
// there, there, replaced by another one at the same path, gone.
func TestNodesSide(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	c := newCluster(t).serveAPI(t, sayAddress).publish(t, w)
	path := filepath.Join(shortDir(t), "namespace")
	type opened struct {
		side    router.Side
		address net.Addr
	}
	ready := make(chan opened, 4)
	config := w.config
	config.Listen, config.NodeNamespace = "127.0.0.1:0", path
	config.Ready = func(s router.Side, a net.Addr) { ready <- opened{s, a} }
	ctx, stop := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- router.Run(ctx, config) }()
	defer func() {
		stop()
		check(t, <-ran)
	}()
	if public := <-ready; public.side != router.Public {
		t.Fatalf("the %s side was ready first, want the public one: it must not wait for a namespace", public.side)
	}
	before := namespaceOfProcess(t)

	for _, why := range []string{"created after the router", "deleted and made again"} {
		remove := makeNamespace(t, path)
		var at opened
		select {
		case at = <-ready:
		case <-time.After(patience):
			t.Fatalf("%s: the router does not listen", why)
		}
		if at.side != router.Nodes {
			t.Fatalf("%s: the %s side is ready, want the nodes'", why, at.side)
		}
		_, port, err := net.SplitHostPort(at.address.String())
		check(t, err)
		address := net.JoinHostPort("127.0.0.1", port)
		within(t, path, func() {
			conn, err := tls.Dial("tcp", address, c.client())
			if err != nil {
				t.Errorf("%s: %v", why, err)
				return
			}
			if got, want := ask(t, conn, "who am I"), conn.LocalAddr().String(); got != want {
				t.Errorf("%s: the API server sees %s, want %s", why, got, want)
			}
			check(t, conn.Close())
		})
		if conn, err := net.Dial("tcp", address); err == nil {
			_ = conn.Close()
			t.Errorf("%s: the nodes' port %s is open on the host as well", why, port)
		}
		remove()
	}
	if after := namespaceOfProcess(t); after != before {
		t.Errorf("the process went from namespace %s to %s", before, after)
	}
}

// TestNodesSideIsHandedOver: the successor gets the very socket, so that no node is
// refused, and follows the namespace from there.
func TestNodesSideIsHandedOver(t *testing.T) {
	t.Parallel()
	g := newGenerations(t)
	c := newCluster(t).serveAPI(t, echo).publish(t, g.world)
	path := filepath.Join(shortDir(t), "namespace")
	makeNamespace(t, path)
	g.config.NodeNamespace = path
	ready := make(chan net.Addr, 4)
	g.config.Ready = func(s router.Side, a net.Addr) {
		if s == router.Nodes {
			ready <- a
		}
	}
	first := g.next(t, nil)
	first.serves(t)
	address := soon(t, "a listener for nodes", ready).String()
	_, port, err := net.SplitHostPort(address)
	check(t, err)
	dial := func() net.Conn {
		var conn *tls.Conn
		within(t, path, func() { conn, err = tls.Dial("tcp", net.JoinHostPort("127.0.0.1", port), c.client()) })
		check(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	old := dial()
	ask(t, old, "before")
	second := g.next(t, nil)
	second.serves(t)
	soon(t, "the end of accepting", first.retired)
	if now := soon(t, "the successor's listener", ready).String(); now != address { // NodePort 0: another socket would have another port
		t.Errorf("nodes reach the successor at %s, want %s", now, address)
	}
	ask(t, dial(), "the successor")
	ask(t, old, "still open")
	if s := second.Stats(); s.Accepted["nodes"] != 1 {
		t.Errorf("the successor accepted %d connections from nodes, want 1", s.Accepted["nodes"])
	}
}

// TestClientGoneWithoutAWord: a client whose machine or network is gone sends no
// end, and must not hold a place for ever; one that is only silent keeps its own.
func TestClientGoneWithoutAWord(t *testing.T) {
	t.Parallel()
	w := start(t, func(c *router.Config) {
		c.KeepAlive = net.KeepAliveConfig{Enable: true, Idle: time.Second, Interval: time.Second, Count: 2}
	})
	c := newCluster(t).serveAPI(t, echo).publish(t, w)
	gone, stays := filepath.Join(shortDir(t), "namespace"), filepath.Join(shortDir(t), "namespace")
	connect := func(path string) net.Conn {
		makeNamespace(t, path)
		var ln net.Listener
		var conn *tls.Conn
		var err error
		within(t, path, func() { ln, err = net.Listen("tcp", "127.0.0.1:0") })
		check(t, err)
		ctx, stop := context.WithCancel(context.Background())
		served := make(chan error, 1)
		go func() { served <- w.Serve(ctx, ln.(*net.TCPListener), router.Nodes) }()
		t.Cleanup(func() {
			stop()
			check(t, <-served)
		})
		dialer := &net.Dialer{KeepAlive: -1}
		within(t, path, func() { conn, err = tls.DialWithDialer(dialer, "tcp", ln.Addr().String(), c.client()) })
		check(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		ask(t, conn, "hello")
		// Half a line acknowledges the answer: for as long as something is on its way,
		// it is not the keep-alive but the time of retransmissions that counts.
		_, err = io.WriteString(conn, "still ")
		check(t, err)
		return conn
	}
	connect(gone)
	silent := connect(stays)
	within(t, gone, func() {
		lo, err := netlink.LinkByName("lo")
		check(t, err)
		check(t, netlink.LinkSetDown(lo)) // from here on nothing arrives
	})
	eventually(t, "the place of the client that is gone is free", func() bool { return w.Stats().Open == 1 })
	if got := ask(t, silent, "here"); got != "still here" {
		t.Errorf("control: answer = %q", got)
	}
}

// namespaceOfProcess says in which network namespace every thread is, once those
// that went elsewhere have ended.
func namespaceOfProcess(t *testing.T) string {
	t.Helper()
	threads, err := filepath.Glob("/proc/self/task/*/ns/net")
	check(t, err)
	one, err := os.Readlink("/proc/self/ns/net")
	check(t, err)
	for _, thread := range threads {
		switch ns, err := os.Readlink(thread); {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ESRCH): // it ended
		case err != nil:
			t.Fatal(err)
		case ns != one:
			eventually(t, thread+" ends", func() bool {
				_, err := os.Readlink(thread)
				return err != nil
			})
		}
	}
	return one
}

// makeNamespace mounts a new network namespace, with its loopback up, on path.
// As `ip netns add` does, it makes an empty file first.
func makeNamespace(t *testing.T, path string) (remove func()) {
	t.Helper()
	check(t, os.WriteFile(path, nil, 0o400))
	check(t, onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return err
		}
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return err
		}
		if err := netlink.LinkSetUp(lo); err != nil {
			return err
		}
		return unix.Mount("/proc/thread-self/ns/net", path, "", unix.MS_BIND, "")
	}))
	remove = func() {
		if err := unix.Unmount(path, unix.MNT_DETACH); err == nil {
			check(t, os.Remove(path))
		}
	}
	t.Cleanup(remove)
	return remove
}

// within runs f in the namespace at path.
func within(t *testing.T, path string, f func()) {
	t.Helper()
	file, err := os.Open(path)
	check(t, err)
	defer func() { _ = file.Close() }()
	check(t, onThread(func() error {
		if err := unix.Setns(int(file.Fd()), unix.CLONE_NEWNET); err != nil {
			return err
		}
		f()
		return nil
	}))
}

// onThread runs f on a thread that ends with it. The main thread, which cannot
// end, is held meanwhile if it comes up.
func onThread(f func() error) (err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			defer runtime.UnlockOSThread()
			err = onThread(f)
			return
		}
		err = f()
	}()
	<-done
	return err
}
