package host

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/marina-cloud/marina/internal/home"
)

// RouterFile is the file about a home's router process.
func RouterFile(h home.Home) string { return filepath.Join(h.Run(), "router.json") }

// ServerFile is the file about a home's server process.
func ServerFile(h home.Home) string { return filepath.Join(h.Run(), "marina.json") }

// Router keeps a home's router process running. It lives on when this process
// ends, so that a crash or an upgrade of the API cuts no connection of a cluster;
// the next process finds it again.
type Router struct {
	Home    home.Home
	Program string // path of marina
	Listen  string
	Domain  string
	Log     *slog.Logger
}

// routerStart bounds how long a router may take until it listens.
const routerStart = 10 * time.Second

// Ensure returns the running router, after starting it if need be.
func (r Router) Ensure(ctx context.Context) (Process, error) {
	if p, ok, err := Find(RouterFile(r.Home)); err != nil || ok {
		return p, err
	}
	logFile := r.Home.Path("log", "router.log")
	cmd, err := Spawn(logFile, r.Program, "router", "--home", r.Home.Dir, "--listen", r.Listen, "--domain", r.Domain)
	if err != nil {
		return Process{}, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	deadline := time.NewTimer(routerStart)
	defer deadline.Stop()
	for {
		p, ok, err := Find(RouterFile(r.Home))
		if err != nil || ok && p.PID == cmd.Process.Pid {
			return p, err
		}
		select {
		case err := <-ended:
			return Process{}, fmt.Errorf("the router on %s ended at once (%w): see %s", r.Listen, err, logFile)
		case <-ctx.Done():
			return Process{}, context.Cause(ctx)
		case <-deadline.C:
			_ = cmd.Process.Kill() // the next attempt needs its port
			return Process{}, fmt.Errorf("the router on %s does not listen after %s: see %s", r.Listen, routerStart, logFile)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Keep starts the router again whenever it ends, until ctx does.
func (r Router) Keep(ctx context.Context) error {
	for {
		p, err := r.Ensure(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			r.Log.ErrorContext(ctx, "router does not run", "error", err)
		default:
			exit, err := p.Wait(ctx)
			if err != nil {
				return nil // ctx ended, or there is nothing to wait for
			}
			r.Log.ErrorContext(ctx, "router ended and is started again", "pid", strconv.Itoa(p.PID), "exit", exit.String())
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Second):
		}
	}
}

// Stop ends a process and waits until it is gone; after grace it is killed.
func Stop(ctx context.Context, p Process, grace time.Duration) error {
	if err := p.Signal(unix.SIGTERM); err != nil {
		return fmt.Errorf("stop process %d: %w", p.PID, err)
	}
	gentle, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	if _, err := p.Wait(gentle); err == nil || ctx.Err() != nil {
		return ctx.Err()
	}
	if err := p.Signal(unix.SIGKILL); err != nil {
		return fmt.Errorf("kill process %d: %w", p.PID, err)
	}
	_, err := p.Wait(ctx)
	return err
}
