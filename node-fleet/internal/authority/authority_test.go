package authority_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/marina-cloud/marina/internal/tenant"
	"github.com/marina-cloud/marina/node-fleet/internal/authority"
)

// memory keeps one key and seals by turning bits over.
type memory struct {
	mu                  sync.Mutex
	certificate, sealed []byte
}

func (m *memory) PlatformKey(context.Context, string) (certificate, sealed []byte, ok bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.certificate, m.sealed, m.sealed != nil, nil
}

func (m *memory) AddPlatformKey(_ context.Context, _ string, certificate, sealed []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.sealed == nil {
		m.certificate, m.sealed = certificate, sealed
	}
	return nil
}

func (*memory) Seal(_ context.Context, _ string, text, _ []byte) ([]byte, error) {
	return flip(text), nil
}
func (*memory) Open(_ context.Context, _ string, text, _ []byte) ([]byte, error) {
	return flip(text), nil
}

func flip(text []byte) []byte {
	out := make([]byte, len(text))
	for i, b := range text {
		out[i] = ^b
	}
	return out
}

func load(t *testing.T, m *memory) *authority.Authority {
	t.Helper()
	a, err := authority.Load(t.Context(), m, m, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestLoadGivesEverybodyTheSame(t *testing.T) {
	t.Parallel()
	m := &memory{}
	got := make([]*authority.Authority, 8)
	var group sync.WaitGroup
	for i := range got {
		group.Go(func() { got[i] = load(t, m) })
	}
	group.Wait()
	for _, a := range got {
		if !bytes.Equal(a.PEM, got[0].PEM) {
			t.Error("two processes have two authorities")
		}
	}
	if bytes.Contains(m.sealed, []byte("PRIVATE")) {
		t.Error("the key is kept in the clear")
	}
}

func TestIdentity(t *testing.T) {
	t.Parallel()
	a, now := load(t, &memory{}), time.Now()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	node, cluster := tenant.NewNodeID(), tenant.NewClusterID()
	text, err := a.SignIdentity(key.Public(), node, cluster, now)
	if err != nil {
		t.Fatal(err)
	}
	c := certificate(t, text)
	if n, k, ok := authority.Identity(c); n != node || k != cluster || !ok {
		t.Errorf("Identity = %s, %s, %v", n, k, ok)
	}
	client := x509.VerifyOptions{Roots: a.Pool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	if _, err := c.Verify(client); err != nil {
		t.Errorf("as a client: %v", err)
	}
	if _, err := c.Verify(x509.VerifyOptions{Roots: a.Pool()}); err == nil {
		t.Error("a node's identity may serve")
	}
	server, err := a.SignServer(key.Public(), "nodes.marina.test", now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := certificate(t, server).Verify(client); err == nil {
		t.Error("the server's certificate may act as a node")
	}
	if _, _, ok := authority.Identity(certificate(t, server)); ok {
		t.Error("the server's certificate names a node")
	}
}

func TestMaterialize(t *testing.T) {
	t.Parallel()
	a, now, dir := load(t, &memory{}), time.Now(), filepath.Join(t.TempDir(), "router")
	files := func() (crt, key string) {
		t.Helper()
		if err := a.Materialize(dir, "nodes.marina.test", now); err != nil {
			t.Fatal(err)
		}
		pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "nodes.crt"), filepath.Join(dir, "nodes.key"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: a.Pool(), DNSName: "nodes.marina.test", CurrentTime: now}); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"nodes.crt", "nodes.key", "ca.crt"} {
			if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s: %v, %v; want mode 0600", name, info, err)
			}
		}
		return read(t, filepath.Join(dir, "nodes.crt")), read(t, filepath.Join(dir, "nodes.key"))
	}
	crt, key := files()
	if again, _ := files(); again != crt {
		t.Error("a good certificate was replaced")
	}
	now = now.Add(authority.ServerLife - 9*24*time.Hour)
	renewed, sameKey := files()
	if renewed == crt || sameKey != key {
		t.Error("near its end, the certificate is to be renewed, and the key to stay")
	}
	other := load(t, &memory{})
	a = other
	if foreign, _ := files(); foreign == renewed {
		t.Error("a certificate of another authority was left")
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func certificate(t *testing.T, text []byte) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode(text)
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
