// Package route is how the control plane tells the router where a cluster's
// connections go.
//
// A route is one small file per cluster, replaced atomically. The router reads
// it for each new connection: nothing has to be pushed, a change holds for the
// next connection, and a router that was restarted knows everything.
package route

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"

	"github.com/marina-cloud/marina/internal/tenant"
)

// Route is where the connections of one cluster go.
type Route struct {
	API    string `json:"api"`    // unix socket of the API server; wants PROXY protocol v2, then TLS
	Tunnel string `json:"tunnel"` // unix socket of the konnectivity server; wants TLS at once

	Networks []netip.Prefix `json:"networks,omitempty"` // from which people reach the API server; none: from everywhere
}

// Equal reports whether both say the same.
func (r Route) Equal(o Route) bool {
	return r.API == o.API && r.Tunnel == o.Tunnel && slices.Equal(r.Networks, o.Networks)
}

// Publish makes r the route of a cluster, in the directory dir.
func Publish(dir string, id tenant.ClusterID, r Route) error {
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode route of %s: %w", id, err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make directory of routes: %w", err)
	}
	next := unpublished(dir, id)
	if err := os.WriteFile(next, data, 0o600); err != nil {
		return fmt.Errorf("write route of %s: %w", id, err)
	}
	if err := os.Rename(next, filepath.Join(dir, string(id))); err != nil {
		return fmt.Errorf("publish route of %s: %w", id, err)
	}
	return nil
}

// Withdraw removes the route of a cluster; it is no error that there is none.
func Withdraw(dir string, id tenant.ClusterID) error {
	for _, file := range []string{filepath.Join(dir, string(id)), unpublished(dir, id)} {
		if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("withdraw route of %s: %w", id, err)
		}
	}
	return nil
}

// unpublished is a route's file until it is whole. It is left behind by a process
// that dies meanwhile.
func unpublished(dir string, id tenant.ClusterID) string { return filepath.Join(dir, "."+string(id)) }

// Find returns the route of a cluster; ok is false when there is none.
func Find(dir string, id tenant.ClusterID) (r Route, ok bool, err error) {
	data, err := os.ReadFile(filepath.Join(dir, string(id)))
	if errors.Is(err, fs.ErrNotExist) {
		return Route{}, false, nil
	}
	if err != nil {
		return Route{}, false, fmt.Errorf("read route of %s: %w", id, err)
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return Route{}, false, fmt.Errorf("decode route of %s: %w", id, err)
	}
	return r, true, nil
}
