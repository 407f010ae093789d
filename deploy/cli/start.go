package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/marina-cloud/marina/deploy/host"
	"github.com/marina-cloud/marina/internal/home"
	"github.com/marina-cloud/marina/internal/logs"
	"github.com/marina-cloud/marina/internal/runc"
)

// stopLimit is how long a server may take to finish what it is writing.
const stopLimit = 30 * time.Second

// runningServer is a home's server, which this command started or found.
type runningServer struct {
	api   string
	found bool // it ran already; the rest is of one that was started
	cmd   *exec.Cmd
	ended chan error
	log   string
}

// ensureServer returns the home's server, after starting it if need be.
func (e *env) ensureServer(ctx context.Context, h home.Home, l listenFlags, program string) (*runningServer, error) {
	p, ok, err := host.Find(host.ServerFile(h))
	if err != nil {
		return nil, err
	}
	if ok {
		return e.adopt(ctx, h, p)
	}
	if err := portsFree(h, l); err != nil {
		return nil, err
	}
	if err := host.Claim(h); err != nil {
		return nil, err
	}
	s := &runningServer{log: h.Path("log", "marina.log"), ended: make(chan error, 1)}
	if err := os.MkdirAll(filepath.Dir(s.log), 0o711); err != nil {
		return nil, fmt.Errorf("make directory of logs: %w", err)
	}
	step := e.steps.Begin("Starting Marina in %s", h.Dir)
	s.cmd, err = host.Spawn(s.log, program, append([]string{"serve", "--home", h.Dir}, l.args()...)...)
	if err != nil {
		step.Failed()
		return nil, err
	}
	go func() { s.ended <- s.cmd.Wait() }()
	if s.api, err = s.come(ctx, h); err != nil {
		step.Failed()
		return nil, err
	}
	step.Done("Marina runs at %s", s.api)
	return s, nil
}

// adopt takes a server that runs already, after seeing that it is well.
func (e *env) adopt(ctx context.Context, h home.Home, p host.Process) (*runningServer, error) {
	if !healthy(ctx, p.Address) && ctx.Err() == nil {
		return nil, fmt.Errorf("marina runs in %s (process %d) but is not healthy: see %s, or start it anew with `%s down` and `%s up`",
			h.Dir, p.PID, h.Path("log", "marina.log"), e.marina(), e.marina())
	}
	e.steps.Say("✓ Marina runs already at %s", p.Address)
	if own, err := host.OwnBuild(); err == nil {
		if build, err := p.Build(); err == nil && build != own {
			e.steps.Say("  It is of another build than this command. Replace it: %s down, then up", e.marina())
		}
	}
	return &runningServer{api: p.Address, found: true}, ctx.Err()
}

// come waits until a server that was started serves. One that does not is stopped.
func (s *runningServer) come(ctx context.Context, h home.Home) (api string, err error) {
	limit := time.NewTimer(startLimit)
	defer limit.Stop()
	for {
		p, ok, err := host.Find(host.ServerFile(h))
		if err == nil && ok && p.PID == s.cmd.Process.Pid && healthy(ctx, p.Address) {
			return p.Address, nil
		}
		select {
		case err := <-s.ended:
			return "", fmt.Errorf("the server ended at once (%s); the end of %s says:\n%s", how(err), s.log, s.tail())
		case <-ctx.Done():
			return "", errors.Join(context.Cause(ctx), s.stop())
		case <-limit.C:
			return "", errors.Join(fmt.Errorf("the server does not answer after %s; the end of %s says:\n%s", startLimit, s.log, s.tail()), s.stop())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// startLimit is how long a server may take from its start until it serves, with
// making its database on a slow machine.
const startLimit = 3 * time.Minute

// how a process ended, from the error of waiting for it.
func how(err error) string {
	if err == nil {
		return "exit status 0"
	}
	return err.Error()
}

// stop ends a server that this command started; clusters go on.
func (s *runningServer) stop() error {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop the server: %w", err)
	}
	select {
	case <-s.ended:
		return nil
	case <-time.After(stopLimit):
	}
	if err := s.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill the server: %w", err)
	}
	return nil
}

// attend stays with the server until it ends, or until this command is interrupted.
func (e *env) attend(ctx context.Context, s *runningServer) error {
	e.steps.Say("\nPress Ctrl-C to stop the server; clusters go on until `%s down`.", e.marina())
	select {
	case err := <-s.ended:
		return fmt.Errorf("the server ended (%s); the end of %s says:\n%s", how(err), s.log, s.tail())
	case <-ctx.Done():
	}
	return e.dismiss(s)
}

func (e *env) dismiss(s *runningServer) error {
	step := e.steps.Begin("Stopping the server")
	if err := s.stop(); err != nil {
		step.Failed()
		return err
	}
	step.Done("The server is stopped; clusters go on until `%s down`", e.marina())
	return nil
}

// tail returns the last lines of the server's log, for a person.
func (s *runningServer) tail() string {
	lines := strings.Split(strings.TrimSpace(string(runc.Tail(s.log, 8<<10))), "\n")
	lines = lines[max(0, len(lines)-8):]
	for i, line := range lines {
		lines[i] = logs.Sentence(line)
	}
	return "  " + strings.Join(lines, "\n  ")
}

// portsFree says early, and in words, what would otherwise end the server.
func portsFree(h home.Home, l listenFlags) error {
	if err := free(l.api, "--listen"); err != nil {
		return err
	}
	if l.metrics != "" {
		if err := free(l.metrics, "--metrics-listen"); err != nil {
			return err
		}
	}
	r, ok, err := host.ServingRouter(h)
	if err != nil || ok && r.Listen == l.router {
		return err
	}
	if ok && samePort(r.Address, l.router) {
		return fmt.Errorf("the router of %s listens on %s, which cannot become %s while it runs: say --router-listen %s, or stop everything first with `marina down`", h.Dir, r.Address, l.router, r.Listen)
	}
	return free(l.router, "--router-listen")
}

// samePort reports whether a router that listens on the first address is in the way
// of one on the second.
func samePort(listens, wanted string) bool {
	_, has, err1 := net.SplitHostPort(listens)
	_, wants, err2 := net.SplitHostPort(wanted)
	return err1 == nil && err2 == nil && (wants == "0" || has == wants)
}

func free(address, flag string) error {
	ln, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("another program listens on %s: stop it, or choose another address with %s (`ss -ltnp` shows which program it is)", address, flag)
	}
	if err != nil {
		return fmt.Errorf("cannot listen on %s, choose another address with %s: %w", address, flag, err)
	}
	return ln.Close()
}
