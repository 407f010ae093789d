package metrics

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// fresh is how old figures may be that are shown: whoever asks in a loop asks
	// the source no more often than that.
	fresh = 5 * time.Second
	// patience bounds one reading: a scrape must not hang on a source that does.
	patience = 3 * time.Second
)

// Snapshot shows figures that are read from somewhere when they are asked for,
// such as the numbers of rows in a table. When they cannot be read they are absent,
// and marina_source_up of the source is 0.
type Snapshot struct {
	descs []*prometheus.Desc
	up    *prometheus.Desc
	read  func(ctx context.Context, emit func(prometheus.Metric)) error

	mu   sync.Mutex
	at   time.Time
	last []prometheus.Metric
}

var _ prometheus.Collector = (*Snapshot)(nil)

// NewSnapshot returns the figures that read emits, each of which is of one of the
// descs. The source names where they come from.
func NewSnapshot(source string, read func(ctx context.Context, emit func(prometheus.Metric)) error, descs ...*prometheus.Desc) *Snapshot {
	return &Snapshot{
		descs: descs, read: read,
		up: prometheus.NewDesc("marina_source_up", "1 when the figures of this source could be read, else 0.", nil, prometheus.Labels{"source": source}),
	}
}

// Describe implements prometheus.Collector.
func (s *Snapshot) Describe(out chan<- *prometheus.Desc) {
	for _, d := range s.descs {
		out <- d
	}
	out <- s.up
}

// Collect implements prometheus.Collector.
func (s *Snapshot) Collect(out chan<- prometheus.Metric) {
	for _, m := range s.current() {
		out <- m
	}
}

func (s *Snapshot) current() []prometheus.Metric {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.at.IsZero() && time.Since(s.at) < fresh {
		return s.last
	}
	// A scrape has no context of its own: the bound is ours.
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var all []prometheus.Metric
	up := 1.0
	if err := s.read(ctx, func(m prometheus.Metric) { all = append(all, m) }); err != nil {
		all, up = nil, 0
	}
	s.at, s.last = time.Now(), append(all, Gauge(s.up, up))
	return s.last
}

// Gauge is a gauge's present value.
func Gauge(d *prometheus.Desc, v float64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}
