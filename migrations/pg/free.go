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
