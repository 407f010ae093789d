package router

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Control answers whoever runs the router: GET /metrics in Prometheus' text
// format, and GET /healthz with Health. What it tells is not for strangers: Run
// serves it on a socket that only its own user can open.
func (r *Router) Control() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collector{r}) // its metrics are constant and have distinct names
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(r.Health()) // nobody is left to tell
	})
	return mux
}

// Health is what a router says of itself.
type Health struct {
	PID     int  `json:"pid"`
	Serving bool `json:"serving"` // accepts connections; else it only waits for those that are open to end
	Open    int  `json:"open"`    // connections
}

// Health returns the present state.
func (r *Router) Health() Health {
	return Health{PID: os.Getpid(), Serving: !r.retired.Load(), Open: r.counted.open()}
}

// listenUnix opens a socket ("unix" or "unixpacket") that only this process's user
// can connect to. What a dead router left at the path is replaced.
func listenUnix(ctx context.Context, network, path string) (*net.UnixListener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make directory of socket: %w", err)
	}
	// Bound under another name first: at its own, nobody meets it before its
	// permissions are set.
	next := path + ".next"
	if err := os.Remove(next); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("remove old socket: %w", err)
	}
	var config net.ListenConfig
	opened, err := config.Listen(ctx, network, next)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	ln := opened.(*net.UnixListener)
	ln.SetUnlinkOnClose(false) // the path may be a successor's by then
	if err := errors.Join(os.Chmod(next, 0o600), os.Rename(next, path)); err != nil {
		return nil, errors.Join(fmt.Errorf("listen on %s: %w", path, err), ln.Close())
	}
	return ln, nil
}

// serveControl serves Control on ln, which it closes, until ctx is done.
func (r *Router) serveControl(ctx context.Context, ln net.Listener) error {
	server := &http.Server{Handler: r.Control(), ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the control socket: %w", err)
	}
	return nil
}
