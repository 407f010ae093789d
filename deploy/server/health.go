package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/marina-cloud/marina/deploy/host"
	"github.com/marina-cloud/marina/internal/bus"
	"github.com/marina-cloud/marina/internal/home"
	"github.com/marina-cloud/marina/internal/metrics"
	"github.com/marina-cloud/marina/migrations/pg"
)

// checkLimit is how long one check may take before it counts as failed.
const checkLimit = 2 * time.Second

// Health is how an installation is, as GET /readyz tells it.
type Health struct {
	Ready  bool    `json:"ready"` // all checks passed
	Checks []Check `json:"checks"`
}

// Check is one thing that an installation cannot do without.
type Check struct {
	Name    string `json:"name"`
	OK      bool   `json:"ok"`
	Message string `json:"message,omitempty"` // why it is not
}

// checks are what is looked at, in the order in which it is told.
type checks []struct {
	name string
	run  func(context.Context) error
}

func newChecks(h home.Home, db *pg.DB, events *bus.Bus, secrets func(context.Context) error) checks {
	return checks{
		{"postgres", db.Ping},
		{"nats", func(context.Context) error { return events.Healthy() }},
		{"secrets", secrets},
		{"router", func(ctx context.Context) error { return routerServes(ctx, h) }},
	}
}

// look runs all checks at once.
func (c checks) look(ctx context.Context) Health {
	health := Health{Ready: true, Checks: make([]Check, len(c))}
	var all sync.WaitGroup
	for i, one := range c {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, checkLimit)
			defer cancel()
			health.Checks[i] = Check{Name: one.name, OK: true}
			if err := one.run(ctx); err != nil {
				health.Checks[i] = Check{Name: one.name, Message: err.Error()}
			}
		})
	}
	all.Wait()
	for _, one := range health.Checks {
		health.Ready = health.Ready && one.OK
	}
	return health
}

// ServeHTTP answers GET /readyz.
func (c checks) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	health := c.look(r.Context())
	w.Header().Set("Content-Type", "application/json")
	if !health.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(health) // nobody is left to tell
}

var metricCheck = prometheus.NewDesc("marina_check_up", "1 while what an installation cannot do without works, else 0.", []string{"check"}, nil)

// metrics shows the checks as figures.
func (c checks) metrics() prometheus.Collector {
	return metrics.NewSnapshot("checks", func(ctx context.Context, emit func(prometheus.Metric)) error {
		for _, one := range c.look(ctx).Checks {
			up := 1.0
			if !one.OK {
				up = 0
			}
			emit(metrics.Gauge(metricCheck, up, one.Name))
		}
		return nil
	}, metricCheck)
}

// routerServes asks the router that should serve whether it does.
func routerServes(ctx context.Context, h home.Home) error {
	p, ok, err := host.ServingRouter(h)
	if err != nil {
		return err
	}
	if !ok {
		return errors.New("no router runs: see log/router.log")
	}
	var said struct{ Serving bool }
	answer, err := ask(ctx, p.Control, "/healthz")
	if err != nil {
		return fmt.Errorf("the router does not answer: %w", err)
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(answer.Body).Decode(&said); err != nil {
		return fmt.Errorf("read the router's answer: %w", err)
	}
	if !said.Serving {
		return errors.New("the router has handed its sockets over, and no other has appeared yet")
	}
	return nil
}
