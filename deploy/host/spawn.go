package host

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"github.com/marina-cloud/marina/internal/runc"
)

// A log is moved aside when a process starts and finds it larger than logLimit
// bytes; so many old ones are kept.
const (
	logLimit = 10 << 20
	logsKept = 3
)

// Spawn starts a process that outlives this one: in a session of its own, with
// its output appended to a file, which is rotated before if it is large. The caller
// should call Wait on what is returned for as long as it lives, so that no zombie
// stays.
func Spawn(logFile, program string, args ...string) (*exec.Cmd, error) {
	return spawn(logFile, nil, program, args...)
}

// spawn is Spawn of a process that has files open from its beginning to its end.
func spawn(logFile string, files []*os.File, program string, args ...string) (*exec.Cmd, error) {
	if _, err := runc.Rotate(logFile, logLimit, logsKept); err != nil {
		return nil, err
	}
	out, err := os.OpenFile(logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log of %s: %w", program, err)
	}
	defer out.Close()
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = out, out, files
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", program, err)
	}
	return cmd, nil
}
