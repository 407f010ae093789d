// Package metrics is what the contexts show of themselves in the same way: the
// work of reconcilers, and figures that are read when somebody asks.
//
// Names are marina_<context>_<noun>_<unit>. No label holds what a tenant chose or
// what there are thousands of, such as a cluster's id: what belongs to one cluster
// is in the answer of its own metrics.
package metrics

import (
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Reconcilers counts what reconcilers do. It is safe for concurrent use; the
// methods of a nil Reconcilers do nothing.
type Reconcilers struct {
	runs  *prometheus.HistogramVec
	steps *prometheus.HistogramVec
	ready *prometheus.HistogramVec
}

// NewReconcilers returns the metrics of all reconcilers of this process.
func NewReconcilers() *Reconcilers {
	return &Reconcilers{
		runs: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "marina_reconcile_run_duration_seconds", Buckets: []float64{.01, .05, .1, .5, 1, 5, 15, 60, 120},
			Help: "How long it took to work on a row of a queue, by how that ended: done, failed, lost (another worker took over) or released (the process stops).",
		}, []string{"queue", "result"}),
		steps: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "marina_reconcile_step_duration_seconds", Buckets: []float64{.005, .025, .1, .5, 1, 2.5, 5, 10, 30},
			Help: "How long a step of a reconciler took, by its kind and by whether it failed.",
		}, []string{"queue", "step", "result"}),
		ready: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "marina_reconcile_ready_seconds", Buckets: []float64{1, 2, 3, 5, 8, 15, 30, 60, 120, 300, 600},
			Help: "How long it took from the wish for a cluster, pool or node until it ran for the first time.",
		}, []string{"queue"}),
	}
}

// Register adds the metrics to a registry, with a series for each of the queues:
// one that has not failed yet shows a zero, which an alert needs.
func (r *Reconcilers) Register(to prometheus.Registerer, queues ...string) error {
	for _, q := range queues {
		r.ready.WithLabelValues(q)
		for _, result := range []string{Done, Failed} {
			r.runs.WithLabelValues(q, result)
		}
	}
	return Register(to, r.runs, r.steps, r.ready)
}

// How a run ended.
const (
	Done     = "done"
	Failed   = "failed"
	Lost     = "lost"
	Released = "released"
)

// Run notes that a row of a queue was worked on.
func (r *Reconcilers) Run(queue, result string, took time.Duration) {
	if r != nil {
		r.runs.WithLabelValues(queue, result).Observe(took.Seconds())
	}
}

// Step notes that a step was done, or was not, for err. Its kind is its type's name.
func (r *Reconcilers) Step(queue string, step any, took time.Duration, err error) {
	if r == nil {
		return
	}
	result := Done
	if err != nil {
		result = Failed
	}
	r.steps.WithLabelValues(queue, Kind(step), result).Observe(took.Seconds())
}

// Ready notes that something runs for the first time.
func (r *Reconcilers) Ready(queue string, took time.Duration) {
	if r != nil {
		r.ready.WithLabelValues(queue).Observe(took.Seconds())
	}
}

// Kind is the name of a step's type, without its package.
func Kind(step any) string {
	name := fmt.Sprintf("%T", step)
	return name[strings.LastIndexByte(name, '.')+1:]
}

// Register adds collectors to a registry, which may be nil.
func Register(to prometheus.Registerer, collectors ...prometheus.Collector) error {
	if to == nil {
		return nil
	}
	for _, c := range collectors {
		if err := to.Register(c); err != nil {
			return fmt.Errorf("register metrics: %w", err)
		}
	}
	return nil
}
