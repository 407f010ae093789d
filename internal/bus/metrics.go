package bus

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/marina-cloud/marina/internal/metrics"
	"github.com/marina-cloud/marina/migrations/pg"
)

var (
	metricUnsent = prometheus.NewDesc("marina_outbox_unsent_events", "Events that wait in the outbox for NATS; at most 100000 are counted.", nil, nil)
	metricOldest = prometheus.NewDesc("marina_outbox_oldest_unsent_seconds", "How long the first of them has waited.", nil, nil)
)

var errDisconnected = errors.New("there is no connection to NATS; it is tried again")

// Healthy reports whether there is a connection to NATS at this moment.
func (b *Bus) Healthy() error {
	if !b.conn.IsConnected() {
		return errDisconnected
	}
	return nil
}

// Metrics shows what waits in the outbox of db.
func Metrics(db *pg.DB) prometheus.Collector {
	outbox := func(ctx context.Context, emit func(prometheus.Metric)) error {
		var n int
		var oldest time.Duration
		err := db.AsWorker(ctx, func(tx pgx.Tx) error {
			const q = `
				SELECT count(*), coalesce(now() - min(at), interval '0')
				FROM (SELECT at FROM outbox WHERE sent_at IS NULL ORDER BY seq LIMIT 100000) AS unsent`
			return tx.QueryRow(ctx, q).Scan(&n, &oldest)
		})
		emit(metrics.Gauge(metricUnsent, float64(n)))
		emit(metrics.Gauge(metricOldest, max(0, oldest.Seconds())))
		return err
	}
	return metrics.NewSnapshot("outbox", outbox, metricUnsent, metricOldest)
}
