package pg

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/internal/fault"
	"github.com/marina-cloud/marina/internal/metrics"
)

// ErrLeaseLost means that another worker took the row over, or that the row is
// gone: whoever gets it must stop and must not write.
var ErrLeaseLost = fault.New(fault.Conflict, "lease_lost", "Another worker has taken this over.")

// queues names the tables that are queues and the condition that their rows
// meet as long as there may be work on them. Each has an index on due_at with
// that condition, and the columns due_at, lease_until, lease_token, wakes,
// attempts and last_error.
var queues = map[string]string{
	"clusters": "phase <> 'deleted'",
	"pools":    "phase <> 'deleted'",
	"nodes":    "phase <> 'deleted'",
	"mails":    "state = 'waiting'",
}

// Queue hands the rows of a table that are due to workers, each row to one
// worker at a time, whatever number of processes take part. It is a value and
// safe for concurrent use.
type Queue struct {
	DB    *DB
	Table string        // "clusters", "pools", "nodes" or "mails"
	Lease time.Duration // for Run: how long a row of a process that died stays out of reach; 0 means 15 s
	Limit time.Duration // for Run: how long one piece of work may take; 0 means 2 minutes
	Log   *slog.Logger  // for Run; nil means slog.Default()

	// Longest is the longest pause after failures in a row; 0 means a minute.
	Longest time.Duration

	// Most is for Run: it says how many of the parallel rows may be worked on just now,
	// at least one; nil: all.
	Most func() int

	Metrics *metrics.Reconcilers // of what Run does; nil: nobody counts
}

// Lease is the right to work on one row. Token grows with every lease of the
// row, so that a worker that was too slow cannot overwrite what its successor did.
type Lease struct {
	ID       string
	Token    int64
	Until    time.Time // by this process's clock, and never later than the database's end
	Attempts int       // how often work on the row failed in a row

	wakes int64 // the row's count when the lease was taken
}

// Take leases up to n rows that are due, those that have waited longest first.
// It returns fewer, or none, when there are no more. Workers never wait for each
// other here, and the rows of a lost one are free when d is over.
func (q Queue) Take(ctx context.Context, n int, d time.Duration) ([]Lease, error) {
	if err := known(q.Table); err != nil {
		return nil, err
	}
	begun := time.Now()
	// MATERIALIZED: the locking part must run once, whatever the planner thinks.
	sql := `
		WITH due AS MATERIALIZED (
			SELECT id FROM ` + q.Table + `
			WHERE ` + queues[q.Table] + ` AND due_at <= now() AND (lease_until IS NULL OR lease_until <= now())
			ORDER BY due_at LIMIT @n FOR NO KEY UPDATE SKIP LOCKED)
		UPDATE ` + q.Table + ` t SET lease_until = now() + @d, lease_token = lease_token + 1
		FROM due WHERE t.id = due.id
		RETURNING t.id, t.lease_token, t.attempts, t.wakes`
	var leases []Lease
	err := q.DB.AsWorker(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, sql, pgx.NamedArgs{"n": n, "d": d})
		if err != nil {
			return err
		}
		leases, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (Lease, error) {
			l := Lease{Until: begun.Add(d)}
			return l, row.Scan(&l.ID, &l.Token, &l.Attempts, &l.wakes)
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("take from %s: %w", q.Table, err)
	}
	return leases, nil
}

// Done gives the row back after work that succeeded; it is due again after next,
// or at once if it was woken since it was taken. It returns ErrLeaseLost when
// the lease is no longer l, also when the row is gone.
func (q Queue) Done(ctx context.Context, l Lease, next time.Duration) error {
	const set = `attempts = 0, last_error = '',
		due_at = CASE WHEN wakes = @wakes THEN now() + @next ELSE due_at END`
	return q.giveBack(ctx, l, set, pgx.NamedArgs{"next": next})
}

// Failed gives the row back after work that failed for cause, whose text the row
// then shows. It is due again after a pause that grows from half a second to
// Longest; a wake meanwhile makes the pause the shortest. Errors are Done's.
func (q Queue) Failed(ctx context.Context, l Lease, cause error) error {
	const set = `attempts = attempts + 1, last_error = @error,
		due_at = now() + CASE WHEN wakes = @wakes THEN @pause::interval ELSE @first::interval END`
	r := rand.Float64()
	return q.giveBack(ctx, l, set, pgx.NamedArgs{
		"error": clip(cause.Error()), "pause": backoff(l.Attempts+1, cmp.Or(q.Longest, time.Minute), r), "first": backoff(1, time.Minute, r),
	})
}

// release gives the row back as it was, due at once, when the work was broken
// off for a reason that is not the row's.
func (q Queue) release(ctx context.Context, l Lease) error {
	return q.giveBack(ctx, l, "due_at = least(due_at, now())", pgx.NamedArgs{})
}

