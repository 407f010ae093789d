// Package supervise keeps programs running: each is started again, after a pause
// that grows, until the context ends.
package supervise

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// Program is a program to keep running.
type Program struct {
	Name string   // for the log
	Args []string // path and arguments
	Env  []string // beside PATH and HOME, which all programs get

	// Output receives what the program writes to both of its outputs.
	Output io.Writer

	// Before, when set, is called before each start, and holds it up until it
	// returns. An error counts as a failed start.
	Before func(context.Context) error

	// Restart, when set, makes the program start again at once, as after a change
	// of files that it reads only when it starts.
	Restart <-chan struct{}

	// Grace is how long the program may take to end after SIGTERM; zero means
	// that it gets SIGKILL at once, for one that does not heed SIGTERM.
	Grace time.Duration
}

// Supervisor runs programs. It has no state; the zero value of both pauses means
// their defaults.
type Supervisor struct {
	Log   *slog.Logger
	Pause time.Duration // after the first failure; 200 ms
	Limit time.Duration // the longest pause; 10 s

	// Started and Ended, when set, are told of a program's starts and ends.
	Started, Ended func(name string)
}

// settled is how long a program has to run for its failures to be forgotten.
const settled = 30 * time.Second

// errRestart says that a program ended because it was asked to start again.
var errRestart = errors.New("restarted on request")

// Run keeps p running until ctx ends, and returns when it has stopped. It must
// not be called for the same program twice at a time.
func (s Supervisor) Run(ctx context.Context, p Program) {
	// The signal of Pdeathsig is sent when the thread that forked ends, not the
	// process (prctl(2), PR_SET_PDEATHSIG): the thread has to live as long.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	first, limit := s.Pause, s.Limit
	if first <= 0 {
		first = 200 * time.Millisecond
	}
	if limit <= 0 {
		limit = 10 * time.Second
	}
	pause := first
	for ctx.Err() == nil {
		started := time.Now()
		err := s.once(ctx, p)
		if s.Ended != nil {
			s.Ended(p.Name)
		}
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, errRestart) {
			s.Log.InfoContext(ctx, "program restarts", "program", p.Name)
			continue
		}
		if time.Since(started) > settled {
			pause = first
		}
		s.Log.WarnContext(ctx, "program ended", "program", p.Name, "ran", time.Since(started).Round(time.Millisecond), "again_in", pause, "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, limit)
	}
}

// once runs p until it ends, ctx ends or a restart is asked for.
func (s Supervisor) once(ctx context.Context, p Program) error {
	if p.Before != nil {
		if err := p.Before(ctx); err != nil {
			return fmt.Errorf("prepare %s: %w", p.Name, err)
		}
	}
	cmd := exec.Command(p.Args[0], p.Args[1:]...)
	cmd.Env = append([]string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=/root",
	}, p.Env...)
	cmd.Stdout, cmd.Stderr = p.Output, p.Output
	// What the program leaves behind (containerd's shims do, on purpose) keeps
	// the pipe open; do not wait for that.
	cmd.WaitDelay = 100 * time.Millisecond
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", p.Name, err)
	}
	if s.Started != nil {
		s.Started(p.Name)
	}
	s.Log.InfoContext(ctx, "program started", "program", p.Name, "pid", cmd.Process.Pid)

	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		if err == nil {
			return errors.New("ended without an error")
		}
		return err
	case <-p.Restart:
		s.stop(cmd.Process, p.Grace, ended)
		return errRestart
	case <-ctx.Done():
		s.stop(cmd.Process, p.Grace, ended)
		return ctx.Err()
	}
}

func (s Supervisor) stop(process *os.Process, grace time.Duration, ended <-chan error) {
	if grace > 0 {
		// An error means that it has ended already, which the wait below sees.
		_ = process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
			return
		case <-time.After(grace):
		}
	}
	_ = process.Kill()
	<-ended
}
