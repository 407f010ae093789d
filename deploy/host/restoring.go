package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/marina-cloud/marina/internal/home"
)

// RestoringFile marks a home into which a backup is being restored. Nothing may
// run there until it is gone again.
func RestoringFile(h home.Home) string { return h.Path(restoringName) }

const restoringName = "restoring"

// Whole returns an error that says what to do about a home into which a backup was
// restored only in part.
func Whole(h home.Home) error {
	switch _, err := os.Lstat(RestoringFile(h)); {
	case err == nil:
		return fmt.Errorf("a backup was being restored into %s, and that was not finished: run the same `marina restore` again, which starts over", h.Dir)
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("look into %s: %w", h.Dir, err)
	}
	return nil
}

// BeginRestore takes an empty directory, or one with what an interrupted restore
// left, as a home to restore a backup into, and keeps everybody else out of it. It
// ends with EndRestore; GiveUpRestore makes the directory empty again.
func BeginRestore(h home.Home) (release func(), err error) {
	decided, err := decide(h)
	if err != nil {
		return nil, err
	}
	defer decided()
	half := Whole(h)
	claimed, err := isClaimed(h)
	if err == nil && claimed && half == nil {
		err = fmt.Errorf("%s holds an installation, and a backup is only restored into an empty home: name another one with --home, or delete that with `marina down --purge`", h.Dir)
	}
	if err == nil {
		err = refuseForeign(h)
	}
	if err != nil {
		return nil, err
	}
	// The mark comes before everything else: what is here without it is whole.
	if err := os.WriteFile(RestoringFile(h), nil, 0o600); err != nil {
		return nil, fmt.Errorf("mark %s as half restored: %w", h.Dir, err)
	}
	if err := syncDir(h.Dir); err != nil {
		return nil, err
	}
	release, err = Lock(LockFile(h))
	if errors.Is(err, ErrLocked) {
		err = fmt.Errorf("another command works in %s: wait until it has ended", h.Dir)
	}
	if err != nil {
		return nil, err
	}
	if err := empty(h); err != nil {
		release()
		return nil, err
	}
	return release, nil
}

// EndRestore makes a restored home usable, once all of it is on the disk.
func EndRestore(h home.Home) error {
	if err := os.Remove(RestoringFile(h)); err != nil {
		return fmt.Errorf("take the mark off a restored home: %w", err)
	}
	return syncDir(h.Dir)
}

// GiveUpRestore empties a home again into which a backup could not be restored.
func GiveUpRestore(h home.Home) error {
	if err := empty(h); err != nil {
		return err
	}
	return errors.Join(os.Remove(LockFile(h)), os.Remove(RestoringFile(h)))
}

// empty empties a home but for its marks and what may lie in a fresh one.
func empty(h home.Home) error {
	entries, err := os.ReadDir(h.Dir)
	if err != nil {
		return fmt.Errorf("empty %s: %w", h.Dir, err)
	}
	for _, e := range entries {
		if path := h.Path(e.Name()); path != LockFile(h) && !harmless[e.Name()] {
			if err := os.RemoveAll(path); err != nil {
				return fmt.Errorf("empty %s: %w", h.Dir, err)
			}
		}
	}
	return nil
}

// MakeDirectories makes what every server of a home needs. Others may pass
// through, to sockets and data of their own, but not look around.
func MakeDirectories(h home.Home) error {
	for _, dir := range []string{h.Dir, h.Path("log"), filepath.Dir(h.Run()), h.Run()} {
		if err := os.MkdirAll(dir, 0o711); err != nil {
			return fmt.Errorf("make %s: %w", dir, err)
		}
		if err := os.Chmod(dir, 0o711); err != nil { // whatever the umask was
			return fmt.Errorf("make %s: %w", dir, err)
		}
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("write down %s: %w", dir, err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("write down %s: %w", dir, err)
	}
	return nil
}

// IsMark reports whether a file of this name in a home means something to this
// package.
func IsMark(name string) bool { return name == restoringName || name == lockName }
