package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/errgroup"

	"github.com/marina-cloud/marina/deploy/host"
	"github.com/marina-cloud/marina/internal/bus"
	"github.com/marina-cloud/marina/internal/home"
	"github.com/marina-cloud/marina/internal/metrics"
	"github.com/marina-cloud/marina/internal/rootsocket"
	"github.com/marina-cloud/marina/internal/seal"
	"github.com/marina-cloud/marina/migrations/pg"
)

// watch is by what an installation is watched.
type watch struct {
	registry    *prometheus.Registry
	reconcilers *metrics.Reconcilers
	http        *metrics.HTTP
	checks      checks
}

// newWatch returns a watch that shows this process, this machine and what both
// depend on; the contexts add what is theirs.
func newWatch(c Config, db *pg.DB, events *bus.Bus, secrets seal.Measured, usable func(context.Context) error) (watch, error) {
	w := watch{prometheus.NewRegistry(), metrics.NewReconcilers(), metrics.NewHTTP(), newChecks(c.Home, db, events, usable)}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "marina_build_info", Help: "Always 1; the version is a label.", ConstLabels: prometheus.Labels{"version": c.Version},
	})
	build.Set(1)
	all := []prometheus.Collector{
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), build,
		secrets.Metrics(), bus.Metrics(db), w.checks.metrics(),
	}
	all = append(all, db.Metrics()...)
	all = append(all, machineMetrics(c.Home)...)
	return w, errors.Join(metrics.Register(w.registry, all...), w.reconcilers.Register(w.registry, "clusters", "pools", "nodes", "mails"), w.http.Register(w.registry))
}

// operator answers whoever runs the installation: GET /metrics of this process,
// GET /metrics/router of the router, /livez and /readyz. What it tells is not for
// strangers: it is on a socket for root, and on an address of the operator's choice.
func (w watch) operator(h home.Home) *http.Server {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(w.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 20 * time.Second}))
	mux.HandleFunc("GET /metrics/router", func(w http.ResponseWriter, r *http.Request) { routerMetrics(w, r, h) })
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	mux.Handle("GET /readyz", w.checks)
	return &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute}
}

// routerMetrics passes the answer of the router that serves on.
func routerMetrics(w http.ResponseWriter, r *http.Request, h home.Home) {
	p, ok, err := host.ServingRouter(h)
	if err != nil || !ok {
		http.Error(w, "no router runs", http.StatusServiceUnavailable)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), 10*time.Second)
	defer cancel()
	answer, err := ask(ctx, p.Control, "/metrics")
	if err != nil {
		http.Error(w, "the router does not answer", http.StatusServiceUnavailable)
		return
	}
	defer answer.Body.Close()
	w.Header().Set("Content-Type", answer.Header.Get("Content-Type"))
	_, _ = io.Copy(w, answer.Body) // half an answer is cut, which a scraper sees
}

// ask sends a GET request to what listens on a unix socket.
func ask(ctx context.Context, socket, path string) (*http.Response, error) {
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://socket"+path, nil)
	if err != nil {
		return nil, err
	}
	return client.Do(req)
}

// operatorListeners opens the operator's socket, and an address if there is one.
func operatorListeners(ctx context.Context, c Config) (all []net.Listener, err error) {
	defer func() {
		if err != nil {
			for _, ln := range all {
				_ = ln.Close()
			}
		}
	}()
	ln, err := rootsocket.Listen(c.Home.Operator())
	if err != nil {
		return nil, err
	}
	all = append(all, ln)
	if c.Metrics == "" {
		return all, nil
	}
	if ln, err = new(net.ListenConfig).Listen(ctx, "tcp", c.Metrics); err != nil {
		return all, fmt.Errorf("listen for metrics: %w", err)
	}
	return append(all, ln), nil
}

// serveOperator serves s on all listeners until ctx ends.
func serveOperator(ctx context.Context, s *http.Server, all []net.Listener) error {
	group, ctx := errgroup.WithContext(ctx)
	stop := context.AfterFunc(ctx, func() { _ = s.Close() }) // a scraper comes again
	defer stop()
	for _, ln := range all {
		group.Go(func() error {
			if err := s.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
				return err
			}
			return nil
		})
	}
	return group.Wait()
}
