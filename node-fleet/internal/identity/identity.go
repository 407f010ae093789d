// Package identity keeps the directory of nodes whose identity certificates are
// let in: a file per node, named by its id, that holds its cluster's id. The
// router looks there for every connection of a node, so that removing a file
// revokes a certificate at once. The directory is lost at a reboot and made anew
// from Postgres.
package identity

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/marina-cloud/marina/internal/tenant"
	fleet "github.com/marina-cloud/marina/node-fleet"
)

// Dir is the directory. It is safe for concurrent use.
type Dir string

// Grant lets a node in.
func (d Dir) Grant(node tenant.NodeID, cluster tenant.ClusterID) error {
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return fmt.Errorf("make directory of identities: %w", err)
	}
	next := filepath.Join(string(d), "."+string(node))
	if err := os.WriteFile(next, []byte(cluster), 0o600); err != nil {
		return fmt.Errorf("write identity of %s: %w", node, err)
	}
	if err := os.Rename(next, d.path(node)); err != nil {
		return fmt.Errorf("grant identity of %s: %w", node, err)
	}
	return nil
}

// Revoke shuts a node out; it is no error that it is not let in.
func (d Dir) Revoke(node tenant.NodeID) error {
	if err := os.Remove(d.path(node)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("revoke identity of %s: %w", node, err)
	}
	return nil
}

// Granted reports whether a node is let in.
func (d Dir) Granted(node tenant.NodeID) (bool, error) {
	_, err := os.Stat(d.path(node))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for identity of %s: %w", node, err)
	}
	return true, nil
}

// Restore lets in what is in nodes, and nothing else. It is for the time before
// nodes can join or go.
func (d Dir) Restore(nodes []fleet.Node) error {
	wanted := map[string]bool{}
	for _, n := range nodes {
		wanted[string(n.ID)] = true
		if err := d.Grant(n.ID, n.Cluster); err != nil {
			return err
		}
	}
	entries, err := os.ReadDir(string(d))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("list identities: %w", err)
	}
	for _, e := range entries {
		if wanted[e.Name()] {
			continue
		}
		if err := os.Remove(filepath.Join(string(d), e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("revoke identity of %s: %w", e.Name(), err)
		}
	}
	return nil
}

func (d Dir) path(node tenant.NodeID) string { return filepath.Join(string(d), string(node)) }