func (q Queue) giveBack(ctx context.Context, l Lease, set string, args pgx.NamedArgs) error {
	args["wakes"] = l.wakes
	if err := q.update(ctx, l, "lease_until = NULL, "+set, args); err != nil {
		return fmt.Errorf("give back %s: %w", l.ID, err)
	}
	return nil
}

// renew makes the lease end d from now and returns the new end.
func (q Queue) renew(ctx context.Context, l Lease, d time.Duration) (time.Time, error) {
	begun := time.Now()
	if err := q.update(ctx, l, "lease_until = now() + @d", pgx.NamedArgs{"d": d}); err != nil {
		return time.Time{}, fmt.Errorf("renew the lease of %s: %w", l.ID, err)
	}
	return begun.Add(d), nil
}

// update changes the row of l if l still holds it.
func (q Queue) update(ctx context.Context, l Lease, set string, args pgx.NamedArgs) error {
	if err := known(q.Table); err != nil {
		return err
	}
	args["id"], args["token"] = l.ID, l.Token
	sql := "UPDATE " + q.Table + " SET " + set + " WHERE id = @id AND lease_token = @token AND lease_until IS NOT NULL"
	return q.DB.AsWorker(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, sql, args)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return ErrLeaseLost
		}
		return nil
	})
}

// Wake makes the row due now, if and when tx commits. A worker that holds the
// row finishes first, and then it is due again: no wake is lost. Waking says
// nothing to Run; publish an event for that.
func (q Queue) Wake(ctx context.Context, tx pgx.Tx, id string) error {
	if err := known(q.Table); err != nil {
		return err
	}
	sql := "UPDATE " + q.Table + " SET due_at = least(due_at, now()), wakes = wakes + 1 WHERE id = $1"
	if _, err := tx.Exec(ctx, sql, id); err != nil {
		return fmt.Errorf("wake %s: %w", id, err)
	}
	return nil
}

// WakeInTurn is Wake for many rows, which are due in the order of ids. It does not
// put them before rows that have been due for longer and are not among them.
func (q Queue) WakeInTurn(ctx context.Context, tx pgx.Tx, ids []string) error {
	if err := known(q.Table); err != nil {
		return err
	}
	// A microsecond is the precision of due_at.
	sql := `
		UPDATE ` + q.Table + ` t SET due_at = now() - (cardinality($1::text[]) - turn.n) * interval '1 microsecond', wakes = wakes + 1
		FROM unnest($1::text[]) WITH ORDINALITY AS turn (id, n) WHERE t.id = turn.id`
	if _, err := tx.Exec(ctx, sql, ids); err != nil {
		return fmt.Errorf("wake %d rows in turn: %w", len(ids), err)
	}
	return nil
}

// Hold makes sure that l holds its row of table until tx ends, so that what tx
// writes is written under the lease. It returns ErrLeaseLost when l does not.
func (l Lease) Hold(ctx context.Context, tx pgx.Tx, table string) error {
	if err := known(table); err != nil {
		return err
	}
	sql := "SELECT FROM " + table + " WHERE id = $1 AND lease_token = $2 AND lease_until IS NOT NULL FOR NO KEY UPDATE"
	err := tx.QueryRow(ctx, sql, l.ID, l.Token).Scan()
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrLeaseLost
	}
	if err != nil {
		return fmt.Errorf("hold the lease of %s: %w", l.ID, err)
	}
	return nil
}

// nextDue returns how long until a row that nobody holds is due, and false when
// there is no such row.
func (q Queue) nextDue(ctx context.Context) (d time.Duration, ok bool, err error) {
	sql := "SELECT min(greatest(due_at, lease_until)) - now() FROM " + q.Table + " WHERE " + queues[q.Table]
	var in *time.Duration
	err = q.DB.AsWorker(ctx, func(tx pgx.Tx) error { return tx.QueryRow(ctx, sql).Scan(&in) })
	if err != nil || in == nil {
		return 0, false, err
	}
	return *in, true, nil
}

// known keeps anything but the name of a queue out of the SQL.
func known(table string) error {
	if _, ok := queues[table]; !ok {
		return fmt.Errorf("%q is not a queue", table)
	}
	return nil
}

// backoff is the pause after the n-th failure in a row: half a second, doubled
// each time up to most, spread by r in [0, 1).
func backoff(n int, most time.Duration, r float64) time.Duration {
	const first, doublings = 500 * time.Millisecond, 20 // six days
	return jitter(min(first<<min(max(n-1, 0), doublings), most), r)
}

// clip shortens an error's text to what a row needs to show, and keeps out what
// Postgres refuses in a text.
func clip(s string) string {
	const most = 1000
	s = strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "\uFFFD")
	if len(s) <= most {
		return s
	}
	s = s[:most]
	for !utf8.ValidString(s) {
		s = s[:len(s)-1]
	}
	return s + "…"
}
