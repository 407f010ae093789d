package kube_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"

	"github.com/marina-cloud/marina/tenant-controlplane/internal/kube"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/pki"
)

const serverName = "kc-test.marina.localhost"

// whoAsks answers with who asks from where over what.
func whoAsks(w http.ResponseWriter, r *http.Request) {
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	who := r.TLS.PeerCertificates[0].Subject
	fmt.Fprintf(w, "%s %s %v %d", host, who.CommonName, who.Organization, r.ProtoMajor)
}

// serve is an API server's socket: PROXY protocol first, then TLS with client
// certificates.
func serve(t *testing.T, ca pki.Authority, pool *x509.CertPool, answer http.HandlerFunc) (socket string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.SignServer(key.Public(), pki.Server{CommonName: "server", Names: []string{serverName}}, time.Hour, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(cert)
	socket = filepath.Join(t.TempDir(), kube.APISocket)
	ln, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{
		ReadHeaderTimeout: 10 * time.Second,
		Handler:           answer,
		TLSConfig: &tls.Config{
			MinVersion: tls.VersionTLS12, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool,
			Certificates: []tls.Certificate{{Certificate: [][]byte{block.Bytes}, PrivateKey: key}},
		},
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.ServeTLS(&proxyproto.Listener{Listener: ln, ConnPolicy: func(proxyproto.ConnPolicyOptions) (proxyproto.Policy, error) { return proxyproto.REQUIRE, nil }}, "", "")
	}()
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		<-ended
	})
	return socket
}

func TestTransport(t *testing.T) {
	t.Parallel()
	ca, err := pki.NewAuthority("test", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(certificate(ca))
	socket := serve(t, ca, pool, whoAsks)
	now, signed := time.Now(), 0
	transport := &kube.Transport{
		Dial: func(ctx context.Context) (net.Conn, error) { return kube.DialAPI(ctx, socket) },
		Sign: func(_ context.Context, key crypto.PublicKey, ttl time.Duration) ([]byte, error) {
			signed++
			return ca.SignClient(key, pki.Client{CommonName: "marina:test", Organizations: []string{"system:masters"}}, ttl, time.Now())
		},
		Authority:  func(context.Context) ([]byte, error) { return certificate(ca), nil },
		ServerName: serverName,
		Now:        func() time.Time { return now },
	}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	for _, step := range []struct {
		after  time.Duration
		signed int
		why    string
	}{
		{0, 1, "the first request takes a certificate"},
		{39 * time.Minute, 1, "which serves for a while"},
		{2 * time.Minute, 2, "and is replaced long before its end"},
		{time.Hour, 3, "each time"},
	} {
		now = now.Add(step.after)
		resp, err := client.Get("https://" + serverName + ":6443/")
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		if err := resp.Body.Close(); err != nil {
			t.Fatal(err)
		}
		if want := "127.0.0.1 marina:test [system:masters] 2"; string(body) != want {
			t.Errorf("the server saw %q, want %q", body, want)
		}
		if signed != step.signed {
			t.Errorf("%d certificates were taken, want %d: %s", signed, step.signed, step.why)
		}
	}
}

// TestTransportChecksTheServer holds that Marina's clients do not talk to whoever
// answers at a socket.
func TestTransportChecksTheServer(t *testing.T) {
	t.Parallel()
	theirs, err := pki.NewAuthority("theirs", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	ours, err := pki.NewAuthority("ours", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	socket := serve(t, theirs, x509.NewCertPool(), whoAsks)
	transport := &kube.Transport{
		Dial: func(ctx context.Context) (net.Conn, error) { return kube.DialAPI(ctx, socket) },
		Sign: func(_ context.Context, key crypto.PublicKey, ttl time.Duration) ([]byte, error) {
			return ours.SignClient(key, pki.Client{CommonName: "marina:test"}, ttl, time.Now())
		},
		Authority:  func(context.Context) ([]byte, error) { return certificate(ours), nil },
		ServerName: serverName,
		Now:        time.Now,
	}
	resp, err := (&http.Client{Transport: transport}).Get("https://" + serverName + ":6443/")
	if err == nil {
		resp.Body.Close() //nolint:errcheck // the test has failed
		t.Fatal("a server of another authority was trusted")
	}
	if !strings.Contains(err.Error(), "x509") {
		t.Errorf("error = %v, want one about the certificate", err)
	}
}

func certificate(a pki.Authority) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.Certificate.Raw})
}
