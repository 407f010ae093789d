package enroll_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/marina-cloud/marina/node-fleet/agent/internal/enroll"
	"github.com/marina-cloud/marina/node-fleet/join"
)

const serverName = "nodes.test"

// platform is the other side of package join.
type platform struct {
	t       *testing.T
	key     *ecdsa.PrivateKey
	ca      *x509.Certificate
	pem     string
	address string

	mu      sync.Mutex
	refuse  int            // how many requests to refuse first
	tokens  map[string]int // how often each was used
	joins   []join.Request
	renewed int
}

func newPlatform(t *testing.T) *platform {
	t.Helper()
	p := &platform{t: t, tokens: map[string]int{}}
	p.key = newKey(t)
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, ca, ca, p.key.Public(), p.key)
	if err != nil {
		t.Fatal(err)
	}
	if p.ca, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	p.pem = encode(der)

	key := newKey(t)
	certificate, err := tls.X509KeyPair([]byte(p.sign(key.Public(), &x509.Certificate{
		DNSNames: []string{serverName}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})), keyPEM(t, key))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(p.ca)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{certificate}, ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: roots,
	})
	if err != nil {
		t.Fatal(err)
	}
	p.address = l.Addr().String()
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+join.PathJoin, p.join)
	mux.HandleFunc("POST "+join.PathBootstrap, p.bootstrap)
	s := &http.Server{Handler: mux, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = s.Serve(l) // always http.ErrServerClosed here
	}()
	t.Cleanup(func() { s.Close(); <-served })
	return p
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func encode(der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func keyPEM(t *testing.T, k *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func (p *platform) sign(key crypto.PublicKey, c *x509.Certificate) string {
	c.SerialNumber, c.NotBefore = big.NewInt(time.Now().UnixNano()), time.Now().Add(-time.Minute)
	if c.NotAfter.IsZero() {
		c.NotAfter = time.Now().Add(time.Hour)
	}
	der, err := x509.CreateCertificate(rand.Reader, c, p.ca, key, p.key)
	if err != nil {
		p.t.Error(err)
	}
	return encode(der)
}

// certify signs a public key that came as PEM.
func (p *platform) certify(public, name string) (string, error) {
	block, _ := pem.Decode([]byte(public))
	if block == nil {
		return "", errors.New("no PEM")
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return "", err
	}
	return p.sign(key, &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}), nil
}

func problem(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"title": "no", "status": status, "detail": text})
}

func (p *platform) answer(w http.ResponseWriter, identity string, b join.BootstrapRequest, c join.Config) {
	kubelet, err := p.certify(b.KubeletKey, "kubelet")
	if err != nil {
		problem(w, http.StatusBadRequest, err.Error())
		return
	}
	tunnel, err := p.certify(b.TunnelKey, fmt.Sprint("tunnel-", p.renewed))
	if err != nil {
		problem(w, http.StatusBadRequest, err.Error())
		return
	}
	_ = json.NewEncoder(w).Encode(join.Response{Identity: identity, Config: c, Credentials: join.Credentials{Kubelet: kubelet, Tunnel: tunnel}})
}

func (p *platform) join(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var q join.Request
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
		problem(w, http.StatusBadRequest, err.Error())
		return
	}
	p.joins = append(p.joins, q)
	if p.refuse > 0 {
		p.refuse--
		problem(w, http.StatusServiceUnavailable, "the platform is starting")
		return
	}
	if p.tokens[q.Token]++; p.tokens[q.Token] > 1 {
		problem(w, http.StatusUnauthorized, "the token was used before")
		return
	}
	identity, err := p.certify(q.PublicKey, string(q.Node))
	if err != nil {
		problem(w, http.StatusBadRequest, err.Error())
		return
	}
	p.answer(w, identity, q.BootstrapRequest, join.Config{NodeName: "worker-1", ClusterAuthority: p.pem, TunnelAuthority: p.pem})
}

