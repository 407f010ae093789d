package route

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// NoteUse notes in a file that a cluster is in use now. The router calls it, which
// has no database, and must know clusters in use also when all of Marina is gone at
// once. It makes no directory: where a cluster has no data, it is gone. What is
// written is a time of an inode, and is not waited for until it is on the disk: a
// note that is lost costs the cluster its place in a queue, nothing else.
func NoteUse(file string) error {
	now := time.Now()
	err := os.Chtimes(file, now, now)
	if !errors.Is(err, fs.ErrNotExist) {
		return noted(err)
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return noted(err)
	}
	return noted(f.Close())
}

func noted(err error) error {
	if err != nil {
		return fmt.Errorf("note that a cluster is in use: %w", err)
	}
	return nil
}

// LastUse returns when NoteUse was called for a file last; zero: never.
func LastUse(file string) (time.Time, error) {
	info, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("find out when a cluster was used: %w", err)
	}
	return info.ModTime(), nil
}
