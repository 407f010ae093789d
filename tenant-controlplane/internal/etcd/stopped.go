package etcd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// fromStopped copies an etcd that does not run. While its files are copied, it
// cannot start: it waits for the lock on its database.
func fromStopped(ctx context.Context, s Source, file, scratch string) (revision int64, err error) {
	root, err := os.OpenRoot(s.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, ErrNothing
	}
	if err != nil {
		return 0, fmt.Errorf("open etcd's data: %w", err)
	}
	defer root.Close()
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	if err := copyFiles(ctx, root, scratch); err != nil {
		return 0, err
	}
	c, err := run(ctx, s.Program, "snapshot", "--data-dir", scratch, "--file", file)
	if err != nil {
		return 0, fmt.Errorf("copy an etcd that does not run: %w", err)
	}
	return c.Revision, nil
}

// What an etcd keeps, below its directory.
var (
	database    = filepath.Join("member", "snap", "db")
	directories = []string{filepath.Join("member", "snap"), filepath.Join("member", "wal")}
)

// copyFiles copies the files of an etcd while it is locked out.
func copyFiles(ctx context.Context, root *os.Root, to string) error {
	// bbolt takes the same lock, for as long as it has the database open.
	db, err := root.OpenFile(database, os.O_RDWR|unix.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return ErrNothing
	}
	if err != nil {
		return fmt.Errorf("open etcd's database: %w", err)
	}
	defer db.Close()
	if err := unix.Flock(int(db.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			return errBusy
		}
		return fmt.Errorf("lock etcd's database: %w", err)
	}
	for _, dir := range directories {
		if err := os.MkdirAll(filepath.Join(to, dir), 0o700); err != nil {
			return fmt.Errorf("make a directory for the copy: %w", err)
		}
		entries, err := fs.ReadDir(root.FS(), filepath.ToSlash(dir))
		if err != nil {
			return fmt.Errorf("list etcd's data: %w", err)
		}
		for _, e := range entries {
			if !e.Type().IsRegular() {
				continue // etcd makes none; whatever else made one may want us to follow it
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			name := filepath.Join(dir, e.Name())
			if err := copyFile(root, name, filepath.Join(to, name)); err != nil {
				return err
			}
		}
	}
	return nil
}

func copyFile(root *os.Root, name, to string) error {
	// What it is was seen before: it may be a pipe by now, which is not waited for.
	from, err := root.OpenFile(name, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return fmt.Errorf("open etcd's data: %w", err)
	}
	defer from.Close()
	if info, err := from.Stat(); err != nil || !info.Mode().IsRegular() {
		return errors.Join(fmt.Errorf("open etcd's data: %s is no file", name), err)
	}
	f, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("copy etcd's data: %w", err)
	}
	_, err = io.Copy(f, from)
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("copy etcd's data: %w", err)
	}
	return nil
}
