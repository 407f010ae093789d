package pki

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/marina-cloud/marina/internal/tenant"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/reconcile"
)

const (
	fileMode = 0o440
	dirMode  = 0o550
)

// Materialize writes what a stack needs into dir, which should be on a tmpfs and
// is made when absent: the files that this package names, of this owner, mode
// 0440. It is idempotent; leaves that live for ten days or more are left alone.
// Each file is replaced at once, a key before its certificate, so that a reader
// in between finds a pair that does not match and tries again, never half a file.
// The kubeconfigs refer to files and do not embed them: Kubernetes reloads those.
func (k *Keys) Materialize(ctx context.Context, c controlplane.Cluster, dir string, uid, gid int) error {
	rows, err := k.rows(ctx, c.ID)
	if err != nil {
		return err
	}
	if !complete(rows) {
		return fmt.Errorf("keys of %s: %w", c.ID, ErrNotIssued)
	}
	if err := makeDir(dir, uid, gid); err != nil {
		return err
	}
	d := directory{path: dir, uid: uid, gid: gid}
	if err := k.writeFixed(ctx, c.ID, rows, d); err != nil {
		return err
	}
	return k.writeLeaves(ctx, c, rows, d)
}

// writeFixed writes the files whose contents do not change as long as the
// authorities do not.
func (k *Keys) writeFixed(ctx context.Context, id tenant.ClusterID, rows map[string]row, d directory) error {
	files, err := publicFiles(rows)
	if err != nil {
		return err
	}
	for file, key := range privateFiles {
		if matches(d.read(file), files[key.public]) {
			files[file] = d.read(file)
			continue
		}
		if files[file], err = k.private(ctx, id, key.name, rows); err != nil {
			return err
		}
	}
	for file, data := range files {
		if err := d.write(file, data); err != nil {
			return err
		}
	}
	return nil
}

func (k *Keys) writeLeaves(ctx context.Context, c controlplane.Cluster, rows map[string]row, d directory) error {
	wanted, err := leaves(c, k.Domain)
	if err != nil {
		return err
	}
	opened := map[string]Authority{}
	for _, l := range wanted {
		cert, err := k.certificate(c.ID, l.authority, rows)
		if err != nil {
			return err
		}
		pemCert, pemKey := d.read(l.cert), d.read(l.key)
		if !l.good(cert, pemCert, pemKey, k.Now()) {
			a, ok := opened[l.authority]
			if !ok {
				if a, err = k.authority(ctx, c.ID, l.authority, rows); err != nil {
					return err
				}
				opened[l.authority] = a
			}
			if pemCert, pemKey, err = l.issue(a, k.Now()); err != nil {
				return fmt.Errorf("issue %s of %s: %w", l.cert, c.ID, err)
			}
		}
		if err := errors.Join(d.write(l.key, pemKey), d.write(l.cert, pemCert)); err != nil {
			return err
		}
	}
	return nil
}

// Materialized reports whether Materialize would change no contents in dir.
func (k *Keys) Materialized(ctx context.Context, c controlplane.Cluster, dir string) (bool, error) {
	rows, err := k.rows(ctx, c.ID)
	if err != nil || !complete(rows) {
		return false, err
	}
	files, err := publicFiles(rows)
	if err != nil {
		return false, err
	}
	d := directory{path: dir}
	for file, data := range files {
		if !bytes.Equal(d.read(file), data) {
			return false, nil
		}
	}
	for file, key := range privateFiles {
		if !matches(d.read(file), files[key.public]) {
			return false, nil
		}
	}
	wanted, err := leaves(c, k.Domain)
	if err != nil {
		return false, err
	}
	for _, l := range wanted {
		cert, err := k.certificate(c.ID, l.authority, rows)
		if err != nil {
			return false, err
		}
		if !l.good(cert, d.read(l.cert), d.read(l.key), k.Now()) {
			return false, nil
		}
	}
	return true, nil
}

// privateFiles are the private keys that a stack needs of what is stored, each
// with the file that holds its public half.
var privateFiles = map[string]struct{ name, public string }{
	CAKey:             {reconcile.ClusterCA, CACert},
	ServiceAccountKey: {serviceAccount, ServiceAccountPublicKey},
}

// publicFiles are the files that hold no secret.
func publicFiles(rows map[string]row) (map[string][]byte, error) {
	files := map[string][]byte{
		CACert:                  rows[reconcile.ClusterCA].public,
		FrontProxyCACert:        rows[reconcile.FrontProxyCA].public,
		TunnelCACert:            rows[reconcile.TunnelCA].public,
		ServiceAccountPublicKey: rows[serviceAccount].public,
	}
	for file, k := range map[string]Kubeconfig{
		ControllerManagerKubeconfig: {User: "system:kube-controller-manager", CertificateFile: ControllerManagerCert, KeyFile: ControllerManagerKey},
		SchedulerKubeconfig:         {User: "system:kube-scheduler", CertificateFile: SchedulerCert, KeyFile: SchedulerKey},
	} {
		// Both run beside the API server, in its network namespace.
		k.Cluster, k.Server, k.CAFile = "local", "https://127.0.0.1:6443", CACert
		data, err := k.Encode()
		if err != nil {
			return nil, err
		}
		files[file] = data
	}
	return files, nil
}

// matches reports whether a private key (PEM) belongs to a certificate or public
// key (PEM), without anything having to be unsealed.
func matches(private, public []byte) bool {
	key, err := decodeKey(private)
	if err != nil {
		return false
	}
	if cert, err := decodeCertificate(public); err == nil {
		return samePublic(key.Public(), cert.PublicKey)
	}
	pub, err := decodePublic(public)
	return err == nil && samePublic(key.Public(), pub)
}

// directory is where the files of one cluster go.
type directory struct {
	path     string
	uid, gid int
}

func makeDir(path string, uid, gid int) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("make directory of keys: %w", err)
	}
	err := os.Mkdir(path, 0o700)
	if errors.Is(err, fs.ErrExist) {
		return nil // whoever made it knows who may enter
	}
	if err := errors.Join(err, os.Chown(path, uid, gid), os.Chmod(path, dirMode)); err != nil {
		return fmt.Errorf("make directory of keys: %w", err)
	}
	return nil
}

// read returns a file's contents, and nothing for one that cannot be read: it is
// written anew then.
func (d directory) read(name string) []byte {
	data, err := os.ReadFile(filepath.Join(d.path, name))
	if err != nil {
		return nil
	}
	return data
}

// write makes a file hold data, and touches nothing when it does already.
func (d directory) write(name string, data []byte) error {
	if d.has(name, data) {
		return nil
	}
	path := filepath.Join(d.path, name)
	next := filepath.Join(d.path, "."+name)
	if err := os.Remove(next); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("write %s: %w", name, err)
	}
	// Nobody but root can read it before it belongs to its owner.
	f, err := os.OpenFile(next, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	_, err = f.Write(data)
	if err := errors.Join(err, f.Chown(d.uid, d.gid), f.Chmod(fileMode), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if err := os.Rename(next, path); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

func (d directory) has(name string, data []byte) bool {
	info, err := os.Stat(filepath.Join(d.path, name))
	if err != nil || info.Mode() != fileMode {
		return false
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(owner.Uid) == d.uid && int(owner.Gid) == d.gid && bytes.Equal(d.read(name), data)
}
