package listener_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"

	"github.com/marina-cloud/marina/tenant-controlplane/kubernetes/listener"
)

// serve runs an HTTP server on a merged listener; it answers with the client's
// address.
func serve(t *testing.T) (tcp net.Addr, unix string) {
	t.Helper()
	unix = filepath.Join(t.TempDir(), "api.sock")
	// A file that an earlier process left behind must not be in the way.
	if err := os.WriteFile(unix, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	u, err := listener.Unix(unix)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	merged := listener.Merge(l, listener.RequireProxy(u))
	if merged.Addr() != l.Addr() {
		t.Errorf("Addr = %v, want %v: kube-apiserver takes its port from it", merged.Addr(), l.Addr())
	}
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.RemoteAddr) }),
	}
	done := make(chan error, 1)
	go func() { done <- server.Serve(merged) }()
	t.Cleanup(func() {
		_ = server.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("Serve = %v", err)
		}
		if _, err := os.Stat(unix); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the socket is left behind: %v", err)
		}
	})
	return l.Addr(), unix
}

// get asks for the client's address on a connection that begins with header.
func get(t *testing.T, network, address string, header []byte) (string, error) {
	t.Helper()
	conn, err := net.Dial(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(append(bytes.Clone(header), "GET / HTTP/1.0\r\n\r\n"...)); err != nil {
		return "", err
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return "", errors.New(res.Status)
	}
	body, err := io.ReadAll(res.Body)
	return string(body), err
}

func header(t *testing.T, version byte, command proxyproto.ProtocolVersionAndCommand, source net.Addr) []byte {
	t.Helper()
	h := proxyproto.HeaderProxyFromAddrs(version, source, source)
	h.Command = command
	data, err := h.Format()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestUnixWantsProxyHeader(t *testing.T) {
	_, unix := serve(t)
	v4 := &net.TCPAddr{IP: net.IPv4(203, 0, 113, 7).To4(), Port: 4711}
	v6 := &net.TCPAddr{IP: net.ParseIP("2001:db8::7"), Port: 4711}
	tests := []struct {
		name   string
		header []byte
		want   string // empty: refused
		why    string
	}{
		{"version 2, IPv4", header(t, 2, proxyproto.PROXY, v4), "203.0.113.7:4711", "it is what the router sends"},
		{"version 2, IPv6", header(t, 2, proxyproto.PROXY, v6), "[2001:db8::7]:4711", "clients come over IPv6, too"},
		{"none", nil, "", "the client's address would be missing in the audit log"},
		{"version 1", header(t, 1, proxyproto.PROXY, v4), "", "the router never sends it: someone else does"},
		{"local", header(t, 2, proxyproto.LOCAL, v4), "", "it names no client"},
		{"cut short", header(t, 2, proxyproto.PROXY, v4)[:20], "", "what follows is read as an address and makes no sense"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := get(t, "unix", unix, tt.header)
			if got != tt.want {
				t.Errorf("the server saw %q (%v), want %q: %s", got, err, tt.want, tt.why)
			}
		})
	}
}

func TestTCPNeedsNoHeader(t *testing.T) {
	tcp, _ := serve(t)
	got, err := get(t, "tcp", tcp.String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if host, _, _ := net.SplitHostPort(got); host != "127.0.0.1" {
		t.Errorf("the server saw %q, want the loopback address: the controllers send no header", got)
	}
}

// TestSilentConnectionBlocksNobody holds connections open that never send a byte.
func TestSilentConnectionBlocksNobody(t *testing.T) {
	_, unix := serve(t)
	for range 20 {
		conn, err := net.Dial("unix", unix)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	began := time.Now()
	source := &net.TCPAddr{IP: net.IPv4(203, 0, 113, 7).To4(), Port: 1}
	if _, err := get(t, "unix", unix, header(t, 2, proxyproto.PROXY, source)); err != nil {
		t.Fatal(err)
	}
	if d := time.Since(began); d > 2*time.Second {
		t.Errorf("a client waited %v for connections of others that say nothing", d)
	}
}

func TestCloseEndsAccept(t *testing.T) {
	u, err := listener.Unix(filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	m := listener.Merge(l, u)
	done := make(chan error, 1)
	go func() {
		_, err := m.Accept()
		done <- err
	}()
	if err := m.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if err := <-done; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept = %v, want net.ErrClosed", err)
	}
	if err := m.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

// TestLostListenerEndsAccept: the API server must not go on with half of its
// listeners.
func TestLostListenerEndsAccept(t *testing.T) {
	u, err := listener.Unix(filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	m := listener.Merge(l, u)
	if err := u.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Accept(); err == nil {
		t.Error("Accept went on after the unix listener was gone")
	}
	if _, err := net.Dial("tcp", l.Addr().String()); err == nil {
		t.Error("the TCP listener is still open")
	}
}
