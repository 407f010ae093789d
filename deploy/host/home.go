package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/marina-cloud/marina/internal/home"
)

// LockFile is locked for as long as a server runs in a home. That it exists marks
// a directory as a home.
func LockFile(h home.Home) string { return h.Path(lockName) }

const lockName = "marina.lock"

// Claim makes a directory a home, unless it holds somebody's files: those would be
// deleted together with the installation. It may be called again.
func Claim(h home.Home) error {
	decided, err := decide(h)
	if err != nil {
		return err
	}
	defer decided()
	if err := refuseForeign(h); err != nil {
		return err
	}
	if err := Whole(h); err != nil {
		return err
	}
	f, err := os.OpenFile(LockFile(h), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("mark %s as a home: %w", h.Dir, err)
	}
	return f.Close()
}

// decide makes the directory, and keeps others from deciding what it is to be, a new
// home or one to restore into, until decided is called. It locks the directory: a file
// in it would say that somebody has decided.
func decide(h home.Home) (decided func(), err error) {
	if err := os.MkdirAll(h.Dir, 0o711); err != nil {
		return nil, fmt.Errorf("make the home: %w", err)
	}
	dir, err := os.Open(h.Dir)
	if err != nil {
		return nil, fmt.Errorf("open the home: %w", err)
	}
	if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", h.Dir, err), dir.Close())
	}
	return func() { _ = dir.Close() }, nil
}

// harmless are what may lie in a directory before it becomes a home: a log-in to
// another machine's Marina, what mkfs leaves on a disk, and the mark of a restore
// that was interrupted at once.
var harmless = map[string]bool{"login.json": true, "lost+found": true, restoringName: true}

// refuseForeign keeps a mistyped --home from deleting somebody's files.
func refuseForeign(h home.Home) error {
	claimed, err := isClaimed(h)
	if err != nil || claimed {
		return err
	}
	entries, err := os.ReadDir(h.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look into %s: %w", h.Dir, err)
	}
	for _, e := range entries {
		if !harmless[e.Name()] {
			return fmt.Errorf("%s is not the home of a Marina installation but holds other files, so it is left alone: name another directory with --home", h.Dir)
		}
	}
	return nil
}

func isClaimed(h home.Home) (bool, error) {
	_, err := os.Lstat(LockFile(h))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look into %s: %w", h.Dir, err)
	}
	return true, nil
}

// purge deletes a home, its mark last: a purge that was interrupted can be done
// again. A disk that is mounted there stays, empty.
func purge(h home.Home) error {
	entries, err := os.ReadDir(h.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("delete data: %w", err)
	}
	for _, e := range entries {
		if path := h.Path(e.Name()); path != LockFile(h) && e.Name() != "lost+found" {
			if err := os.RemoveAll(path); err != nil {
				return fmt.Errorf("delete data: %w", err)
			}
		}
	}
	if err := os.RemoveAll(LockFile(h)); err != nil {
		return fmt.Errorf("delete data: %w", err)
	}
	if err := os.Remove(h.Dir); err != nil && !errors.Is(err, unix.EBUSY) && !errors.Is(err, unix.ENOTEMPTY) {
		return fmt.Errorf("delete data: %w", err)
	}
	return nil
}
