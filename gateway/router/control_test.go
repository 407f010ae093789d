package router_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/marina-cloud/marina/gateway/router"
)

// throughSocket returns a client for what is served on a unix socket.
func throughSocket(tb testing.TB, path string) *http.Client {
	tb.Helper()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}}
	tb.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience}
}

func get(tb testing.TB, c *http.Client, path string) string {
	tb.Helper()
	res, err := c.Get("http://router" + path)
	check(tb, err)
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	check(tb, err)
	if res.StatusCode != http.StatusOK {
		tb.Fatalf("GET %s: %s", path, res.Status)
	}
	return string(body)
}

func TestControl(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	c := newCluster(t).serveAPI(t, echo).publish(t, w)
	socket := filepath.Join(shortDir(t), "new", "control.sock")
	ready := make(chan net.Addr, 1)
	config := w.config
	config.Listen, config.Control = "127.0.0.1:0", socket
	config.Ready = func(_ router.Side, a net.Addr) { ready <- a }
	ctx, stop := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- router.Run(ctx, config) }()
	defer func() {
		stop()
		check(t, <-ran)
	}()
	w.address = (<-ready).String()
	conn, err := w.secure(t, c.client())
	check(t, err)
	ask(t, conn, "hello")
	refused := w.connect(t)
	_, err = io.WriteString(refused, "GET / HTTP/1.1\r\n\r\n")
	check(t, err)
	_, err = io.ReadAll(refused)
	check(t, err)

	info, err := os.Stat(socket)
	check(t, err)
	dir, err := os.Stat(filepath.Dir(socket))
	check(t, err)
	if info.Mode().Perm() != 0o600 || dir.Mode().Perm() != 0o700 {
		t.Errorf("the socket has mode %v in a directory of mode %v, want it closed to other users", info.Mode(), dir.Mode())
	}
	operator := throughSocket(t, socket)
	var health router.Health
	check(t, json.Unmarshal([]byte(get(t, operator, "/healthz")), &health))
	if health.PID != os.Getpid() || !health.Serving || health.Open < 1 {
		t.Errorf("health = %+v, want this process to serve a connection", health)
	}
	metrics := get(t, operator, "/metrics")
	for _, want := range []string{
		"\n# TYPE marina_router_open_connections gauge\n",
		"\nmarina_router_serving 1\n",
		"\nmarina_router_max_connections ",
		"\nmarina_router_accepted_connections_total{side=\"public\"} 2\n",
		"\nmarina_router_carried_connections_total{service=\"api\"} 1\n",
		"\nmarina_router_refused_connections_total{reason=\"not-tls\"} 1\n",
		"\nmarina_router_refused_connections_total{reason=\"busy\"} 0\n",
		"\nmarina_router_bytes_total{direction=\"in\"} ",
		"\nmarina_router_handshaking_connections 0\n",
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("the metrics lack %q:\n%s", want, metrics)
		}
	}
	if strings.Contains(metrics, string(c.id)) {
		t.Error("the metrics name a cluster: a stranger could make as many series as there are clusters")
	}
}
