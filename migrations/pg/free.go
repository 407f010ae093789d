package pg

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// FreeLeases takes the leases of all workers away and makes what they worked on
// due now: for a database that came from elsewhere, whose workers are gone. It
// needs AsWorker.
func FreeLeases(ctx context.Context, tx pgx.Tx) error {
	for table, alive := range queues {
		_, err := tx.Exec(ctx, "UPDATE "+table+" SET lease_until = NULL, lease_token = lease_token + 1, due_at = now(), attempts = 0 WHERE "+alive)
		if err != nil {
			return fmt.Errorf("free the leases of %s: %w", table, err)
		}
	}
	return nil
}

// Inherit takes the leases of workers away that are gone without a word: what they
// worked on is due now, and not when its lease ends. It is for a process that is the
// only one to work on the queues, before it does. It needs AsWorker.
func Inherit(ctx context.Context, tx pgx.Tx) error {
	for table, alive := range queues {
		_, err := tx.Exec(ctx, "UPDATE "+table+" SET lease_until = NULL, lease_token = lease_token + 1, due_at = least(due_at, now()) WHERE lease_until IS NOT NULL AND "+alive)
		if err != nil {
			return fmt.Errorf("inherit the leases of %s: %w", table, err)
		}
	}
	return nil
}
