package router

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
)

// keyring is the router's own certificate and the authority of the nodes'. Its
// files are looked at for every connection: a renewed certificate and a new
// authority hold for the next one.
type keyring struct {
	dir string
	log *slog.Logger

	mu     sync.Mutex
	seen   [3]os.FileInfo // the files as of loaded, or of the failure to load
	loaded *tls.Config    // nil until it succeeded once
	err    error          // why the files seen could not be loaded
}

// config returns a configuration that the caller may change. While the files
// are being replaced one after the other they do not fit together: then the
// previous configuration stays in use.
func (k *keyring) config() (*tls.Config, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if now := k.look(); !same(now, k.seen) {
		k.seen = now
		var next *tls.Config
		if next, k.err = k.load(); k.err == nil {
			k.loaded = next
		} else if k.loaded != nil {
			k.log.Warn("router keeps its previous certificate", "directory", k.dir, "error", k.err)
		}
	}
	if k.loaded == nil {
		return nil, k.err
	}
	return k.loaded.Clone(), nil
}

func (k *keyring) path(i int) string {
	return filepath.Join(k.dir, [3]string{"nodes.crt", "nodes.key", "ca.crt"}[i])
}

func (k *keyring) look() (files [3]os.FileInfo) {
	for i := range files {
		files[i], _ = os.Stat(k.path(i)) // what is missing is for load to report
	}
	return files
}

func same(a, b [3]os.FileInfo) bool {
	for i := range a {
		if a[i] == nil || b[i] == nil || !os.SameFile(a[i], b[i]) ||
			!a[i].ModTime().Equal(b[i].ModTime()) || a[i].Size() != b[i].Size() {
			return false
		}
	}
	return true
}

func (k *keyring) load() (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(k.path(0), k.path(1))
	if err != nil {
		return nil, fmt.Errorf("load certificate of the router: %w", err)
	}
	pem, err := os.ReadFile(k.path(2))
	if err != nil {
		return nil, fmt.Errorf("read certificate authority of nodes: %w", err)
	}
	authority := x509.NewCertPool()
	if !authority.AppendCertsFromPEM(pem) {
		return nil, errors.New("certificate authority of nodes: no certificate in " + k.path(2))
	}
	return &tls.Config{
		MinVersion:   tls.VersionTLS13, // both ends are ours
		Certificates: []tls.Certificate{pair},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    authority,
		NextProtos:   []string{PodProtocol, KubeletProtocol},
		// A resumed session would outlive what its certificate was checked against.
		SessionTicketsDisabled: true,
	}, nil
}
