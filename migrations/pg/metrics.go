package pg

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/marina-cloud/marina/internal/metrics"
)

// Backlog is how a queue stands.
type Backlog struct {
	Due     int           // rows that wait for a worker
	Oldest  time.Duration // how long the first of them has waited
	Leased  int           // rows that are worked on
	Failing int           // rows on which work has failed several times in a row
}

// failing is from how many failures in a row on a row counts as failing: half a
// minute of them.
const failing = 6

// Backlog counts the rows of the queue.
func (q Queue) Backlog(ctx context.Context) (b Backlog, err error) {
	if err := known(q.Table); err != nil {
		return b, err
	}
	const due = "FILTER (WHERE due_at <= now() AND (lease_until IS NULL OR lease_until <= now()))"
	sql := `
		SELECT count(*) ` + due + `, coalesce(now() - min(greatest(due_at, lease_until)) ` + due + `, interval '0'),
			count(*) FILTER (WHERE lease_until > now()), count(*) FILTER (WHERE attempts >= $1)
		FROM ` + q.Table + ` WHERE ` + queues[q.Table]
	err = q.DB.AsWorker(ctx, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, sql, failing).Scan(&b.Due, &b.Oldest, &b.Leased, &b.Failing)
	})
	return b, err
}

var (
	queueLabel = []string{"queue"}

	metricDue     = prometheus.NewDesc("marina_queue_due_rows", "Rows of a queue that wait for a worker.", queueLabel, nil)
	metricOldest  = prometheus.NewDesc("marina_queue_oldest_due_seconds", "How long the first of the waiting rows has waited.", queueLabel, nil)
	metricLeased  = prometheus.NewDesc("marina_queue_leased_rows", "Rows of a queue that are worked on.", queueLabel, nil)
	metricFailing = prometheus.NewDesc("marina_queue_failing_rows", "Rows of a queue on which work has failed six times in a row or more.", queueLabel, nil)

	metricConnections = prometheus.NewDesc("marina_postgres_connections", "Connections to the database, by whether they are in use.", []string{"state"}, nil)
	metricMost        = prometheus.NewDesc("marina_postgres_max_connections", "Connections to the database that there may be.", nil, nil)
	metricWaited      = prometheus.NewDesc("marina_postgres_connection_wait_seconds_total", "How long callers have waited for a connection, together.", nil, nil)
	metricBytes       = prometheus.NewDesc("marina_postgres_database_bytes", "Size of the database.", nil, nil)
)

// Metrics shows how all queues stand, and how the database does.
func (db *DB) Metrics() []prometheus.Collector {
	queued := func(ctx context.Context, emit func(prometheus.Metric)) error {
		for _, table := range slices.Sorted(maps.Keys(queues)) {
			b, err := Queue{DB: db, Table: table}.Backlog(ctx)
			if err != nil {
				return err
			}
			emit(metrics.Gauge(metricDue, float64(b.Due), table))
			emit(metrics.Gauge(metricOldest, max(0, b.Oldest.Seconds()), table))
			emit(metrics.Gauge(metricLeased, float64(b.Leased), table))
			emit(metrics.Gauge(metricFailing, float64(b.Failing), table))
		}
		return nil
	}
	size := func(ctx context.Context, emit func(prometheus.Metric)) error {
		var bytes int64
		err := db.AsWorker(ctx, func(tx pgx.Tx) error {
			return tx.QueryRow(ctx, "SELECT pg_database_size(current_database())").Scan(&bytes)
		})
		emit(metrics.Gauge(metricBytes, float64(bytes)))
		return err
	}
	return []prometheus.Collector{
		metrics.NewSnapshot("queues", queued, metricDue, metricOldest, metricLeased, metricFailing),
		metrics.NewSnapshot("database", size, metricBytes),
		metrics.NewSnapshot("pool", db.stats, metricConnections, metricMost, metricWaited),
	}
}

func (db *DB) stats(_ context.Context, emit func(prometheus.Metric)) error {
	s := db.pool.Stat()
	emit(metrics.Gauge(metricConnections, float64(s.AcquiredConns()), "used"))
	emit(metrics.Gauge(metricConnections, float64(s.IdleConns()), "idle"))
	emit(metrics.Gauge(metricMost, float64(s.MaxConns())))
	emit(prometheus.MustNewConstMetric(metricWaited, prometheus.CounterValue, s.AcquireDuration().Seconds()))
	return nil
}
