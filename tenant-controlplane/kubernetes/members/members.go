// Package members shuts out machines that are no longer part of the cluster.
//
// A certificate is good until it ends: 24 hours for a kubelet's, 30 days for that
// of a node's tunnel. Kubernetes knows no revocation, and a kubelet's certificate
// may make its Node object again. So the hosting layer keeps a directory with an
// empty file for each node that is part of the cluster, named like the node.
// Taking the file away ends all that the node's certificates are good for, at
// once, and cuts what is open.
package members

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"k8s.io/klog/v2"
)

// recheck is how soon what is open is cut after a node has left.
const recheck = 500 * time.Millisecond

// Directory knows the members. It is safe for concurrent use.
type Directory struct {
	path string

	mu      sync.Mutex
	visits  map[string]map[*visit]struct{} // what is open, by the node's name
	looking bool                           // a goroutine looks after visits
}

// visit is something of a node's that is open.
type visit struct{ cut context.CancelFunc }

// At returns the members in the directory at path. With an empty path everybody
// is one: a control plane without nodes keeps no directory.
func At(path string) *Directory {
	return &Directory{path: path, visits: map[string]map[*visit]struct{}{}}
}

// has reports whether a node is a member. A directory that cannot be read lets
// nobody in.
func (d *Directory) has(name string) bool {
	if d.path == "" {
		return true
	}
	if name == "" || strings.HasPrefix(name, ".") || strings.ContainsRune(name, '/') {
		return false
	}
	_, err := os.Stat(filepath.Join(d.path, name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		klog.ErrorS(err, "Members of the cluster cannot be read", "node", name)
	}
	return err == nil
}

// enter returns a context that ends when the node stops to be a member; leave must
// follow if, and only if, ok.
func (d *Directory) enter(ctx context.Context, name string) (_ context.Context, leave func(), ok bool) {
	ctx, cut := context.WithCancel(ctx)
	v := &visit{cut}
	d.mu.Lock()
	defer d.mu.Unlock()
	// Looked for under the lock: a node that leaves after this is found by look.
	if !d.has(name) {
		cut()
		return nil, nil, false
	}
	if d.visits[name] == nil {
		d.visits[name] = map[*visit]struct{}{}
	}
	d.visits[name][v] = struct{}{}
	if !d.looking && d.path != "" {
		d.looking = true
		go d.look()
	}
	return ctx, func() {
		cut()
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.visits[name], v)
		if len(d.visits[name]) == 0 {
			delete(d.visits, name)
		}
	}, true
}

// look cuts what is open of nodes that have left, until nothing is open.
func (d *Directory) look() {
	tick := time.NewTicker(recheck)
	defer tick.Stop()
	for range tick.C {
		if !d.sweep() {
			return
		}
	}
}

// sweep looks once, and reports whether to look again.
func (d *Directory) sweep() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for name, open := range d.visits {
		if d.has(name) {
			continue
		}
		for v := range open {
			v.cut()
		}
	}
	d.looking = len(d.visits) > 0
	return d.looking
}
