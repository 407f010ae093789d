package podapi_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/marina-cloud/marina/node-fleet/agent/internal/enroll"
	"github.com/marina-cloud/marina/node-fleet/agent/internal/podapi"
	"github.com/marina-cloud/marina/node-fleet/join"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const serverName = "nodes.test"

// pki is an authority and what it signs, in a directory.
type pki struct {
	t   *testing.T
	dir string
	key *ecdsa.PrivateKey
	ca  *x509.Certificate
}

func newPKI(t *testing.T) *pki {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p := &pki{t: t, dir: t.TempDir(), key: key}
	p.ca = &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, p.ca, p.ca, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if p.ca, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	p.write("ca.crt", "CERTIFICATE", der)
	return p
}

func (p *pki) write(name, kind string, der []byte) {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(p.dir, name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// issue writes a certificate for name, to serve or to connect with.
func (p *pki) issue(file, name string) enroll.Pair {
	p.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		p.t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, p.ca, key.Public(), p.key)
	if err != nil {
		p.t.Fatal(err)
	}
	p.write(file+".crt", "CERTIFICATE", der)
	if der, err = x509.MarshalPKCS8PrivateKey(key); err != nil {
		p.t.Fatal(err)
	}
	p.write(file+".key", "PRIVATE KEY", der)
	return enroll.Pair{Certificate: filepath.Join(p.dir, file+".crt"), Key: filepath.Join(p.dir, file+".key")}
}

// gateway accepts nodes as the router does and hands their connections to serve.
func (p *pki) gateway(protocols []string, serve func(*tls.Conn)) string {
	p.t.Helper()
	pair := p.issue("server", serverName)
	certificate, err := tls.LoadX509KeyPair(pair.Certificate, pair.Key)
	if err != nil {
		p.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(p.ca)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{certificate}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: roots, NextProtos: protocols,
	})
	if err != nil {
		p.t.Fatal(err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				if conn := c.(*tls.Conn); conn.Handshake() == nil {
					serve(conn)
				}
			}()
		}
	}()
	p.t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

// carrier starts a carrier and returns how pods dial it, and what ends it.
func (p *pki) carrier(gateway string) (dial func() *net.TCPConn, stop func()) {
	p.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		p.t.Fatal(err)
	}
	c := &podapi.Carrier{
		Protocol: join.PodAPIProtocol, Gateway: gateway, ServerName: serverName, Authority: filepath.Join(p.dir, "ca.crt"),
		Identity: p.issue("node", "nd-1"), Log: slog.New(slog.DiscardHandler),
	}
	ctx, cancel := context.WithCancel(p.t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Serve(ctx, l) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			p.t.Errorf("Serve = %v", err)
		}
	}
	p.t.Cleanup(stop)
	return func() *net.TCPConn {
		p.t.Helper()
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			p.t.Fatal(err)
		}
		p.t.Cleanup(func() { conn.Close() })
		return conn.(*net.TCPConn)
	}, stop
}

var alpn = []string{join.PodAPIProtocol}

// TestCarries sends more than any buffer holds, both ways at once, and ends each
// direction by itself.
func TestCarries(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	names := make(chan string, 1)
	dial, _ := p.carrier(p.gateway(alpn, func(c *tls.Conn) {
		names <- c.ConnectionState().PeerCertificates[0].Subject.CommonName
		got, err := io.ReadAll(c) // to the pod's end of writing
		if err != nil {
			t.Errorf("read from the pod: %v", err)
		}
		if _, err := c.Write(append([]byte("heard "), got...)); err != nil {
			t.Errorf("answer the pod: %v", err)
		}
	}))
	pod := dial()
	said := bytes.Repeat([]byte("0123456789"), 1<<20)
	go func() {
		if _, err := pod.Write(said); err != nil {
			t.Errorf("write: %v", err)
		}
		if err := pod.CloseWrite(); err != nil {
			t.Errorf("end writing: %v", err)
		}
	}()
	heard, err := io.ReadAll(pod)
	if err != nil || !bytes.Equal(heard, append([]byte("heard "), said...)) {
		t.Errorf("heard %d bytes, %v; want %d", len(heard), err, len(said)+6)
	}
	if name := <-names; name != "nd-1" {
		t.Errorf("the gateway saw the identity %q", name)
	}
}

func TestServerEndsFirst(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	heard := make(chan string, 1)
	dial, _ := p.carrier(p.gateway(alpn, func(c *tls.Conn) {
		if err := c.CloseWrite(); err != nil {
			t.Errorf("end writing: %v", err)
		}
		text, err := io.ReadAll(c)
		if err != nil {
			t.Errorf("read: %v", err)
		}
		heard <- string(text)
	}))
	pod := dial()
	if text, err := io.ReadAll(pod); err != nil || len(text) > 0 {
		t.Fatalf("the server's end = %q, %v", text, err)
	}
	if _, err := io.WriteString(pod, "still here"); err != nil {
		t.Fatal(err)
	}
	if err := pod.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got := <-heard; got != "still here" {
		t.Errorf("the server heard %q after it ended writing", got)
	}
}

// TestIdentityIsReadAgain renews the identity between two connections.
func TestIdentityIsReadAgain(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	names := make(chan string, 2)
	dial, _ := p.carrier(p.gateway(alpn, func(c *tls.Conn) {
		names <- c.ConnectionState().PeerCertificates[0].Subject.CommonName
	}))
	for _, want := range []string{"nd-1", "nd-renewed"} {
		if _, err := io.ReadAll(dial()); err != nil {
			t.Fatal(err)
		}
		if got := <-names; got != want {
			t.Errorf("the gateway saw %q, want %q", got, want)
		}
		p.issue("node", "nd-renewed")
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	talk := func(c *tls.Conn) { _, _ = io.WriteString(c, "hello from somebody else") }
	for _, c := range []struct {
		why     string
		gateway func(*pki) string
	}{
		{"a server without our protocol would take the pod's bytes for its own", func(p *pki) string { return p.gateway(nil, talk) }},
		{"a server of another authority is an impostor", func(p *pki) string { return newPKI(p.t).gateway(alpn, talk) }},
		{"the gateway is down", func(p *pki) string { return "127.0.0.1:1" }},
	} {
		t.Run(c.why, func(t *testing.T) {
			t.Parallel()
			p := newPKI(t)
			dial, _ := p.carrier(c.gateway(p))
			text, _ := io.ReadAll(dial()) // a reset is as good as an end
			if len(text) > 0 {
				t.Errorf("the pod heard %q", text)
			}
		})
	}
}

func TestStopEndsConnections(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	up := make(chan struct{})
	dial, stop := p.carrier(p.gateway(alpn, func(c *tls.Conn) {
		close(up)
		_, _ = io.ReadAll(c) // until it is cut
	}))
	pod := dial()
	<-up
	stop()
	if _, err := pod.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the pod's connection is still open: %v", err)
	}
}
