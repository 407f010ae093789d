package seal

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// ErrMasterKey says that data keys were wrapped by another master than the
// one that was given, or were altered.
var ErrMasterKey = errors.New("the master key does not open the keys in the database: restore the master key file that belongs to this database, or name the Vault, mount and key that sealed them")

// readMaster reads the master key, 32 bytes, from a file that nobody but its
// owner can read. An absent file is an fs.ErrNotExist.
func readMaster(path string) (*box, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, fmt.Errorf("open master key: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("look at master key %s: %w", path, err)
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("master key %s is no regular file", path)
	case info.Mode().Perm()&0o077 != 0:
		return nil, fmt.Errorf("master key %s has mode %04o, so that others can read it: consider it known, or chmod 0600 it", path, info.Mode().Perm())
	case ok && int(owner.Uid) != os.Geteuid():
		return nil, fmt.Errorf("master key %s belongs to user %d: chown it to the user that runs marina (%d)", path, owner.Uid, os.Geteuid())
	}
	var key [keySize + 1]byte // one more, to notice a longer file
	if n, err := io.ReadFull(f, key[:]); n != keySize || !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, fmt.Errorf("master key %s must hold exactly %d bytes: restore it from a backup", path, keySize)
	}
	return newBox([keySize]byte(key[:keySize])), nil
}

// unfinished are the names of master keys that are just being made.
const unfinished = ".master-*"

// createMaster makes a master key at path, unless there is one. It is on the disk
// for good when this returns, for what is wrapped with it will be, too.
func createMaster(path string) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make directory of the master key: %w", err)
	}
	unlock, err := lockDirectory(dir)
	if err != nil {
		return fmt.Errorf("make master key: %w", err)
	}
	defer unlock()
	f, err := os.CreateTemp(dir, unfinished) // mode 0600
	if err != nil {
		return fmt.Errorf("make master key: %w", err)
	}
	defer os.Remove(f.Name())
	var key [keySize]byte
	_, _ = rand.Read(key[:]) // never fails
	_, err = f.Write(key[:])
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write master key: %w", err)
	}
	// A link does not replace what somebody else has put there meanwhile.
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("write master key: %w", err)
	}
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("write master key: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("write master key: %w", err)
	}
	return nil
}

// sweepMasters removes what createMaster left beside path when its process was
// killed: a key that was never used, or one more name of the master key.
func sweepMasters(path string) error {
	dir := filepath.Dir(path)
	unlock, err := lockDirectory(dir)
	if err != nil {
		return fmt.Errorf("look for unfinished master keys: %w", err)
	}
	defer unlock()
	left, err := filepath.Glob(filepath.Join(dir, unfinished))
	for _, f := range left {
		err = errors.Join(err, os.Remove(f))
	}
	return err
}

// lockDirectory keeps other processes from making master keys in a directory.
func lockDirectory(dir string) (unlock func(), err error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(d.Fd()), unix.LOCK_EX); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", dir, err), d.Close())
	}
	return func() { _ = d.Close() }, nil
}
