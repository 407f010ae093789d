package seal

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Measured is a Store that counts what is asked of another one.
type Measured struct {
	Store
	requests *prometheus.HistogramVec
}

// Measure returns a store that passes everything on to s, and counts it.
func Measure(s Store) Measured {
	m := Measured{s, prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "marina_secrets_request_duration_seconds", Buckets: []float64{.0001, .001, .005, .025, .1, .5, 1, 5},
		Help: "Requests to the secret store, by operation and result: done, refused (what was to be opened is not for this key, or the key is gone) or failed (the store's fault).",
	}, []string{"operation", "result"})}
	for _, operation := range []string{"seal", "open", "destroy"} {
		for _, result := range []string{"done", "failed"} {
			m.requests.WithLabelValues(operation, result)
		}
	}
	return m
}

// Metrics shows the requests.
func (m Measured) Metrics() prometheus.Collector { return m.requests }

// Seal implements Store.
func (m Measured) Seal(ctx context.Context, key string, plaintext, additional []byte) (sealed []byte, err error) {
	defer m.note("seal", time.Now(), &err)
	return m.Store.Seal(ctx, key, plaintext, additional)
}

// Open implements Store.
func (m Measured) Open(ctx context.Context, key string, sealed, additional []byte) (plaintext []byte, err error) {
	defer m.note("open", time.Now(), &err)
	return m.Store.Open(ctx, key, sealed, additional)
}

// Destroy implements Store.
func (m Measured) Destroy(ctx context.Context, key string) (err error) {
	defer m.note("destroy", time.Now(), &err)
	return m.Store.Destroy(ctx, key)
}

func (m Measured) note(operation string, begun time.Time, err *error) {
	result := "done"
	switch {
	case *err == nil:
	case errors.Is(*err, ErrRefused), errors.Is(*err, ErrNoKey):
		result = "refused"
	default:
		result = "failed"
	}
	m.requests.WithLabelValues(operation, result).Observe(time.Since(begun).Seconds())
}
