package router_test

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
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"
	"go.uber.org/goleak"

	"github.com/marina-cloud/marina/gateway/router"
	"github.com/marina-cloud/marina/internal/route"
	"github.com/marina-cloud/marina/internal/tenant"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const domain = "marina.localhost"

// patience bounds whatever must happen, so that a failure is no hang.
const patience = 20 * time.Second

// world is a router that runs, and what stands around it.
type world struct {
	*router.Router
	config  router.Config
	address string // of the public side
	nodes   *authority
}

// start runs a router until the test ends. change may be nil.
func start(tb testing.TB, change func(*router.Config)) *world {
	tb.Helper()
	dir := shortDir(tb)
	w := &world{nodes: newAuthority(tb, "nodes"), config: router.Config{
		Domain:       domain,
		Routes:       filepath.Join(dir, "routes"),
		Nodes:        filepath.Join(dir, "nodes"),
		Certificates: filepath.Join(dir, "router"),
		NodesSocket:  filepath.Join(dir, "nodes.sock"),
		Log:          slog.New(slog.DiscardHandler),
	}}
	for _, d := range []string{w.config.Nodes, w.config.Certificates} {
		check(tb, os.Mkdir(d, 0o700))
	}
	w.certify(tb, w.nodes)
	if change != nil {
		change(&w.config)
	}
	var err error
	w.Router, err = router.New(w.config)
	check(tb, err)
	tb.Cleanup(func() {
		now, cancel := context.WithCancel(context.Background())
		cancel()
		w.Shutdown(now)
		if s := w.Stats(); s.Open != 0 || s.Handshaking != 0 {
			tb.Errorf("after Shutdown %d connections are open and %d in their handshake, want none", s.Open, s.Handshaking)
		}
	})
	w.address = w.listen(tb, "127.0.0.1:0")
	return w
}

// listen serves one more address until the test ends.
func (w *world) listen(tb testing.TB, address string) string {
	tb.Helper()
	return w.listenOn(tb, address, router.Public)
}

func (w *world) listenOn(tb testing.TB, address string, side router.Side) string {
	tb.Helper()
	ln, err := net.Listen("tcp", address)
	check(tb, err)
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- w.Serve(ctx, ln.(*net.TCPListener), side) }()
	tb.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			tb.Errorf("Serve = %v, want nil after its context ended", err)
		}
	})
	return ln.Addr().String()
}

// certify gives the router a certificate of a.
func (w *world) certify(tb testing.TB, a *authority) {
	tb.Helper()
	c := a.issue(tb, certificate{dns: []string{"nodes." + domain}})
	key, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	check(tb, err)
	for name, block := range map[string]*pem.Block{
		"nodes.crt": {Type: "CERTIFICATE", Bytes: c.Certificate[0]},
		"nodes.key": {Type: "PRIVATE KEY", Bytes: key},
		"ca.crt":    {Type: "CERTIFICATE", Bytes: a.cert.Raw},
	} {
		path := filepath.Join(w.config.Certificates, name)
		check(tb, os.WriteFile(path+".next", pem.EncodeToMemory(block), 0o600))
		check(tb, os.Rename(path+".next", path))
	}
}

// admit makes a node a live one of a cluster.
func (w *world) admit(tb testing.TB, id tenant.NodeID, cluster tenant.ClusterID) {
	tb.Helper()
	check(tb, os.WriteFile(filepath.Join(w.config.Nodes, string(id)), []byte(string(cluster)+"\n"), 0o600))
}

// connect opens a bare connection to the router.
func (w *world) connect(tb testing.TB) *net.TCPConn {
	tb.Helper()
	c, err := w.dial(tb)
	check(tb, err)
	return c
}

func (w *world) dial(tb testing.TB) (*net.TCPConn, error) { return w.dialFrom(tb, nil) }

func (w *world) dialFrom(tb testing.TB, local net.Addr) (*net.TCPConn, error) {
	tb.Helper()
	dialer := net.Dialer{LocalAddr: local}
	c, err := dialer.Dial("tcp", w.address)
	if err != nil {
		return nil, err
	}
	tb.Cleanup(func() { _ = c.Close() })
	return c.(*net.TCPConn), c.SetDeadline(time.Now().Add(patience))
}

// address is one of many addresses that a client of this machine may have.
func address(n int) net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, byte(1+n/250), byte(1+n%250))} }

// secure opens a TLS connection through the router.
func (w *world) secure(tb testing.TB, config *tls.Config) (*tls.Conn, error) {
	tb.Helper()
	return w.secureVia(tb, nil, config)
}

// secureFrom is secure for a client at one of many addresses.
func (w *world) secureFrom(tb testing.TB, n int, config *tls.Config) (*tls.Conn, error) {
	tb.Helper()
	return w.secureVia(tb, address(n), config)
}

func (w *world) secureVia(tb testing.TB, local net.Addr, config *tls.Config) (*tls.Conn, error) {
	tb.Helper()
	raw, err := w.dialFrom(tb, local)
	if err != nil {
		return nil, err
	}
	c := tls.Client(raw, config)
	return c, c.Handshake()
}

// cluster is a tenant whose servers are real TLS servers on unix sockets, as
// strict as a stack's: the API server wants a PROXY header.
type cluster struct {
	id    tenant.ClusterID
	ca    *authority
	route route.Route
}

