package pg

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Frozen runs f in a read-only transaction that sees all organizations as they
// were at one instant. The instant has a name, by which other connections can be
// brought to it (pg_dump --snapshot) for as long as f runs. Errors of f come back
// as they are, and f runs once.
func (db *DB) Frozen(ctx context.Context, f func(tx pgx.Tx, snapshot string) error) error {
	tx, err := db.pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return fmt.Errorf("begin a transaction: %w", refine(ctx, err, true))
	}
	defer func() {
		back, cancel := context.WithTimeout(context.WithoutCancel(ctx), connectTimeout)
		defer cancel()
		tx.Rollback(back) //nolint:errcheck // nothing was written
	}()
	// It idles for as long as whoever joins it takes.
	const scope = `SELECT set_config('role', 'marina_worker', true), set_config('app.organization', '', true),
		set_config('idle_in_transaction_session_timeout', '0', true)`
	if _, err := tx.Exec(ctx, scope); err != nil {
		return fmt.Errorf("take on the role marina_worker: %w", refine(ctx, err, tx.Conn().IsClosed()))
	}
	var snapshot string
	if err := tx.QueryRow(ctx, "SELECT pg_export_snapshot()").Scan(&snapshot); err != nil {
		return fmt.Errorf("name the instant: %w", refine(ctx, err, tx.Conn().IsClosed()))
	}
	return f(tx, snapshot)
}
