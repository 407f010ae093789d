package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/marina-cloud/marina/internal/home"
	"github.com/marina-cloud/marina/internal/runc"
)

// Process is a long-lived process of an installation, found again through a file
// in the installation's run directory.
type Process struct {
	runc.Init
	Address string    `json:"address"` // where it listens, when it does
	Since   time.Time `json:"since"`
}

// ServerFile is the file about a home's server process.
func ServerFile(h home.Home) string { return filepath.Join(h.Run(), "marina.json") }

// Record writes down the present process as the one that the file is about.
func Record(file, address string) error {
	self, err := runc.Find(os.Getpid())
	if err != nil {
		return fmt.Errorf("find out about this process: %w", err)
	}
	return write(file, Process{Init: self, Address: address, Since: time.Now()})
}

// write replaces a file about a process.
func write(file string, process any) error {
	data, err := json.Marshal(process)
	if err != nil {
		return err
	}
	next := file + ".next"
	if err := os.WriteFile(next, data, 0o644); err != nil { // anybody may ask whether Marina runs
		return fmt.Errorf("record this process: %w", err)
	}
	if err := os.Rename(next, file); err != nil {
		return fmt.Errorf("record this process: %w", err)
	}
	return nil
}

// Find returns the process that a file is about; ok is false when none runs.
func Find(file string) (p Process, ok bool, err error) {
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return p, false, nil
	}
	if err != nil {
		return p, false, fmt.Errorf("look for a running process: %w", err)
	}
	if err := json.Unmarshal(data, &p); err != nil {
		return p, false, fmt.Errorf("read %s: %w", file, err)
	}
	return p, p.Alive(), nil
}

// ErrLocked says that another process holds a lock.
var ErrLocked = errors.New("locked by another process")

// lockWhenFree is Lock that waits for the other process.
func lockWhenFree(ctx context.Context, file string) (release func(), err error) {
	for {
		release, err = Lock(file)
		if !errors.Is(err, ErrLocked) {
			return release, err
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Lock takes an exclusive lock on a file, which the kernel lets go of when the
// process ends, however it ends.
func Lock(file string) (release func(), err error) {
	if err := os.MkdirAll(filepath.Dir(file), 0o711); err != nil {
		return nil, fmt.Errorf("make directory of lock: %w", err)
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, ErrLocked
		}
		return nil, fmt.Errorf("lock %s: %w", file, err)
	}
	return func() { f.Close() }, nil
}
