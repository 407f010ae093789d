package reconcile

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/marina-cloud/marina/internal/tenant"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/kube"
)

// The file of a revoked credential says in its modification time when the credential
// ends by itself. Nothing else decides when it is taken away: whoever writes them may
// know of fewer revocations than somebody who wrote a moment ago.

// spare is for how long a file stays after that: clocks differ.
const spare = time.Hour

// Deny implements Host.
func (f Files) Deny(c controlplane.Cluster, revoked []controlplane.Revocation) error {
	dir := f.Home.Revoked(c.ID)
	for _, r := range revoked {
		if there, err := denied(dir, r); there || err != nil {
			if err != nil {
				return err
			}
			continue
		}
		if err := deny(dir, r); err != nil {
			return fmt.Errorf("publish a revoked credential: %w", err)
		}
	}
	old, err := ended(dir)
	if err != nil {
		return err
	}
	for _, name := range old {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("forget a revoked credential: %w", err)
		}
	}
	return nil
}

// Denied implements Host.
func (f Files) Denied(c controlplane.Cluster, revoked []controlplane.Revocation) (bool, error) {
	dir := f.Home.Revoked(c.ID)
	for _, r := range revoked {
		if there, err := denied(dir, r); !there || err != nil {
			return false, err
		}
	}
	old, err := ended(dir)
	return len(old) == 0, err
}

// deny writes the file of a revoked credential, whole or not at all.
func deny(dir string, r controlplane.Revocation) error {
	next, err := os.CreateTemp(dir, unfinishedFile)
	if err != nil {
		return err
	}
	err = errors.Join(next.Close(), os.Chtimes(next.Name(), r.Until, r.Until))
	if err == nil {
		err = os.Rename(next.Name(), filepath.Join(dir, kube.RevokedFile(r.Credential)))
	}
	if err != nil {
		return errors.Join(err, os.Remove(next.Name()))
	}
	return nil
}

// unfinishedFile begins the names of files that are being written. One that is left
// by a process that died goes after a while.
const unfinishedFile = "."

func denied(dir string, r controlplane.Revocation) (bool, error) {
	info, err := os.Lstat(filepath.Join(dir, kube.RevokedFile(r.Credential)))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for a revoked credential: %w", err)
	}
	return info.Mode().IsRegular() && !info.ModTime().Before(r.Until.Truncate(time.Microsecond)), nil
}

// ended are the names of files of credentials that have ended by themselves.
func ended(dir string) (names []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list revoked credentials: %w", err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("list revoked credentials: %w", err)
		}
		if time.Since(info.ModTime()) > spare {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// maxUses bounds what is read of what a cluster's control plane says of its
// credentials, in bytes. It may be hostile.
const maxUses = 2 << 20

// Uses returns when a cluster's credentials were used last, by their ids, as its
// control plane says; nothing where it has said nothing since after.
func (f Files) Uses(id tenant.ClusterID, after time.Time) (last map[string]time.Time, at time.Time, err error) {
	root, err := os.OpenRoot(f.Home.Uses(id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, after, nil
	}
	if err != nil {
		return nil, after, fmt.Errorf("read uses of credentials: %w", err)
	}
	defer root.Close()
	// Neither a link that leads elsewhere, nor a pipe that nobody writes into.
	file, err := root.OpenFile(kube.UsesFile, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, after, nil
	}
	if err != nil {
		return nil, after, fmt.Errorf("read uses of credentials: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxUses {
		return nil, after, errors.Join(errors.New("read uses of credentials: not a file of ours"), err)
	}
	if at = info.ModTime(); at.Equal(after) {
		return nil, after, nil
	}
	data, err := io.ReadAll(io.LimitReader(file, maxUses))
	if err != nil {
		return nil, after, fmt.Errorf("read uses of credentials: %w", err)
	}
	var seconds map[string]int64
	if err := json.Unmarshal(data, &seconds); err != nil {
		return nil, after, fmt.Errorf("decode uses of credentials: %w", err)
	}
	last = make(map[string]time.Time, len(seconds))
	for credential, s := range seconds {
		if s > 0 && s < 1<<40 && !strings.ContainsRune(credential, 0) {
			last[credential] = time.Unix(s, 0)
		}
	}
	return last, at, nil
}
