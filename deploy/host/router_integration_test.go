//go:build integration

package host_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/marina-cloud/marina/deploy/artifacts"
	"github.com/marina-cloud/marina/deploy/cli"
	"github.com/marina-cloud/marina/deploy/host"
	built "github.com/marina-cloud/marina/deploy/installation"
	"github.com/marina-cloud/marina/internal/home"
)

// TestMain lets this program stand for marina, whose router the tests start.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "router" {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		os.Exit(cli.Main(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

const patience = 30 * time.Second

// installation is a home of which only routers run.
func installation(t *testing.T) host.Router {
	t.Helper()
	h, err := home.At(filepath.Join(t.TempDir(), "home"))
	check(t, err)
	check(t, host.Claim(h))
	check(t, os.MkdirAll(h.Path("log"), 0o711))
	program, err := os.Executable()
	check(t, err)
	// A router that is started again needs the same port: one of an address that
	// nobody else on this machine uses.
	ln, err := net.Listen("tcp", "127.83.0.1:0")
	check(t, err)
	check(t, ln.Close())
	t.Cleanup(func() { down(t, h) })
	serveNodes(t, h)
	return host.Router{
		Home: h, Program: program, RouterSettings: host.RouterSettings{Listen: ln.Addr().String(), Domain: "marina.localhost"},
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
}

func down(t *testing.T, h home.Home) host.Downed {
	t.Helper()
	runc, err := artifacts.Path(artifacts.Runc)
	check(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	d, err := host.Down(ctx, h, runc, true, func(string) {})
	check(t, err)
	left, err := os.ReadFile(h.Path("log", "router.log"))
	if err == nil {
		t.Errorf("the log is left: %s", left)
	}
	return d
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// answers reports whether somebody serves at an address: a router says what it
// thinks of plain HTTP.
func answers(address string) error {
	c, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, err := io.WriteString(c, "GET / HTTP/1.0\r\n\r\n"); err != nil {
		return err
	}
	answer, err := io.ReadAll(c)
	if err == nil && len(answer) == 0 {
		return io.ErrUnexpectedEOF
	}
	return err
}

// serveNodes is the server behind the router: it says something that is no TLS, and
// ends when its client does.
func serveNodes(t *testing.T, h home.Home) {
	t.Helper()
	check(t, os.MkdirAll(h.Run(), 0o711))
	ln, err := net.Listen("unix", h.NodesSocket())
	check(t, err)
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return // the test is over
			}
			go func() {
				_, _ = io.WriteString(c, "hello") // whoever hears nothing fails
				_, _ = io.Copy(io.Discard, c)
				_ = c.Close()
			}()
		}
	}()
}

// open begins a connection that the router carries until one end closes it.
func open(t *testing.T, r host.Router) net.Conn {
	t.Helper()
	c, err := net.DialTimeout("tcp", r.Listen, patience)
	check(t, err)
	t.Cleanup(func() { _ = c.Close() })
	check(t, c.SetDeadline(time.Now().Add(patience)))
	err = tls.Client(c, &tls.Config{ServerName: "nodes." + r.Domain}).Handshake()
	if _, heard := errors.AsType[tls.RecordHeaderError](err); !heard {
		t.Fatalf("a connection is not carried: %v", err)
	}
	return c
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within %s", what, patience)
		}
	}
}

// otherBuild makes a program that does the same but is of another build.
func otherBuild(t *testing.T, program string) string {
	t.Helper()
	other := filepath.Join(t.TempDir(), "marina")
	check(t, built.OtherBuild(program, other))
	return other
}

func TestRenew(t *testing.T) {
	t.Parallel()
	ctx, r := t.Context(), installation(t)
	first, err := r.Renew(ctx)
	check(t, err)
	again, err := r.Renew(ctx)
	check(t, err)
	if again.PID != first.PID {
		t.Error("the same build with the same settings was replaced")
	}
	waits := open(t, r)

	r.Program = otherBuild(t, r.Program)
	second, err := r.Renew(ctx)
	check(t, err)
	if second.PID == first.PID || second.Address != first.Address {
		t.Fatalf("another build: process %d at %s after process %d at %s", second.PID, second.Address, first.PID, first.Address)
	}
	all, err := host.Routers(r.Home)
	check(t, err)
	if len(all) != 2 || all[0].PID != first.PID || all[0].Serving || !all[1].Serving {
		t.Errorf("routers: %+v, want the first to wait for its connection", all)
	}
	check(t, waits.Close())
	ends(t, first)

	r.Domain = "other.localhost"
	third, err := r.Renew(ctx)
	check(t, err)
	if third.PID == second.PID || third.Domain != r.Domain {
		t.Errorf("other settings: process %d for %s after process %d", third.PID, third.Domain, second.PID)
	}
	bad := r
	bad.Listen = "192.0.2.1:6443" // not an address of this machine
	if still, err := bad.Renew(ctx); err != nil || still.PID != third.PID {
		t.Errorf("Renew = process %d, %v; want the one that serves when another cannot", still.PID, err)
	}
	if _, err := bad.Replace(ctx); err == nil {
		t.Error("Replace by one that cannot serve: nil, want an error")
	}
	check(t, answers(third.Address))
}

