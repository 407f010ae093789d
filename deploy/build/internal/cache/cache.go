// Package cache keeps built files under the hash of everything that went into
// them, so that a fresh clone, another branch or another user of the machine's
// account finds them without building again.
//
// An entry is a directory <cache>/<name>/<key>. It appears whole or not at all
// and is never changed afterwards. Several processes may use one cache at a
// time.
package cache

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// building begins the names of directories that hold a build in progress, or the
// remains of one that was killed.
const building = ".building-"

// Cache is a directory of entries. It is a value without state.
type Cache struct {
	Dir string // absolute
}

// Open returns the cache of the current user.
func Open() (Cache, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return Cache{}, fmt.Errorf("find the user's cache directory (set HOME or XDG_CACHE_HOME): %w", err)
	}
	return Cache{Dir: filepath.Join(dir, "marina")}, nil
}

// Entry is where the artifact name with this key lies once it is built.
func (c Cache) Entry(name, key string) string { return filepath.Join(c.Dir, name, key) }

// Has reports whether an entry is there, and marks it as used now.
func (c Cache) Has(name, key string) bool {
	now := time.Now()
	return os.Chtimes(c.Entry(name, key), now, now) == nil
}

// Build makes an entry if it is not there: it calls build with an empty directory
// and publishes that directory if build returns nil. When another process is
// building an artifact of this name, waiting is called once and Build waits until
// that one is done. It reports whether build was called.
func (c Cache) Build(ctx context.Context, name, key string, waiting func(), build func(dir string) error) (built bool, err error) {
	if c.Has(name, key) {
		return false, nil
	}
	parent := filepath.Join(c.Dir, name)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return false, fmt.Errorf("make the cache: %w", err)
	}
	unlock, err := lock(ctx, filepath.Join(parent, ".lock"), waiting)
	if err != nil {
		return false, fmt.Errorf("lock the cache of %s: %w", name, err)
	}
	defer unlock()
	if c.Has(name, key) {
		return false, nil
	}
	if err := removeRemains(parent); err != nil {
		return false, err
	}
	dir, err := os.MkdirTemp(parent, building)
	if err != nil {
		return false, fmt.Errorf("make a directory to build %s in: %w", name, err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		return false, fmt.Errorf("make a directory to build %s in: %w", name, err)
	}
	if err := build(dir); err != nil {
		return true, err
	}
	// The entry's name promises its content for ever: it must not become visible
	// before the content would survive a power cut.
	if err := sync(dir); err != nil {
		return true, fmt.Errorf("write %s to disk: %w", name, err)
	}
	if err := os.Rename(dir, c.Entry(name, key)); err != nil {
		return true, fmt.Errorf("publish %s: %w", name, err)
	}
	return true, nil
}

// removeRemains removes what killed builds left in parent. The caller holds the lock.
func removeRemains(parent string) error {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return fmt.Errorf("read the cache: %w", err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), building) {
			if err := os.RemoveAll(filepath.Join(parent, e.Name())); err != nil {
				return fmt.Errorf("remove the remains of a build: %w", err)
			}
		}
	}
	return nil
}

func sync(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !(d.Type().IsRegular() || d.IsDir()) {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		return f.Sync()
	})
}

// lock takes an exclusive lock that the kernel lets go of when the process dies.
func lock(ctx context.Context, path string, waiting func()) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	for first := true; ; first = false {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			f.Close()
			return nil, err
		}
		if first {
			waiting()
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}
