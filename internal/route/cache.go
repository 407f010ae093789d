package route

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/marina-cloud/marina/internal/tenant"
)

// Cache finds routes as Find does, and reads and decodes a file only when it is
// another one than before. Its methods are safe for concurrent use.
type Cache struct {
	Dir string

	mu    sync.Mutex
	known map[tenant.ClusterID]known
}

// known is a route, and the file that it was read from.
type known struct {
	file  fs.FileInfo
	route Route
}

// settled is how old a file must be for its times to tell it from its successors:
// clocks of file systems tick in milliseconds, and a file's number is given out again.
const settled = time.Second

// Find returns the route of a cluster; ok is false when there is none. Whoever gets it
// changes nothing of it.
func (c *Cache) Find(id tenant.ClusterID) (r Route, ok bool, err error) {
	file, err := os.Stat(filepath.Join(c.Dir, string(id)))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Find(c.Dir, id) // which says what is wrong
	}
	c.mu.Lock()
	before, hit := c.known[id]
	if err != nil {
		delete(c.known, id)
	}
	c.mu.Unlock()
	if err != nil {
		return Route{}, false, nil
	}
	if hit && os.SameFile(before.file, file) && before.file.ModTime().Equal(file.ModTime()) && before.file.Size() == file.Size() {
		return before.route, true, nil
	}
	r, ok, err = Find(c.Dir, id)
	if ok && time.Since(file.ModTime()) > settled {
		c.remember(id, known{file, r})
	}
	return r, ok, err
}

func (c *Cache) remember(id tenant.ClusterID, k known) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known == nil {
		c.known = map[tenant.ClusterID]known{}
	}
	c.known[id] = k
}
