package server

import (
	"context"
	"time"

	"github.com/marina-cloud/marina/internal/runc"
)

// The logs of an installation's own processes: the newest, and as many older ones
// as that, of about this size each.
const (
	logSize  = 32 << 20
	logsKept = 3
	logPause = 10 * time.Second
)

// rotateLogs keeps the logs of the server, the router and Postgres short until ctx
// ends. They are appended to, so that nobody has to open them again.
func rotateLogs(ctx context.Context, c Config) error {
	tick := time.NewTicker(logPause)
	defer tick.Stop()
	for {
		for _, name := range []string{"marina.log", "router.log", "postgres.log"} {
			if _, err := runc.Rotate(c.Home.Path("log", name), logSize, logsKept); err != nil {
				c.Log.WarnContext(ctx, "log not rotated", "log", name, "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
