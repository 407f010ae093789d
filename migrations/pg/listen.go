package pg

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Listen calls f once when it is ready and then for every notification on
// channel, one call at a time, over a connection of its own. It returns nil when
// ctx ends and an error when the connection is lost: notifications may then have
// been missed, so the caller looks for itself and calls Listen again.
func (db *DB) Listen(ctx context.Context, channel string, f func()) error {
	conn, err := pgx.ConnectConfig(ctx, db.pool.Config().ConnConfig.Copy())
	if err != nil {
		return ended(ctx, channel, err)
	}
	defer func() {
		done, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		conn.Close(done) //nolint:errcheck // nothing is left to save
	}()
	if _, err := conn.Exec(ctx, "LISTEN "+pgx.Identifier{channel}.Sanitize()); err != nil {
		return ended(ctx, channel, err)
	}
	f()
	for {
		if _, err := conn.WaitForNotification(ctx); err != nil {
			return ended(ctx, channel, err)
		}
		f()
	}
}

func ended(ctx context.Context, channel string, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("listen on %s: %w", channel, refine(ctx, err, true))
}
