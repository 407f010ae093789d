package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go"

	"github.com/marina-cloud/marina/internal/event"
	"github.com/marina-cloud/marina/migrations/pg"
)

const (
	batch      = 100
	batchLimit = 20 * time.Second // for publishing one batch; the transaction is open meanwhile
	poll       = 5 * time.Second  // how late an event is whose notification was lost
	again      = time.Second      // the rest after a failure
	tidy       = time.Hour

	// relayLock is the advisory lock that makes one process the relay.
	relayLock = 0x6d6172696e61 // "marina"
)

// Relay publishes the events of the outbox in their order, until ctx ends; then
// it returns nil. Every process may run it: one at a time does the work. While
// Postgres or NATS is away, events wait in the outbox. It removes events that
// are done with: after a day, or after thirty if they are a customer's history.
func Relay(ctx context.Context, db *pg.DB, b *Bus) error {
	wake := make(chan struct{}, 1)
	var listener sync.WaitGroup
	defer listener.Wait()
	listener.Go(func() { listen(ctx, db, wake) })

	var tidied time.Time
	failing := false
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		rest := poll
		more, err := relayBatch(ctx, db, b)
		switch {
		case err != nil && ctx.Err() == nil:
			if !failing {
				slog.WarnContext(ctx, "events wait in the outbox", "error", err)
			}
			rest = again
		case more:
			rest = 0
		case failing:
			slog.InfoContext(ctx, "events are relayed again")
		}
		failing = err != nil
		if err == nil && time.Since(tidied) > tidy {
			if err := prune(ctx, db); err != nil && ctx.Err() == nil {
				slog.WarnContext(ctx, "outbox not pruned", "error", err)
			}
			tidied = time.Now()
		}
		timer.Reset(rest)
		if failing {
			// Notifications must not turn an outage into a busy loop.
			select {
			case <-ctx.Done():
				return nil
			case <-timer.C:
			}
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-wake:
		case <-timer.C:
		}
	}
}

// listen passes notifications of the outbox on to wake until ctx ends.
func listen(ctx context.Context, db *pg.DB, wake chan<- struct{}) {
	for ctx.Err() == nil {
		err := db.Listen(ctx, pg.Outbox, func() {
			select {
			case wake <- struct{}{}:
			default: // one is waiting already
			}
		})
		if err == nil {
			return
		}
		slog.DebugContext(ctx, "not listening to the outbox", "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(again):
		}
	}
}

// relayBatch publishes the oldest unsent events and reports whether there may be
// more. When NATS fails in the middle, those before count as sent.
func relayBatch(ctx context.Context, db *pg.DB, b *Bus) (more bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, batchLimit)
	defer cancel()
	var failed error
	// Should the transaction run twice, or fail to commit, events are published
	// twice: the stream drops the second by its ID.
	err = db.AsWorker(ctx, func(tx pgx.Tx) error {
		more, failed = false, nil
		var mine bool
		if err := tx.QueryRow(ctx, "SELECT pg_try_advisory_xact_lock($1)", int64(relayLock)).Scan(&mine); err != nil || !mine {
			return err
		}
		events, err := unsent(ctx, tx)
		if err != nil {
			return err
		}
		var sent []int64
		for _, e := range events {
			if failed = publish(ctx, b, e.Event); failed != nil {
				break
			}
			sent = append(sent, e.seq)
		}
		if len(sent) == 0 {
			return nil
		}
		more = len(sent) == batch
		_, err = tx.Exec(ctx, "UPDATE outbox SET sent_at = now() WHERE seq = ANY($1)", sent)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("relay the outbox: %w", err)
	}
	return more, failed
}

// publish sends e. One that NATS can never take is reported and counts as sent,
// since it would hold up all others for ever.
func publish(ctx context.Context, b *Bus, e event.Event) error {
	err := b.Publish(ctx, e)
	if errors.Is(err, nats.ErrMaxPayload) || errors.Is(err, nats.ErrBadSubject) {
		slog.ErrorContext(ctx, "event cannot be published", "event", e.ID, "kind", string(e.Kind), "error", err)
		return nil
	}
	return err
}

type row struct {
	event.Event
	seq int64
}

// unsent returns the oldest events that were not sent. Transactions commit in
// another order than that in which they drew their seq, so an event may come
// after one with a greater seq; it is never left out.
func unsent(ctx context.Context, tx pgx.Tx) ([]row, error) {
	const q = `
		SELECT seq, id, kind, organization_id, coalesce(cluster_id, ''), subject, at, message, data
		FROM outbox WHERE sent_at IS NULL ORDER BY seq LIMIT $1`
	rows, err := tx.Query(ctx, q, batch)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(r pgx.CollectableRow) (e row, err error) {
		var data []byte
		err = r.Scan(&e.seq, &e.ID, &e.Kind, &e.Organization, &e.Cluster, &e.Subject, &e.At, &e.Message, &data)
		e.Data = json.RawMessage(data)
		return e, err
	})
}

// prune removes a bounded number of events that nobody needs any more.
func prune(ctx context.Context, db *pg.DB) error {
	const q = `
		DELETE FROM outbox WHERE seq IN (
			SELECT seq FROM outbox
			WHERE sent_at < now() - CASE WHEN message = '' THEN interval '1 day' ELSE interval '30 days' END
			ORDER BY seq LIMIT 10000)`
	return db.AsWorker(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, q)
		return err
	})
}
