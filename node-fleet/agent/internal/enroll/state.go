package enroll

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/marina-cloud/marina/node-fleet/join"
)

// Node is what a machine that has joined knows about itself and the platform.
type Node struct {
	Gateway    string      `json:"gateway"`     // host:port that it dials for everything
	ServerName string      `json:"server_name"` // of the platform's node API
	Config     join.Config `json:"config"`
}

// Dir is the directory that keeps a machine's state.
type Dir string

// The files that other programs are pointed to. Keys are ECDSA P-256.
func (d Dir) Authority() string        { return d.file("authority.crt") } // of the platform
func (d Dir) ClusterAuthority() string { return d.file("cluster-ca.crt") }
func (d Dir) TunnelAuthority() string  { return d.file("tunnel-ca.crt") }
func (d Dir) Identity() Pair           { return d.pair("identity") }
func (d Dir) Kubelet() Pair            { return d.pair("kubelet-bootstrap") }
func (d Dir) Tunnel() Pair             { return d.pair("tunnel") }

// Pair is a certificate and its key, as paths of PEM files.
type Pair struct{ Certificate, Key string }

func (d Dir) pair(name string) Pair {
	return Pair{Certificate: d.file(name + ".crt"), Key: d.file(name + ".key")}
}

func (d Dir) file(name string) string { return filepath.Join(string(d), name) }

func (d Dir) stateFile() string { return d.file("node.json") }

// Load returns what the machine was told when it joined, or ok false when it has
// not joined.
func (d Dir) Load() (n Node, ok bool, err error) {
	text, err := os.ReadFile(d.stateFile())
	if errors.Is(err, fs.ErrNotExist) {
		return Node{}, false, nil
	}
	if err != nil {
		return Node{}, false, fmt.Errorf("read state of node: %w", err)
	}
	if err := json.Unmarshal(text, &n); err != nil {
		return Node{}, false, fmt.Errorf("read state of node: %s: %w", d.stateFile(), err)
	}
	return n, true, nil
}

// save keeps n and the certificates of r; empty ones leave what is there.
func (d Dir) save(n Node, r join.Response) error {
	for _, f := range []struct{ path, text string }{
		{d.ClusterAuthority(), n.Config.ClusterAuthority},
		{d.TunnelAuthority(), n.Config.TunnelAuthority},
		{d.Identity().Certificate, r.Identity},
		{d.Kubelet().Certificate, r.Kubelet},
		{d.Tunnel().Certificate, r.Tunnel},
	} {
		if f.text == "" {
			continue
		}
		if err := Write(f.path, []byte(f.text), 0o600); err != nil {
			return err
		}
	}
	text, err := json.MarshalIndent(n, "", "  ")
	if err != nil {
		return fmt.Errorf("write state of node: %w", err)
	}
	return Write(d.stateFile(), text, 0o600) // last: from now on the machine has joined
}

// Write replaces the file at path by one with this content, making its
// directory if needed: readers and crashes see the old or the new content and
// nothing between. A file that has the content already is left alone.
func Write(path string, content []byte, mode fs.FileMode) error {
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, content) {
		return nil
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+"-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer os.Remove(f.Name()) // there only when something below went wrong
	_, err = f.Write(content)
	if err == nil {
		err = f.Chmod(mode)
	}
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