// TestRoutersDie kills, at any moment, the router that serves, the one that is to
// replace it, or both, while somebody keeps them: within moments one serves.
func TestRoutersDie(t *testing.T) {
	t.Parallel()
	r := installation(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	first, err := r.Ensure(ctx)
	check(t, err)
	kept := make(chan error, 1)
	go func() { kept <- r.Keep(ctx) }()
	const seed, rounds = 1, 12
	random := rand.New(rand.NewPCG(seed, seed))
	for round := range rounds {
		before, ok, err := host.ServingRouter(r.Home)
		check(t, err)
		if !ok {
			t.Fatal("no router serves")
		}
		var replacing sync.WaitGroup
		replacing.Go(func() { _, _ = r.Replace(ctx) })                // it may well fail
		time.Sleep(time.Duration(random.IntN(60)) * time.Millisecond) // the moment is the point
		for _, p := range running(t, r.Home) {
			if (p.PID == before.PID) == (round%3 == 0) || round%3 == 2 {
				check(t, p.Signal(unix.SIGKILL))
			}
		}
		replacing.Wait()
		eventually(t, "a router serves after some were killed", func() bool {
			p, ok, err := host.ServingRouter(r.Home)
			return err == nil && ok && answers(p.Address) == nil
		})
	}
	now, ok, err := host.ServingRouter(r.Home)
	check(t, err)
	if !ok || now.PID == first.PID || now.Address != first.Address {
		t.Errorf("in the end process %d serves %s, in the beginning process %d served %s", now.PID, now.Address, first.PID, first.Address)
	}
	stop()
	keeperEnds(t, kept)
}

// TestKeepRenews: what Renew failed to do is done later.
func TestKeepRenews(t *testing.T) {
	t.Parallel()
	r := installation(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	first, err := r.Ensure(ctx)
	check(t, err)
	r.Program, r.RenewAgain = otherBuild(t, r.Program), 10*time.Millisecond
	check(t, os.Chmod(r.Program, 0o600)) // an upgrade that is not yet whole
	p, err := r.Renew(ctx)
	check(t, err)
	if p.PID != first.PID {
		t.Fatal("a program that cannot be run has replaced the router")
	}
	kept := make(chan error, 1)
	go func() { kept <- r.Keep(ctx) }()
	check(t, os.Chmod(r.Program, 0o700))
	eventually(t, "the router is replaced", func() bool {
		p, ok, err := host.ServingRouter(r.Home)
		return err == nil && ok && p.PID != first.PID
	})
	ends(t, first)
	check(t, answers(first.Address))
	stop()
	keeperEnds(t, kept)
}

// ends waits for the end of a router that has nothing more to do.
func ends(t *testing.T, p host.RouterProcess) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := p.Wait(ctx); err != nil {
		t.Fatalf("process %d does not end: %v", p.PID, err)
	}
}

func keeperEnds(t *testing.T, kept <-chan error) {
	t.Helper()
	select {
	case err := <-kept:
		check(t, err)
	case <-time.After(patience):
		t.Fatal("Keep does not end")
	}
}

func running(t *testing.T, h home.Home) []host.RouterProcess {
	t.Helper()
	all, err := host.Routers(h)
	check(t, err)
	return all
}

// TestDownEndsEveryRouter: also those that were replaced and still have connections,
// and one that has only just been started.
func TestDownEndsEveryRouter(t *testing.T) {
	t.Parallel()
	r := installation(t)
	p, err := r.Ensure(t.Context())
	check(t, err)
	for range 2 {
		open(t, r)
		_, err := r.Replace(t.Context())
		check(t, err)
	}
	all := running(t, r.Home)
	if len(all) != 3 || all[0].PID != p.PID {
		t.Errorf("routers: %+v, want three", all)
	}
	for i := range 5 {
		var starting sync.WaitGroup
		ctx, cancel := context.WithCancel(t.Context())
		starting.Go(func() { _, _ = r.Replace(ctx) })
		time.Sleep(time.Duration(5*i) * time.Millisecond) // the moment is the point
		cancel()
		starting.Wait() // as Down waits for the server, which starts routers
		down(t, r.Home)
		check(t, host.Claim(r.Home))
		check(t, os.MkdirAll(r.Home.Path("log"), 0o711))
		if err := answers(r.Listen); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("somebody serves after everything went down: %v", err)
		}
		for _, p := range all {
			if p.Alive() {
				t.Errorf("process %d is left", p.PID)
			}
		}
	}
}

// TestRetiredRoutersAreFew: however often somebody replaces the router.
func TestRetiredRoutersAreFew(t *testing.T) {
	t.Parallel()
	r := installation(t)
	_, err := r.Ensure(t.Context())
	check(t, err)
	for range 7 {
		open(t, r)
		_, err := r.Replace(t.Context())
		check(t, err)
	}
	if all := running(t, r.Home); len(all) != 5 {
		t.Errorf("%d routers run, want the one that serves and the last four before it", len(all))
	}
	check(t, answers(r.Listen))
}
