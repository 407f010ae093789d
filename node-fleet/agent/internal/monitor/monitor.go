// Package monitor tells whoever is on a node how its agent does: GET /metrics in
// Prometheus' text format, and GET /healthz. Both are on loopback: only pods on the
// host's network reach them.
//
// The few metrics are written by hand, so that what runs on every node stays small.
package monitor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Address is where the monitor listens, beside the ports of kubelet and kube-proxy.
const Address = "127.0.0.1:10261"

// Monitor knows which programs run. It is safe for concurrent use.
type Monitor struct {
	Log *slog.Logger
	// Expiry returns when the node's identity ends; nil, or an error: nobody knows.
	Expiry func() (time.Time, error)

	mu       sync.Mutex
	programs map[string]*program
}

type program struct {
	running      bool
	starts, ends int
}

// Started notes that a program was started.
func (m *Monitor) Started(name string) {
	m.change(name, func(p *program) { p.running, p.starts = true, p.starts+1 })
}

// Ended notes that it has ended, or could not be started.
func (m *Monitor) Ended(name string) {
	m.change(name, func(p *program) { p.running, p.ends = false, p.ends+1 })
}

func (m *Monitor) change(name string, f func(*program)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.programs == nil {
		m.programs = map[string]*program{}
	}
	if m.programs[name] == nil {
		m.programs[name] = &program{}
	}
	f(m.programs[name])
}

// Run serves until ctx ends. A node works without a monitor: that it cannot listen
// is logged.
func (m *Monitor) Run(ctx context.Context) {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", Address)
	if err != nil {
		m.Log.WarnContext(ctx, "the agent's metrics are not served", "error", err)
		return
	}
	server := &http.Server{Handler: m.Handler(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		m.Log.WarnContext(ctx, "the agent's metrics are not served any more", "error", err)
	}
}

// Handler answers /metrics, and /healthz: 200 while all programs run, else 503 with
// the names of the others.
func (m *Monitor) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		_, _ = io.WriteString(w, m.metrics()) // nobody is left to tell
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		if down := m.down(); len(down) > 0 {
			http.Error(w, "not running: "+strings.Join(down, ", "), http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "ok\n")
	})
	return mux
}

func (m *Monitor) down() (names []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(m.programs)) {
		if !m.programs[name].running {
			names = append(names, name)
		}
	}
	return names
}

func (m *Monitor) metrics() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var b strings.Builder
	names := slices.Sorted(maps.Keys(m.programs))
	family := func(name, kind, help string, value func(*program) int) {
		fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
		for _, n := range names {
			fmt.Fprintf(&b, "%s{program=%q} %d\n", name, n, value(m.programs[n]))
		}
	}
	family("marina_agent_program_running", "gauge", "1 while a program that the agent keeps running runs, else 0.", func(p *program) int {
		if p.running {
			return 1
		}
		return 0
	})
	family("marina_agent_program_starts_total", "counter", "How often it was started.", func(p *program) int { return p.starts })
	family("marina_agent_program_ends_total", "counter", "How often it ended, or could not be started.", func(p *program) int { return p.ends })
	if m.Expiry != nil {
		if end, err := m.Expiry(); err == nil {
			fmt.Fprintf(&b, "# HELP marina_agent_identity_expiry_timestamp_seconds When the node's identity ends, in Unix time.\n"+
				"# TYPE marina_agent_identity_expiry_timestamp_seconds gauge\nmarina_agent_identity_expiry_timestamp_seconds %d\n", end.Unix())
		}
	}
	return b.String()
}
