package cache

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// roots is the directory of links to the directories that point into the cache.
const roots = ".roots"

// KeepFor records that the links in dir point to entries, which Prune will keep
// for as long as those links are there.
func (c Cache) KeepFor(dir string) error {
	parent := filepath.Join(c.Dir, roots)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return fmt.Errorf("make the cache: %w", err)
	}
	sum := sha256.Sum256([]byte(dir))
	err := os.Symlink(dir, filepath.Join(parent, hex.EncodeToString(sum[:8])))
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("record the use of the cache by %s: %w", dir, err)
	}
	return nil
}

// Prune removes the entries of the artifact name that nothing needs: all but the
// newest ones, those that a recorded directory points to, and those that are
// mounted anywhere on the machine (in a container, an old node's root). The
// newest are the keep ones that were used last.
func (c Cache) Prune(ctx context.Context, name string, keep int) error {
	parent := filepath.Join(c.Dir, name)
	if len(c.entries(name)) <= keep {
		return nil
	}
	unlock, err := lock(ctx, filepath.Join(parent, ".lock"), func() {})
	if err != nil {
		return fmt.Errorf("lock the cache of %s: %w", name, err)
	}
	defer unlock()
	found := c.entries(name)
	slices.SortFunc(found, func(a, b entry) int { return b.used.Compare(a.used) })
	linked, mounts := c.linked(), mounts()
	for _, e := range found[min(keep, len(found)):] {
		// Keys are unique, so the key alone is looked for: mountinfo shows paths
		// from the root of the file system, wherever that is mounted.
		if linked[e.path] || bytes.Contains(mounts, []byte(filepath.Base(e.path))) {
			continue
		}
		// A rename first: an entry is whole or not there at all.
		dying := filepath.Join(parent, building+filepath.Base(e.path))
		if err := os.Rename(e.path, dying); err != nil {
			return fmt.Errorf("prune the cache: %w", err)
		}
		if err := os.RemoveAll(dying); err != nil {
			return fmt.Errorf("prune the cache: %w", err)
		}
	}
	return nil
}

type entry struct {
	path string
	used time.Time
}

// entries returns what the cache holds of one artifact.
func (c Cache) entries(name string) []entry {
	parent := filepath.Join(c.Dir, name)
	files, _ := os.ReadDir(parent)
	var found []entry
	for _, f := range files {
		info, err := f.Info()
		if err != nil || !f.IsDir() || strings.HasPrefix(f.Name(), ".") {
			continue
		}
		found = append(found, entry{filepath.Join(parent, f.Name()), info.ModTime()})
	}
	return found
}

// linked returns the entries that the links in recorded directories point to, and
// forgets directories that are gone.
func (c Cache) linked() map[string]bool {
	inUse := map[string]bool{}
	records, _ := filepath.Glob(filepath.Join(c.Dir, roots, "*"))
	for _, record := range records {
		dir, err := os.Readlink(record)
		if err != nil {
			continue
		}
		links, err := os.ReadDir(dir)
		if errors.Is(err, fs.ErrNotExist) {
			os.Remove(record)
			continue
		}
		for _, l := range links {
			target, err := os.Readlink(filepath.Join(dir, l.Name()))
			if err != nil {
				continue
			}
			rel, err := filepath.Rel(c.Dir, target)
			if err != nil {
				continue
			}
			if elem := strings.SplitN(rel, "/", 3); len(elem) >= 2 {
				inUse[filepath.Join(c.Dir, elem[0], elem[1])] = true
			}
		}
	}
	return inUse
}

// mounts is the text of the mount tables of all processes that this one may look at.
func mounts() []byte {
	var all bytes.Buffer
	tables, _ := filepath.Glob("/proc/[0-9]*/mountinfo")
	for _, t := range tables {
		text, err := os.ReadFile(t)
		if err == nil { // else it has ended, or belongs to somebody else
			all.Write(text)
		}
	}
	return all.Bytes()
}
