package kube

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// Identity is who a client of Marina's own is to a cluster.
type Identity struct {
	Name   string
	Groups []string
}

// certificateLife is how long such a client's certificate is valid, and renewEarly
// how long before its end another takes its place: requests that began with the
// old one have that long to finish.
const (
	certificateLife = time.Hour
	renewEarly      = 20 * time.Minute
)

// Transport carries requests to one cluster as one identity. Certificates are
// taken when they are needed and replaced before they end, so it may live as long
// as the cluster. It is safe for concurrent use.
type Transport struct {
	// Dial opens a connection to the API server, before TLS.
	Dial func(context.Context) (net.Conn, error)
	// Sign returns a certificate (PEM) for a key of this client, and Authority the
	// certificate (PEM) that the server's is checked against.
	Sign       func(ctx context.Context, key crypto.PublicKey, ttl time.Duration) ([]byte, error)
	Authority  func(ctx context.Context) ([]byte, error)
	ServerName string
	Now        func() time.Time

	mu      sync.Mutex
	current *http.Transport
	renewAt time.Time
}

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	inner, err := t.inner(r.Context())
	if err != nil {
		if r.Body != nil {
			r.Body.Close() //nolint:errcheck // the contract of RoundTripper; nothing was sent
		}
		return nil, err
	}
	return inner.RoundTrip(r)
}

// CloseIdleConnections closes what is open and unused; http.Client looks for it.
func (t *Transport) CloseIdleConnections() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.current != nil {
		t.current.CloseIdleConnections()
	}
}

// Warm takes the certificate now, so that the first request need not.
func (t *Transport) Warm(ctx context.Context) error {
	_, err := t.inner(ctx)
	return err
}

func (t *Transport) inner(ctx context.Context) (*http.Transport, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.current != nil && t.Now().Before(t.renewAt) {
		return t.current, nil
	}
	cfg, err := t.config(ctx)
	if err != nil {
		return nil, err
	}
	if t.current != nil {
		// Its busy connections close by themselves when they become idle.
		t.current.CloseIdleConnections()
	}
	t.current = &http.Transport{
		DialContext:         func(ctx context.Context, _, _ string) (net.Conn, error) { return t.Dial(ctx) },
		TLSClientConfig:     cfg,
		TLSHandshakeTimeout: 10 * time.Second,
		ForceAttemptHTTP2:   true,
		IdleConnTimeout:     90 * time.Second,
		MaxIdleConnsPerHost: 8,
		// A server that was frozen or killed must not hold requests for ever.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second},
	}
	t.renewAt = t.Now().Add(certificateLife - renewEarly)
	return t.current, nil
}

func (t *Transport) config(ctx context.Context) (*tls.Config, error) {
	ca, err := t.Authority(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the cluster's authority: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return nil, errors.New("read the cluster's authority: no certificate in it")
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generate a client's key: %w", err)
	}
	cert, err := t.Sign(ctx, key.Public(), certificateLife)
	if err != nil {
		return nil, fmt.Errorf("sign a client's certificate: %w", err)
	}
	block, _ := pem.Decode(cert)
	if block == nil {
		return nil, errors.New("sign a client's certificate: no certificate came back")
	}
	return &tls.Config{
		MinVersion:   tls.VersionTLS12,
		ServerName:   t.ServerName,
		RootCAs:      roots,
		Certificates: []tls.Certificate{{Certificate: [][]byte{block.Bytes}, PrivateKey: key}},
	}, nil
}
