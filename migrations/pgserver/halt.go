package pgserver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Halt ends the server that a killed parent left behind on c, if there is one,
// and returns when all of its processes are gone.
func Halt(ctx context.Context, c Config) error {
	if err := halt(ctx, c); err != nil {
		return fmt.Errorf("stop PostgreSQL: %w", err)
	}
	return nil
}

func halt(ctx context.Context, c Config) error {
	// A server may have been left by another name of the same directory.
	dir, err := filepath.EvalSymlinks(c.DataDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	// SIGINT is Postgres' fast shutdown, SIGQUIT its immediate one, after which
	// it replays its log at the next start.
	for _, sig := range []unix.Signal{unix.SIGINT, unix.SIGQUIT, unix.SIGKILL} {
		gone, err := end(ctx, dir, sig, stopLimit)
		if err != nil {
			return err
		}
		if gone {
			return nil
		}
	}
	return fmt.Errorf("processes on %s do not end", dir)
}

// end sends sig to the server on dir and waits until none of its processes is
// left, or reports false after limit.
func end(ctx context.Context, dir string, sig unix.Signal, limit time.Duration) (bool, error) {
	deadline := time.After(limit)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for first := true; ; first = false {
		pids, err := onDirectory(dir)
		if err != nil || len(pids) == 0 {
			return err == nil, err
		}
		if first {
			if err := signal(dir, pids, sig); err != nil {
				return false, err
			}
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-deadline:
			return false, nil
		case <-tick.C:
		}
	}
}

// signal sends sig to the postmaster, whose children follow it, or to all of
// pids where the postmaster itself is dead.
func signal(dir string, pids []int, sig unix.Signal) error {
	if b, err := os.ReadFile(filepath.Join(dir, "postmaster.pid")); err == nil {
		line, _, _ := strings.Cut(string(b), "\n")
		for _, pid := range pids {
			if strconv.Itoa(pid) == line && sig != unix.SIGKILL {
				pids = []int{pid}
				break
			}
		}
	}
	for _, pid := range pids {
		// A pidfd names this very process; its number may be another's by now, so
		// it is looked at again between opening and signalling.
		fd, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			continue // it ended meanwhile
		}
		if servesDirectory(pid, dir) {
			err = unix.PidfdSendSignal(fd, sig, nil, 0)
		}
		unix.Close(fd) //nolint:errcheck // nothing is buffered
		if err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("signal process %d: %w", pid, err)
		}
	}
	return nil
}

// onDirectory returns the processes of a server on dir. Postgres changes to its
// data directory and stays there, and so do its children.
func onDirectory(dir string) ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil && servesDirectory(pid, dir) {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

func servesDirectory(pid int, dir string) bool {
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	cwd, err := os.Readlink(filepath.Join(proc, "cwd"))
	if err != nil || cwd != dir {
		return false // also a zombie: it has no directory any more
	}
	exe, err := os.Readlink(filepath.Join(proc, "exe"))
	// The kernel appends " (deleted)" after an upgrade of the package.
	return err == nil && filepath.Base(strings.TrimSuffix(exe, " (deleted)")) == "postgres"
}

// claim makes the locks of a server that is known to be gone no obstacle. They
// name a process id, which may be a stranger's by now, and then Postgres would
// refuse to start. The lock of the data must stay, since Postgres finds there
// which shared memory to remove; it takes a lock that names its own parent for a
// stale one.
func claim(c Config) error {
	socket := filepath.Join(c.SocketDir, ".s.PGSQL."+port)
	for _, f := range []string{socket, socket + ".lock"} {
		if err := os.Remove(f); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove a stale socket: %w", err)
		}
	}
	lock := filepath.Join(c.DataDir, "postmaster.pid")
	b, err := os.ReadFile(lock)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, rest, _ := strings.Cut(string(b), "\n")
	// In place: the file keeps its owner, and Postgres rewrites it anyway.
	if err := os.WriteFile(lock, []byte(strconv.Itoa(os.Getpid())+"\n"+rest), 0o600); err != nil {
		return fmt.Errorf("claim a stale lock: %w", err)
	}
	return nil
}
