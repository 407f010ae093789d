// Package identity keeps the directories of nodes that are let in. There are two
// kinds: one that the router looks into for every connection of a node's machine,
// with a file per node, named by its id, that holds its cluster's id; and one for
// each cluster, that the cluster's control plane looks into for every request of a
// node's, with an empty file per node, named like it. Removing the files revokes
// all certificates of a machine at once. The directories are lost at a reboot and
// made anew from Postgres.
package identity

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/marina-cloud/marina/internal/home"
	"github.com/marina-cloud/marina/internal/tenant"
	fleet "github.com/marina-cloud/marina/node-fleet"
)

// Dirs are the directories of a home. They are safe for concurrent use.
type Dirs struct{ Home home.Home }

// Grant lets a node in.
func (d Dirs) Grant(n fleet.Node) error {
	if err := put(d.member(n), ""); err != nil {
		return fmt.Errorf("grant identity of %s: %w", n.ID, err)
	}
	if err := put(d.node(n.ID), string(n.Cluster)); err != nil {
		return fmt.Errorf("grant identity of %s: %w", n.ID, err)
	}
	return nil
}

// Revoke shuts a node out; it is no error that it is not let in.
func (d Dirs) Revoke(n fleet.Node) error {
	if err := errors.Join(remove(d.node(n.ID)), remove(d.member(n))); err != nil {
		return fmt.Errorf("revoke identity of %s: %w", n.ID, err)
	}
	return nil
}

// Granted reports whether a node is let in: everywhere, or somewhere at least.
func (d Dirs) Granted(n fleet.Node) (everywhere, somewhere bool, err error) {
	everywhere = true
	for _, path := range []string{d.node(n.ID), d.member(n)} {
		switch _, err := os.Stat(path); {
		case err == nil:
			somewhere = true
		case errors.Is(err, fs.ErrNotExist):
			everywhere = false
		default:
			return false, false, fmt.Errorf("look for identity of %s: %w", n.ID, err)
		}
	}
	return everywhere, somewhere, nil
}

// Restore lets in what is in nodes, and nothing else. It is for the time before
// nodes can join or go.
func (d Dirs) Restore(nodes []fleet.Node) error {
	wanted := map[string]bool{}
	for _, n := range nodes {
		wanted[d.node(n.ID)], wanted[d.member(n)] = true, true
		if err := d.Grant(n); err != nil {
			return err
		}
	}
	there, err := filepath.Glob(filepath.Join(d.Home.Members("*"), "*"))
	if err != nil {
		return fmt.Errorf("list identities: %w", err)
	}
	entries, err := os.ReadDir(d.Home.Nodes())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("list identities: %w", err)
	}
	for _, e := range entries {
		there = append(there, filepath.Join(d.Home.Nodes(), e.Name()))
	}
	for _, path := range there {
		if wanted[path] {
			continue
		}
		if err := remove(path); err != nil {
			return fmt.Errorf("revoke identity: %w", err)
		}
	}
	return nil
}

func (d Dirs) node(id tenant.NodeID) string { return filepath.Join(d.Home.Nodes(), string(id)) }
func (d Dirs) member(n fleet.Node) string {
	return filepath.Join(d.Home.Members(n.Cluster), n.Name)
}

// put writes a file as a whole. The directory is made if need be: that of a cluster
// belongs to its control plane, which sets its mode.
func put(path, content string) error {
	dir, name := filepath.Split(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	next := filepath.Join(dir, "."+name)
	if err := os.WriteFile(next, []byte(content), 0o644); err != nil {
		return err
	}
	return os.Rename(next, path)
}

func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
