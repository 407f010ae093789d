package tunnel_test

import (
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
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	clientpkg "sigs.k8s.io/apiserver-network-proxy/konnectivity-client/pkg/client"
	"sigs.k8s.io/apiserver-network-proxy/pkg/agent"

	"github.com/marina-cloud/marina/tenant-controlplane/kubernetes/config"
	"github.com/marina-cloud/marina/tenant-controlplane/kubernetes/members"
	"github.com/marina-cloud/marina/tenant-controlplane/kubernetes/tunnel"
)

const name = "tunnel.kc-test.marina.localhost"

// TestTunnel carries a connection from where the API server dials, through an
// agent, to a server on the other side.
func TestTunnel(t *testing.T) {
	ca := newAuthority(t, "konnectivity")
	c := serve(t, ca)
	echo := echoServer(t)

	if _, err := dial(t, c, echo); err == nil {
		t.Error("a connection was made before any agent was there")
	}
	startAgent(t, c, ca)
	conn := await(t, func() (net.Conn, error) { return dial(t, c, echo) })
	defer conn.Close()
	if _, err := conn.Write([]byte("ahoy")); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 4)
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != "ahoy" {
		t.Errorf("read %q, %v; want what was written", got, err)
	}
}

func TestAgentsNeedCertificates(t *testing.T) {
	ca, stranger := newAuthority(t, "konnectivity"), newAuthority(t, "another cluster's konnectivity")
	c := serve(t, ca)
	tests := []struct {
		name  string
		certs []tls.Certificate
		ok    bool
		why   string
	}{
		{"of this cluster", []tls.Certificate{ca.leaf(t, "nd-1", x509.ExtKeyUsageClientAuth)}, true, "it is one of our nodes"},
		{"none", nil, false, "anyone who can reach the router could take the cluster's connections"},
		{"of another cluster", []tls.Certificate{stranger.leaf(t, "nd-1", x509.ExtKeyUsageClientAuth)}, false, "its name means nothing here"},
		{"a server's", []tls.Certificate{ca.leaf(t, "nd-1", x509.ExtKeyUsageServerAuth)}, false, "it was not made to be an agent's"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := handshake(t, c, ca, tt.certs)
			if (err == nil) != tt.ok {
				t.Errorf("handshake: %v: %s", err, tt.why)
			}
		})
	}
}

// TestRemovedNode: the certificate of a node that was removed opens nothing, what it
// has opened is cut, and its cluster's other nodes do not notice.
func TestRemovedNode(t *testing.T) {
	ca, dir := newAuthority(t, "konnectivity"), t.TempDir()
	for _, node := range []string{"nd-1", "nd-2"} {
		replace(t, filepath.Join(dir, node), nil)
	}
	c := serveFor(t, ca, dir)
	mine := map[string][]tls.Certificate{}
	for _, node := range []string{"nd-1", "nd-2", "nd-3", ".", ""} {
		mine[node] = []tls.Certificate{ca.leaf(t, node, x509.ExtKeyUsageClientAuth)}
	}
	open := map[string]net.Conn{}
	for _, node := range []string{"nd-1", "nd-2"} {
		conn, err := handshaken(t, c, ca, mine[node])
		if err != nil {
			t.Fatalf("control: %s is a node of the cluster: %v", node, err)
		}
		defer conn.Close()
		open[node] = conn
	}
	for _, node := range []string{"nd-3", ".", ""} {
		if err := handshake(t, c, ca, mine[node]); err == nil {
			t.Errorf("an agent named %q was let in, which is no node", node)
		}
	}
	if err := os.Remove(filepath.Join(dir, "nd-1")); err != nil {
		t.Fatal(err)
	}
	if err := handshake(t, c, ca, mine["nd-1"]); err == nil {
		t.Error("a removed node was let in")
	}
	if err := open["nd-1"].SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, open["nd-1"]); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the connection of a removed node stays open")
	}
	if err := handshake(t, c, ca, mine["nd-2"]); err != nil {
		t.Errorf("another node: %v", err)
	}
	if err := open["nd-2"].SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, open["nd-2"]); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the connection of another node ended: %v", err)
	}
}

// TestRenewal replaces the files of a running server, the certificate before its
// key, as two renames do.
func TestRenewal(t *testing.T) {
	before, after := newAuthority(t, "before"), newAuthority(t, "after")
	c := serve(t, before)
	old := []tls.Certificate{before.leaf(t, "nd-1", x509.ExtKeyUsageClientAuth)}
	fresh := []tls.Certificate{after.leaf(t, "nd-1", x509.ExtKeyUsageClientAuth)}

	certPEM, keyPEM := after.pem(t, name, x509.ExtKeyUsageServerAuth)
	replace(t, c.Certificate, certPEM)
	if err := handshake(t, c, before, old); err != nil {
		t.Errorf("between the two files: %v, want the identity from before", err)
	}
	replace(t, c.Key, keyPEM)
	replace(t, c.ClientCA, after.certPEM)
	if err := handshake(t, c, after, fresh); err != nil {
		t.Errorf("after the files were replaced: %v", err)
	}
	if err := handshake(t, c, after, old); err == nil {
		t.Error("a certificate of the authority that is gone was accepted")
	}
}