// newCluster makes a cluster without a route whose servers do not run yet.
func newCluster(tb testing.TB) *cluster {
	tb.Helper()
	dir := shortDir(tb)
	id := tenant.NewClusterID()
	return &cluster{
		id: id, ca: newAuthority(tb, string(id)),
		route: route.Route{API: filepath.Join(dir, "api.sock"), Tunnel: filepath.Join(dir, "tunnel.sock")},
	}
}

func (c *cluster) name() string { return string(c.id) + "." + domain }

// client trusts the cluster and nobody else.
func (c *cluster) client() *tls.Config {
	return &tls.Config{ServerName: c.name(), RootCAs: c.ca.pool()}
}

func (c *cluster) publish(tb testing.TB, w *world) *cluster {
	tb.Helper()
	check(tb, route.Publish(w.config.Routes, c.id, c.route))
	return c
}

// serveAPI runs the cluster's API server until the test ends.
func (c *cluster) serveAPI(tb testing.TB, handle func(*tls.Conn)) *cluster {
	tb.Helper()
	config := &tls.Config{Certificates: []tls.Certificate{c.ca.issue(tb, certificate{dns: []string{c.name(), "kubernetes"}})}}
	serveUnix(tb, c.route.API, func(raw net.Conn) {
		handle(tls.Server(proxyproto.NewConn(raw, proxyproto.WithPolicy(proxyproto.REQUIRE)), config))
	})
	return c
}

// serveUnix serves a unix socket until the test ends, and closes what handle
// leaves open.
func serveUnix(tb testing.TB, path string, handle func(net.Conn)) {
	tb.Helper()
	ln, err := net.Listen("unix", path)
	check(tb, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = c.Close() }()
				handle(c)
			}()
		}
	}()
	tb.Cleanup(func() {
		_ = ln.Close()
		<-done
	})
}

// sayAddress answers each line with the client's address as the server knows it.
func sayAddress(c *tls.Conn) {
	if c.Handshake() == nil {
		eachLine(c, func(string) string { return c.RemoteAddr().String() })
	}
}

// echo answers each line with itself.
func echo(c *tls.Conn) {
	if c.Handshake() == nil {
		eachLine(c, func(line string) string { return line })
	}
}

func eachLine(c net.Conn, answer func(string) string) {
	for {
		line, err := readLine(c)
		if err != nil {
			return
		}
		if _, err := io.WriteString(c, answer(line)+"\n"); err != nil {
			return
		}
	}
}

// ask sends a line and returns the answer.
func ask(tb testing.TB, c net.Conn, line string) string {
	tb.Helper()
	if _, err := io.WriteString(c, line+"\n"); err != nil {
		tb.Fatalf("ask %q: %v", line, err)
	}
	answer, err := readLine(c)
	if err != nil {
		tb.Fatalf("read answer to %q: %v", line, err)
	}
	return answer
}

// readLine reads no byte more than the line.
func readLine(r io.Reader) (string, error) {
	var line strings.Builder
	for b := make([]byte, 1); ; {
		if _, err := io.ReadFull(r, b); err != nil {
			return "", err
		}
		if b[0] == '\n' {
			return line.String(), nil
		}
		line.WriteByte(b[0])
	}
}

// clientHello returns the bytes of a ClientHello, in one record.
func clientHello(tb testing.TB, config *tls.Config) []byte {
	tb.Helper()
	var said bytes.Buffer
	_ = tls.Client(&sink{Writer: &said}, config).Handshake() // ends when nothing answers
	if said.Len() == 0 {
		tb.Fatal("no ClientHello was made")
	}
	return said.Bytes()
}

// sink is a connection to nobody.
type sink struct {
	net.Conn
	io.Writer
}

func (s *sink) Read([]byte) (int, error)    { return 0, io.EOF }
func (s *sink) Write(p []byte) (int, error) { return s.Writer.Write(p) }
func (s *sink) Close() error                { return nil }

// ended says whether a read ended because the other side closed or reset.
func ended(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// eventually waits until ok, which is asked again and again.
func eventually(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	end := time.After(patience)
	for !ok() {
		select {
		case <-tick.C:
		case <-end:
			tb.Fatalf("%s: not so after %s", what, patience)
		}
	}
}

func check(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// shortDir is a directory whose sockets' paths fit (at most 107 bytes, unix(7)).
func shortDir(tb testing.TB) string {
	tb.Helper()
	dir, err := os.MkdirTemp("", "router")
	check(tb, err)
	tb.Cleanup(func() { check(tb, os.RemoveAll(dir)) })
	return dir
}

// authority is a certificate authority.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// certificate is what to issue; the zero value is valid for an hour.
type certificate struct {
	name          string
	organizations []string
	dns           []string
	ends          time.Time
	server        bool // not for clients
}

func newAuthority(tb testing.TB, name string) *authority {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(tb, err)
	a := &authority{key: key, cert: &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}}
	der, err := x509.CreateCertificate(rand.Reader, a.cert, a.cert, &key.PublicKey, key)
	check(tb, err)
	a.cert, err = x509.ParseCertificate(der)
	check(tb, err)
	return a
}

func (a *authority) issue(tb testing.TB, c certificate) tls.Certificate {
	tb.Helper()
	if c.ends.IsZero() {
		c.ends = time.Now().Add(time.Hour)
	}
	usages := []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	if !c.server {
		usages = append(usages, x509.ExtKeyUsageClientAuth)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(tb, err)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: c.name, Organization: c.organizations},
		DNSNames: c.dns, NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: c.ends, ExtKeyUsage: usages,
	}, a.cert, &key.PublicKey, a.key)
	check(tb, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}
