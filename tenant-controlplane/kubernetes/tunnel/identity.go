package tunnel

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"k8s.io/klog/v2"
)

// identity is the server's certificate and the authorities of its clients. Each
// handshake uses the files as they are then: leaves and authorities are renewed
// while the process runs.
type identity struct {
	certificate, key, clientCA string // paths

	mu      sync.Mutex
	stamps  [3]stamp // of what current was made from
	current *tls.Config
}

// stamp tells two versions of a file apart.
type stamp struct {
	modified time.Time
	size     int64
	file     fs.FileInfo
}

func (s stamp) same(o stamp) bool {
	return s.file != nil && o.file != nil && os.SameFile(s.file, o.file) && s.size == o.size && s.modified.Equal(o.modified)
}

// newIdentity reads the files once, so that a process that could never serve an
// agent does not start.
func newIdentity(certificate, key, clientCA string) (*identity, error) {
	id := &identity{certificate: certificate, key: key, clientCA: clientCA}
	if _, err := id.config(); err != nil {
		return nil, err
	}
	return id, nil
}

// tls returns a configuration that follows the files.
func (id *identity) tls() *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS13,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return id.config() },
	}
}

// config returns the configuration for the next handshake. While the files do not
// fit together, as between the writing of a certificate and that of its key, it is
// the one from before.
func (id *identity) config() (*tls.Config, error) {
	id.mu.Lock()
	defer id.mu.Unlock()
	stamps, err := id.stat()
	if err == nil && id.current != nil && stamps[0].same(id.stamps[0]) && stamps[1].same(id.stamps[1]) && stamps[2].same(id.stamps[2]) {
		return id.current, nil
	}
	var next *tls.Config
	if err == nil {
		next, err = id.load()
	}
	if err != nil {
		if id.current == nil {
			return nil, err
		}
		klog.ErrorS(err, "Tunnel keeps its previous certificates")
		return id.current, nil
	}
	id.stamps, id.current = stamps, next
	return next, nil
}

func (id *identity) stat() (stamps [3]stamp, err error) {
	for i, path := range []string{id.certificate, id.key, id.clientCA} {
		info, err := os.Stat(path)
		if err != nil {
			return stamps, fmt.Errorf("tunnel certificates: %w", err)
		}
		stamps[i] = stamp{modified: info.ModTime(), size: info.Size(), file: info}
	}
	return stamps, nil
}

func (id *identity) load() (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(id.certificate, id.key)
	if err != nil {
		return nil, fmt.Errorf("tunnel certificate: %w", err)
	}
	pem, err := os.ReadFile(id.clientCA)
	if err != nil {
		return nil, fmt.Errorf("tunnel client authorities: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("tunnel client authorities: %w", errors.New(id.clientCA+" holds no certificate"))
	}
	return &tls.Config{
		MinVersion:   tls.VersionTLS13,
		NextProtos:   []string{"h2"}, // gRPC refuses a connection without it
		Certificates: []tls.Certificate{pair},
		ClientCAs:    pool,
		ClientAuth:   tls.RequireAndVerifyClientCert,
		// A session that is resumed would skip authorities that are gone.
		SessionTicketsDisabled: true,
	}, nil
}
