package runc

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
)

// OpenLog opens a file for a container's output, made when absent with mode
// 0600. It appends, which Rotate depends on: after a truncation the container,
// which holds the same open file, goes on at the new end.
func OpenLog(path string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make directory of logs: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	return f, nil
}

// Rotate copies the log at path to path.1 when it is larger than limit bytes,
// after moving path.1 to path.2 and so on up to path.<keep>, and then empties
// it. Nobody has to be told: the container keeps its open file. What is written
// between the copy and the truncation is lost, which a log may lose, and so is
// the beginning of a log that outgrew twice the limit.
// It reports whether it rotated; an absent log is not rotated.
func Rotate(path string, limit int64, keep int) (bool, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) || (err == nil && info.Size() <= limit) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("rotate log: %w", err)
	}
	for n := keep - 1; n >= 1; n-- {
		if err := os.Rename(numbered(path, n), numbered(path, n+1)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false, fmt.Errorf("rotate log: %w", err)
		}
	}
	if keep > 0 {
		if err := copyTail(path, numbered(path, 1), 2*limit); err != nil {
			return false, fmt.Errorf("rotate log: %w", err)
		}
	}
	if err := os.Truncate(path, 0); err != nil {
		return false, fmt.Errorf("rotate log: %w", err)
	}
	return true, nil
}

func numbered(path string, n int) string { return path + "." + strconv.Itoa(n) }

// copyTail copies the last n bytes of a file at most. A container may take the
// append flag off its open file and write a byte at an offset of its choice: the
// log is then as large as it likes, without a byte on the disk.
func copyTail(from, to string, n int64) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	if _, err := in.Seek(max(0, info.Size()-n), io.SeekStart); err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, io.LimitReader(in, n))
	return errors.Join(err, out.Close())
}

// Tail returns up to the last n bytes of the log at path; none when it cannot be
// read.
func Tail(path string, n int64) []byte {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil
	}
	from := max(0, info.Size()-n)
	data := make([]byte, info.Size()-from)
	read, err := f.ReadAt(data, from)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil
	}
	return data[:read]
}
