package runtime

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/marina-cloud/marina/internal/runc"
	"github.com/marina-cloud/marina/internal/tenant"
)

// bundle is the directory of one container: its configuration for runc, its root
// and its record. It is gone after a reboot, as the container is.
type bundle struct {
	dir       string
	container string
	cluster   tenant.ClusterID
	name      string
}

// record is what has to be known of a process by whoever comes later.
type record struct {
	Hash   string `json:"hash"`   // of its reconcile.Process
	Log    string `json:"log"`    // file of its output
	Memory int64  `json:"memory"` // its limit, in bytes

	Init      runc.Init `json:"init"` // zero until runc has answered
	StartedAt time.Time `json:"startedAt"`
	Ended     bool      `json:"ended"` // this run has ended, and that has been noted below

	ExitedAt time.Time `json:"exitedAt"` // of the last end that nobody asked for
	Exit     string    `json:"exit"`
	OOM      bool      `json:"oom"` // for lack of memory
	Restarts int       `json:"restarts"`
}

// running says whether the process ran when it was looked at.
func (r record) running() bool { return r.Init != (runc.Init{}) && !r.Ended }

const (
	recordFile = "record.json"
	rootDir    = "root"
)

// prepare makes an empty root. What an earlier run left there goes: runc makes
// mount points in it.
func (b bundle) prepare() error {
	root := filepath.Join(b.dir, rootDir)
	if err := os.RemoveAll(root); err != nil {
		return fmt.Errorf("clear the root directory: %w", err)
	}
	if err := os.MkdirAll(b.dir, 0o700); err != nil {
		return fmt.Errorf("make the bundle: %w", err)
	}
	etc := filepath.Join(root, "etc")
	if err := os.MkdirAll(etc, 0o755); err != nil {
		return fmt.Errorf("make the root directory: %w", err)
	}
	// Without it Go programs would ask a name server for localhost.
	if err := os.WriteFile(filepath.Join(etc, "hosts"), []byte("127.0.0.1 localhost\n"), 0o644); err != nil {
		return fmt.Errorf("make the root directory: %w", err)
	}
	// Past this process's umask: other users live in there.
	if err := errors.Join(os.Chmod(root, 0o755), os.Chmod(etc, 0o755), os.Chmod(filepath.Join(etc, "hosts"), 0o644)); err != nil {
		return fmt.Errorf("make the root directory: %w", err)
	}
	return nil
}

func (b bundle) read() (record, bool, error) {
	data, err := os.ReadFile(filepath.Join(b.dir, recordFile))
	if errors.Is(err, fs.ErrNotExist) {
		return record{}, false, nil
	}
	if err != nil {
		return record{}, false, fmt.Errorf("read record: %w", err)
	}
	var r record
	if err := json.Unmarshal(data, &r); err != nil {
		return record{}, false, fmt.Errorf("read record in %s: %w", b.dir, err)
	}
	return r, true, nil
}

// write replaces the record atomically.
func (b bundle) write(r record) error {
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode record: %w", err)
	}
	next := filepath.Join(b.dir, "."+recordFile)
	if err := os.WriteFile(next, data, 0o600); err != nil {
		return fmt.Errorf("write record: %w", err)
	}
	if err := os.Rename(next, filepath.Join(b.dir, recordFile)); err != nil {
		return fmt.Errorf("write record: %w", err)
	}
	return nil
}
