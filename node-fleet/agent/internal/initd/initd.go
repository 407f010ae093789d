// Package initd is what process 1 of a machine does: it runs one program, passes
// signals on to it, starts it again when it dies, and reaps every process that
// lost its parent, as the kernel asks of process 1.
//
// It is a process of its own, and not a part of the agent, because waiting for
// any child (wait4(2) with -1) would take away the exit statuses that the agent
// waits for; and because pods outlive a crash of the agent this way.
package initd

import (
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const (
	firstPause = time.Second
	maxPause   = 30 * time.Second
	settled    = time.Minute // after this long in good health, failures are forgotten
	grace      = 15 * time.Second
)

// Run runs args until SIGTERM or SIGINT, which it passes on, and returns when
// the program has ended after that, at the latest after 15 seconds. It takes
// over all of the process's children.
func Run(log *slog.Logger, args []string) error {
	signals := make(chan os.Signal, 32)
	signal.Notify(signals, syscall.SIGCHLD, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGUSR1)
	defer signal.Stop(signals)

	m := machine{log: log, args: args, pause: firstPause}
	if err := m.start(); err != nil {
		return err
	}
	for {
		select {
		case s := <-signals:
			m.signal(s.(syscall.Signal))
		case <-m.again:
			if err := m.start(); err != nil {
				return err
			}
		case <-m.deadline:
			return fmt.Errorf("%s did not end within %s", args[0], grace)
		}
		if m.stopping && m.pid == 0 {
			return nil
		}
	}
}

type machine struct {
	log  *slog.Logger
	args []string

	pid      int // of the program; 0 while it does not run
	started  time.Time
	pause    time.Duration
	again    <-chan time.Time // when to start the program again
	stopping bool
	deadline <-chan time.Time
}

func (m *machine) start() error {
	pid, err := syscall.ForkExec(m.args[0], m.args, &syscall.ProcAttr{
		Env:   os.Environ(),
		Files: []uintptr{0, 1, 2},
	})
	if err != nil {
		return fmt.Errorf("start %s: %w", m.args[0], err)
	}
	m.pid, m.started, m.again = pid, time.Now(), nil
	return nil
}

func (m *machine) signal(s syscall.Signal) {
	if s == syscall.SIGCHLD {
		m.reap()
		return
	}
	if s == syscall.SIGTERM || s == syscall.SIGINT {
		m.stopping, m.again = true, nil
		if m.deadline == nil {
			m.deadline = time.After(grace)
		}
	}
	if m.pid != 0 {
		_ = syscall.Kill(m.pid, s) // gone already: the next reap sees it
	}
}

// reap collects all children that have ended: signals of the same kind are
// merged, so that one SIGCHLD may stand for many.
func (m *machine) reap() {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil || pid <= 0 {
			return
		}
		if pid == m.pid {
			m.ended(status)
		}
	}
}

func (m *machine) ended(status syscall.WaitStatus) {
	m.pid = 0
	if m.stopping {
		return
	}
	if time.Since(m.started) > settled {
		m.pause = firstPause
	}
	m.log.Warn("program ended", "program", m.args[0], "status", describe(status), "again_in", m.pause)
	m.again = time.After(m.pause)
	m.pause = min(2*m.pause, maxPause)
}

func describe(status syscall.WaitStatus) string {
	if status.Signaled() {
		return status.Signal().String()
	}
	return fmt.Sprintf("exit status %d", status.ExitStatus())
}
