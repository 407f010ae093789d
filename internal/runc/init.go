package runc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Init is the first process of a container. The kernel uses process ids again,
// so it takes the start time, too, to be sure that a process is still the same.
type Init struct {
	PID   int    `json:"pid"`   // as the host sees it
	Start uint64 `json:"start"` // clock ticks since boot: field 22 of proc_pid_stat(5)
}

// Exit is how a process ended.
type Exit struct {
	Known  bool        // false where the kernel (before 6.15) tells only the parent
	Code   int         // exit status, when Signal is 0
	Signal unix.Signal // that killed it; 0 for none
}

func (e Exit) String() string {
	switch {
	case !e.Known:
		return "ended"
	case e.Signal != 0:
		return "killed by " + unix.SignalName(e.Signal)
	default:
		return "exit status " + strconv.Itoa(e.Code)
	}
}

// Find returns the process that has this id now, or ErrNotFound.
func Find(pid int) (Init, error) {
	start, err := startTime(pid)
	if err != nil {
		return Init{}, err
	}
	return Init{PID: pid, Start: start}, nil
}

// Alive reports whether the process still runs. A zombie does not.
func (i Init) Alive() bool {
	start, err := startTime(i.PID)
	return err == nil && i.PID > 0 && start == i.Start
}

// Signal sends a signal to the process. It is no error that it has ended.
func (i Init) Signal(sig unix.Signal) error {
	fd, err := i.open()
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.PidfdSendSignal(fd, sig, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("send %s to process %d: %w", unix.SignalName(sig), i.PID, err)
	}
	return nil
}

// Wait returns when the process has ended, or with ctx's error. It costs no
// thread. How the process ended is known only to those who were waiting then.
func (i Init) Wait(ctx context.Context) (Exit, error) {
	fd, err := i.open()
	if errors.Is(err, ErrNotFound) {
		return Exit{}, nil
	}
	if err != nil {
		return Exit{}, err
	}
	// Non-blocking, so that the file joins Go's poller.
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return Exit{}, fmt.Errorf("wait for process %d: %w", i.PID, err)
	}
	f := os.NewFile(uintptr(fd), "pidfd")
	defer f.Close()
	stop := context.AfterFunc(ctx, func() { _ = f.SetReadDeadline(time.Unix(1, 0)) }) // cannot fail on an open pollable file
	defer stop()

	conn, err := f.SyscallConn()
	if err != nil {
		return Exit{}, fmt.Errorf("wait for process %d: %w", i.PID, err)
	}
	var exit Exit
	if err := conn.Read(func(fd uintptr) bool {
		if !readable(int(fd)) {
			return false
		}
		exit = exitOf(int(fd))
		return true
	}); err != nil {
		if ctx.Err() != nil {
			return Exit{}, ctx.Err()
		}
		return Exit{}, fmt.Errorf("wait for process %d: %w", i.PID, err)
	}
	return exit, nil
}

// open returns a pidfd of this very process. The start time is compared after
// opening: from then on the descriptor cannot mean another process.
func (i Init) open() (int, error) {
	if i.PID <= 0 {
		return 0, ErrNotFound
	}
	fd, err := unix.PidfdOpen(i.PID, 0)
	if errors.Is(err, unix.ESRCH) {
		return 0, ErrNotFound
	}
	if err != nil {
		return 0, fmt.Errorf("open process %d: %w", i.PID, err)
	}
	if !i.Alive() {
		unix.Close(fd)
		return 0, ErrNotFound
	}
	return fd, nil
}

// readable reports whether the process behind a pidfd has ended.
func readable(fd int) bool {
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	n, err := unix.Poll(p, 0)
	return err == nil && n == 1 && p[0].Revents != 0
}

// reapTime bounds the wait for the parent of an ended process, usually process 1
// of the host, to take note of it. Only then does the kernel tell others. An
// ordinary init system does so at once; a slower one costs only the knowledge.
const reapTime = 20 * time.Millisecond

// exitOf asks the kernel how the process behind a pidfd ended. Since Linux 6.15
// it tells everybody who held the pidfd before the process was reaped.
func exitOf(fd int) Exit {
	reaped := []unix.PollFd{{Fd: int32(fd)}} // POLLHUP, which is always reported, and not POLLIN
	_, _ = unix.Poll(reaped, int(reapTime.Milliseconds()))
	info := unix.PidfdInfo{Mask: unix.PIDFD_INFO_EXIT}
	if err := unix.IoctlPidfdInfo(fd, &info); err != nil || info.Mask&unix.PIDFD_INFO_EXIT == 0 {
		return Exit{}
	}
	ws := unix.WaitStatus(info.Exit_code)
	if ws.Signaled() {
		return Exit{Known: true, Signal: ws.Signal()}
	}
	return Exit{Known: true, Code: ws.ExitStatus()}
}

// startTime returns field 22 of /proc/PID/stat, or ErrNotFound for a process
// that does not exist or has ended.
func startTime(pid int) (uint64, error) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	// Reading the file of a process that is just going away gives ESRCH.
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return 0, ErrNotFound
	}
	if err != nil {
		return 0, fmt.Errorf("look at process %d: %w", pid, err)
	}
	return parseStat(stat)
}

// parseStat reads the state (field 3) and the start time (field 22). The
// program's name, field 2, is in parentheses and may itself hold any of them.
func parseStat(stat []byte) (uint64, error) {
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 20 {
		return 0, fmt.Errorf("process table: unexpected line %q", stat)
	}
	if state := fields[0][0]; state == 'Z' || state == 'X' {
		return 0, ErrNotFound
	}
	return strconv.ParseUint(string(fields[19]), 10, 64)
}
