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

	"k8s.io/klog/v2"

	"github.com/marina-cloud/marina/tenant-controlplane/kubernetes/visits"
)

// Directory knows the members. It is safe for concurrent use.
type Directory struct {
	path string
	open *visits.Register // by the node's name
}

// At returns the members in the directory at path. With an empty path everybody
// is one: a control plane without nodes keeps no directory.
func At(path string) *Directory {
	d := &Directory{path: path}
	d.open = visits.New(d.has)
	return d
}

// has reports whether a node is a member. A directory that cannot be read lets
// nobody in.
func (d *Directory) has(name string) bool {
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
	if d.path == "" {
		return ctx, func() {}, true
	}
	ctx, cut := context.WithCancel(ctx)
	left, ok := d.open.Enter(name, cut)
	if !ok {
		cut()
		return nil, nil, false
	}
	return ctx, func() {
		cut()
		left()
	}, true
}
