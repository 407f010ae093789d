package backup

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/marina-cloud/marina/internal/home"
)

// Files of backups are named after the home and the time, so that several
// installations may share a directory, and names sort by age.
const (
	suffix = ".marina-backup"
	stamp  = "20060102T150405Z"
)

// Saved is a backup in a directory.
type Saved struct {
	File    string    `json:"file"`
	Home    string    `json:"home"` // eight digits that stand for the home it was made of
	Created time.Time `json:"created"`
	Bytes   int64     `json:"bytes"`
}

func fileName(h home.Home, at time.Time) string {
	return "marina-" + h.Name() + "-" + at.UTC().Format(stamp) + suffix
}

// parseName is the reverse of fileName.
func parseName(name string) (homeName string, at time.Time, ok bool) {
	rest, ok1 := strings.CutPrefix(name, "marina-")
	rest, ok2 := strings.CutSuffix(rest, suffix)
	homeName, when, ok3 := strings.Cut(rest, "-")
	at, err := time.Parse(stamp, when)
	return homeName, at, ok1 && ok2 && ok3 && err == nil && len(homeName) == 8
}

// List returns the backups in a directory, the oldest first.
func List(dir string) ([]Saved, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("list backups: %w", err)
	}
	var all []Saved
	for _, e := range entries {
		name, at, ok := parseName(e.Name())
		if !ok || !e.Type().IsRegular() {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("list backups: %w", err)
		}
		all = append(all, Saved{File: filepath.Join(dir, e.Name()), Home: name, Created: at, Bytes: info.Size()})
	}
	slices.SortFunc(all, func(a, b Saved) int { return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.File, b.File)) })
	return all, nil
}

// surplus returns the oldest backups of a home beyond the newest keep.
func surplus(all []Saved, homeName string, keep int) []Saved {
	own := slices.DeleteFunc(slices.Clone(all), func(s Saved) bool { return s.Home != homeName })
	return own[:max(0, len(own)-keep)]
}

// target is where a backup goes.
type target struct {
	file    string
	partial string
	dir     bool // the operator named the directory, and we the file
}

// place decides where a backup goes that the operator wants at to.
func place(h home.Home, to string, at time.Time) (t target, err error) {
	info, err := os.Stat(to)
	switch {
	case err == nil && info.IsDir():
		t.file, t.dir = filepath.Join(to, fileName(h, at)), true
	case err == nil:
		return t, fmt.Errorf("%s exists already: name another file, or a directory", to)
	case !errors.Is(err, fs.ErrNotExist):
		return t, fmt.Errorf("look at %s: %w", to, err)
	case strings.HasSuffix(to, "/"):
		return t, fmt.Errorf("there is no directory %s: make it first", to)
	default:
		t.file = to
	}
	if t.file, err = filepath.Abs(t.file); err != nil {
		return t, fmt.Errorf("look at %s: %w", to, err)
	}
	real, err := filepath.EvalSymlinks(filepath.Dir(t.file))
	if err != nil {
		return t, fmt.Errorf("look at %s: %w", to, err)
	}
	if inside, err := filepath.Rel(h.Dir, real); err == nil && filepath.IsLocal(inside) {
		return t, fmt.Errorf("%s lies in the home %s, with which it would be lost: name a place on another disk", t.file, h.Dir)
	}
	t.partial = filepath.Join(filepath.Dir(t.file), ".marina-"+h.Name()+".partial")
	return t, nil
}

// publish makes a finished file the backup. It is on the disk for good when this
// returns.
func (t target) publish(f *os.File) error {
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write the backup: %w", err)
	}
	if err := os.Rename(t.partial, t.file); err != nil {
		return fmt.Errorf("put the backup in its place: %w", err)
	}
	d, err := os.Open(filepath.Dir(t.file))
	if err != nil {
		return fmt.Errorf("write the backup: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("write the backup: %w", err)
	}
	return nil
}
