package main

import (
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
)

// rootFS fills a directory. After the first error its methods do nothing.
type rootFS struct {
	dir string
	err error
}

func (r *rootFS) do(what string, f func() error) {
	if r.err != nil {
		return
	}
	if err := f(); err != nil {
		r.err = fmt.Errorf("%s: %w", what, err)
	}
}

func (r *rootFS) mkdir(dir string) {
	r.do("make /"+dir, func() error { return os.MkdirAll(filepath.Join(r.dir, dir), 0o755) })
}

// link makes a symbolic link unless there is a file of that name.
func (r *rootFS) link(target, name string) {
	r.do("link /"+name, func() error {
		err := os.Symlink(target, filepath.Join(r.dir, name))
		if errors.Is(err, fs.ErrExist) {
			return nil
		}
		return err
	})
}

// all puts every file of a built artifact into dir. Entries of the cache never
// change, so a second name for the same file costs nothing.
func (r *rootFS) all(from, dir string) {
	r.mkdir(dir)
	r.do("fill /"+dir, func() error {
		files, err := os.ReadDir(from)
		if err != nil {
			return err
		}
		for _, f := range files {
			src, dst := filepath.Join(from, f.Name()), filepath.Join(r.dir, dir, f.Name())
			err := os.Link(src, dst)
			if errors.Is(err, syscall.EXDEV) || errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EMLINK) {
				err = copyFile(src, dst)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func (r *rootFS) copy(from, to string) {
	r.mkdir(path.Dir(to))
	r.do("copy "+from, func() error { return copyFile(from, filepath.Join(r.dir, to)) })
}

// copyFile copies content, permissions and time of modification. It follows links.
func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	// A set-user-id bit (mount has one) is of no use in a machine where all is root.
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, info.Mode().Perm())
	if err != nil {
		return err
	}
	defer out.Close()
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	if err := out.Close(); err != nil {
		return err
	}
	return errors.Join(os.Chmod(to, info.Mode().Perm()), os.Chtimes(to, info.ModTime(), info.ModTime()))
}

// embedded copies the files of a directory that is embedded in this program.
func (r *rootFS) embedded(from embed.FS, dir, to string) {
	r.mkdir(to)
	r.do("copy "+dir, func() error {
		return fs.WalkDir(from, dir, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			content, err := from.ReadFile(name)
			if err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(r.dir, to, strings.TrimPrefix(name, dir)), content, 0o644)
		})
	})
}