func TestServeRefusesBrokenFiles(t *testing.T) {
	ca := newAuthority(t, "konnectivity")
	c := files(t, ca)
	if err := os.WriteFile(c.ClientCA, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := tunnel.Serve(t.Context(), c, members.At(""), func() { t.Error("ready") })
	if err == nil {
		t.Error("Serve ran without authorities: no agent could ever come in")
	}
}

func serve(t *testing.T, ca *authority) config.Tunnel { return serveFor(t, ca, "") }

// serveFor runs a server for the agents of the members in a directory.
func serveFor(t *testing.T, ca *authority, dir string) config.Tunnel {
	t.Helper()
	c := files(t, ca)
	ctx, cancel := context.WithCancel(t.Context())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- tunnel.Serve(ctx, c, members.At(dir), func() { close(ready) }) }()
	select {
	case <-ready:
	case err := <-done:
		t.Fatalf("Serve: %v", err)
	}
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return c
}

func files(t *testing.T, ca *authority) config.Tunnel {
	t.Helper()
	dir := t.TempDir()
	c := config.Tunnel{
		Agents:      filepath.Join(dir, "agents.sock"),
		APIServer:   filepath.Join(dir, "api.sock"),
		Certificate: filepath.Join(dir, "tunnel.crt"),
		Key:         filepath.Join(dir, "tunnel.key"),
		ClientCA:    filepath.Join(dir, "ca.crt"),
	}
	certPEM, keyPEM := ca.pem(t, name, x509.ExtKeyUsageServerAuth)
	replace(t, c.Certificate, certPEM)
	replace(t, c.Key, keyPEM)
	replace(t, c.ClientCA, ca.certPEM)
	return c
}

func replace(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path+".next", data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".next", path); err != nil {
		t.Fatal(err)
	}
}

// dial connects to address as the API server does.
func dial(t *testing.T, c config.Tunnel, address string) (net.Conn, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	single, err := clientpkg.CreateSingleUseGrpcTunnelWithContext(ctx, t.Context(), "unix://"+c.APIServer,
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, err
	}
	return single.DialContext(ctx, "tcp", address)
}

func startAgent(t *testing.T, c config.Tunnel, ca *authority) {
	t.Helper()
	creds := credentials.NewTLS(&tls.Config{
		ServerName:   name,
		RootCAs:      ca.pool(),
		Certificates: []tls.Certificate{ca.leaf(t, "nd-1", x509.ExtKeyUsageClientAuth)},
		MinVersion:   tls.VersionTLS13,
	})
	set := &agent.ClientSetConfig{
		Address:          "unix://" + c.Agents,
		AgentID:          "nd-1",
		AgentIdentifiers: "host=nd-1",
		SyncInterval:     50 * time.Millisecond,
		SyncIntervalCap:  time.Second,
		ProbeInterval:    time.Second,
		XfrChannelSize:   10,
		DialOptions:      []grpc.DialOption{grpc.WithTransportCredentials(creds), grpc.WithAuthority(name)},
	}
	stop := make(chan struct{})
	clients := set.NewAgentClientSet(stop, stop)
	clients.SetServerCounter(oneServer{})
	clients.Serve()
	t.Cleanup(func() { close(stop) })
}

// oneServer is what the agent's own program would learn from the server.
type oneServer struct{}

func (oneServer) Count() int { return 1 }

func handshake(t *testing.T, c config.Tunnel, ca *authority, certs []tls.Certificate) error {
	t.Helper()
	conn, err := handshaken(t, c, ca, certs)
	if err == nil {
		_ = conn.Close()
	}
	return err
}

// handshaken returns a connection that the server has accepted.
func handshaken(t *testing.T, c config.Tunnel, ca *authority, certs []tls.Certificate) (*tls.Conn, error) {
	t.Helper()
	raw, err := net.Dial("unix", c.Agents)
	if err != nil {
		t.Fatal(err)
	}
	conn := tls.Client(raw, &tls.Config{ServerName: name, RootCAs: ca.pool(), Certificates: certs, NextProtos: []string{"h2"}, MinVersion: tls.VersionTLS13})
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if err := conn.HandshakeContext(t.Context()); err != nil {
		_ = raw.Close()
		return nil, err
	}
	// In TLS 1.3 the server's refusal of a client arrives with the first read; an
	// HTTP/2 server begins with its settings.
	if _, err = io.ReadFull(conn, make([]byte, 9)); err != nil {
		_ = raw.Close()
		return nil, err
	}
	return conn, nil
}

func echoServer(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil {
				continue
			}
			go func() {
				defer conn.Close()
				_, _ = io.Copy(conn, conn)
			}()
		}
	}()
	return l.Addr().String()
}

func await[T any](t *testing.T, try func() (T, error)) T {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		v, err := try()
		if err == nil {
			return v
		}
		if time.Now().After(deadline) {
			t.Fatalf("still: %v", err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

type authority struct {
	cert    *x509.Certificate
	key     *ecdsa.PrivateKey
	certPEM []byte
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{cert: cert, key: key, certPEM: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

func (a *authority) pem(t *testing.T, name string, usage x509.ExtKeyUsage) (certPEM, keyPEM []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{usage},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
}

func (a *authority) leaf(t *testing.T, name string, usage x509.ExtKeyUsage) tls.Certificate {
	t.Helper()
	certPEM, keyPEM := a.pem(t, name, usage)
	cert, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}