func (p *platform) bootstrap(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(r.TLS.PeerCertificates) == 0 {
		problem(w, http.StatusForbidden, "who are you?")
		return
	}
	var q join.BootstrapRequest
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
		problem(w, http.StatusBadRequest, err.Error())
		return
	}
	p.renewed++
	presented := r.TLS.PeerCertificates[0]
	identity := p.sign(presented.PublicKey, &x509.Certificate{
		Subject: presented.Subject, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	p.answer(w, identity, q, join.Config{NodeName: "worker-1", Labels: map[string]string{"new": "yes"}, ClusterAuthority: p.pem, TunnelAuthority: p.pem})
}

func (p *platform) ticket(token string) join.Ticket {
	return join.Ticket{Gateway: p.address, ServerName: serverName, Authority: p.pem, Node: "nd-1", Token: token}
}

func write(t *testing.T, path string, ticket join.Ticket) {
	t.Helper()
	text, err := json.Marshal(ticket)
	if err != nil {
		t.Fatal(err)
	}
	if err := enroll.Write(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func newClient(t *testing.T) *enroll.Client {
	t.Helper()
	dir := t.TempDir()
	return &enroll.Client{Dir: enroll.Dir(filepath.Join(dir, "state")), Ticket: filepath.Join(dir, "ticket.json"), Log: slog.New(slog.DiscardHandler)}
}

func TestJoin(t *testing.T) {
	t.Parallel()
	p, c := newPlatform(t), newClient(t)
	p.refuse = 2
	write(t, c.Ticket, p.ticket("one"))
	n, err := c.Join(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if n.Gateway != p.address || n.ServerName != serverName || n.Config.NodeName != "worker-1" {
		t.Errorf("Join = %+v", n)
	}
	if _, err := os.Stat(c.Ticket); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the used ticket is still there: %v", err)
	}
	if len(p.joins) != 3 || p.joins[0].PublicKey != p.joins[2].PublicKey || p.joins[0].KubeletKey == p.joins[0].TunnelKey {
		t.Errorf("%d requests, want three with the same identity key, and keys of their own for each purpose", len(p.joins))
	}
	for _, pair := range []enroll.Pair{c.Dir.Identity(), c.Dir.Kubelet(), c.Dir.Tunnel()} {
		if _, err := tls.LoadX509KeyPair(pair.Certificate, pair.Key); err != nil {
			t.Errorf("%s does not fit its key: %v", pair.Certificate, err)
		}
		if info, err := os.Stat(pair.Key); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("mode of %s = %v, %v", pair.Key, info.Mode(), err)
		}
	}
	if info, err := os.Stat(string(c.Dir)); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode of the state's directory = %v, %v", info.Mode(), err)
	}
	files, err := os.ReadDir(string(c.Dir))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text, err := os.ReadFile(filepath.Join(string(c.Dir), f.Name()))
		if err != nil || strings.Contains(string(text), `"one"`) {
			t.Errorf("%s keeps the token: %v", f.Name(), err)
		}
	}

	again, err := c.Join(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(n, again); diff != "" || len(p.joins) != 3 {
		t.Errorf("a machine that has joined joined again (%d requests):\n%s", len(p.joins), diff)
	}
}

func TestJoinTakesANewTicket(t *testing.T) {
	t.Parallel()
	p, c := newPlatform(t), newClient(t)
	p.tokens["used"] = 1
	write(t, c.Ticket, p.ticket("used"))
	tried := make(chan struct{}, 100)
	c.Log = slog.New(signal{slog.DiscardHandler, tried})
	done := make(chan error, 1)
	go func() {
		_, err := c.Join(t.Context())
		done <- err
	}()
	<-tried // refused at least once
	write(t, c.Ticket, p.ticket("fresh"))
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// signal tells of every line that is logged.
type signal struct {
	slog.Handler
	ch chan<- struct{}
}

func (s signal) Enabled(context.Context, slog.Level) bool { return true }

func (s signal) Handle(context.Context, slog.Record) error {
	s.ch <- struct{}{}
	return nil
}

func TestJoinRefuses(t *testing.T) {
	t.Parallel()
	p, other := newPlatform(t), newPlatform(t)
	wrongServer := p.ticket("t")
	wrongServer.ServerName = "elsewhere.test"
	impostor := p.ticket("t")
	impostor.Gateway = other.address
	half := p.ticket("")
	for _, c := range []struct {
		why  string
		text any
	}{
		{"there is no ticket", nil},
		{"the ticket is no JSON", "{secret"},
		{"a field is missing", half},
		{"the authority is no certificate", join.Ticket{Gateway: p.address, ServerName: serverName, Authority: "x", Node: "nd-1", Token: "t"}},
		{"the server has another name", wrongServer},
		{"the server is not signed by the ticket's authority", impostor},
	} {
		t.Run(c.why, func(t *testing.T) {
			t.Parallel()
			client := newClient(t)
			switch ticket := c.text.(type) {
			case join.Ticket:
				write(t, client.Ticket, ticket)
			case string:
				if err := os.WriteFile(client.Ticket, []byte(ticket), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			ctx, cancel := context.WithCancel(t.Context())
			tried := make(chan struct{}, 100)
			client.Log = slog.New(signal{slog.DiscardHandler, tried})
			go func() {
				<-tried
				<-tried
				cancel()
			}()
			if _, err := client.Join(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("Join = %v, want it to try until the end", err)
			}
			if _, joined, err := client.Dir.Load(); joined || err != nil {
				t.Errorf("the machine has joined: %v, %v", joined, err)
			}
		})
	}
	if len(p.joins)+len(other.joins) > 0 {
		t.Error("a token was sent to a server that was not verified")
	}
}

func TestRefresh(t *testing.T) {
	t.Parallel()
	p, c := newPlatform(t), newClient(t)
	write(t, c.Ticket, p.ticket("one"))
	n, err := c.Join(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	before := read(t, c.Dir.Tunnel().Certificate)
	n, err = c.Refresh(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	if n.Config.Labels["new"] != "yes" || read(t, c.Dir.Tunnel().Certificate) == before {
		t.Errorf("Refresh kept the old: %+v", n)
	}
	for _, pair := range []enroll.Pair{c.Dir.Identity(), c.Dir.Kubelet(), c.Dir.Tunnel()} {
		if _, err := tls.LoadX509KeyPair(pair.Certificate, pair.Key); err != nil {
			t.Errorf("%s does not fit its key: %v", pair.Certificate, err)
		}
	}
	kept, _, err := c.Dir.Load()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(n, kept); diff != "" {
		t.Errorf("what was kept (-returned +kept):\n%s", diff)
	}

	if err := os.Remove(c.Dir.Identity().Certificate); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Refresh(t.Context(), n); err == nil {
		t.Error("a machine without an identity got credentials")
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

func TestErrorsExplain(t *testing.T) {
	t.Parallel()
	p, c := newPlatform(t), newClient(t)
	write(t, c.Ticket, p.ticket("one"))
	n, err := c.Join(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	n.Gateway = closedPort(t)
	if _, err := c.Refresh(t.Context(), n); err == nil || !strings.Contains(err.Error(), n.Gateway) {
		t.Errorf("error = %v, want it to name the gateway", err)
	}
}

func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestStale(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	path := filepath.Join(t.TempDir(), "x.crt")
	key := newKey(t)
	both := append(keyPEM(t, key), p.sign(key.Public(), &x509.Certificate{NotAfter: time.Now().Add(59 * time.Minute)})...)
	if err := os.WriteFile(path, both, 0o600); err != nil { // as the kubelet writes it: in one file
		t.Fatal(err)
	}
	for _, c := range []struct {
		why   string
		after time.Duration
		want  bool
	}{
		{"fresh", 0, false},
		{"more than a third is left", 38 * time.Minute, false},
		{"less than a third is left", 42 * time.Minute, true},
		{"past its end", 2 * time.Hour, true},
	} {
		if got := enroll.Stale(path, time.Now().Add(c.after)); got != c.want {
			t.Errorf("%s: %v", c.why, got)
		}
	}
	if !enroll.Stale(path+".absent", time.Now()) {
		t.Error("a certificate that is not there needs no renewal")
	}
}

func TestWrite(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "new", "file")
	for _, text := range []string{"one", "two", "two"} {
		if err := enroll.Write(path, []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
		if got := read(t, path); got != text {
			t.Errorf("content = %q, want %q", got, text)
		}
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("left beside the file: %v, %v", entries, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode = %v, %v", info.Mode(), err)
	}
}
