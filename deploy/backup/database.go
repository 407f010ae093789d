package backup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/marina-cloud/marina/deploy/host"
	"github.com/marina-cloud/marina/internal/home"
	"github.com/marina-cloud/marina/migrations/pg"
	"github.com/marina-cloud/marina/migrations/pgserver"
)

// openDatabase opens the database of a home: that of the server that runs there,
// or one that is started for as long as it is needed.
func openDatabase(ctx context.Context, h home.Home, say func(string)) (db *pg.DB, release func(), err error) {
	cfg := host.PostgresConfig(h)
	if _, err := os.Stat(cfg.DataDir); errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(host.LockFile(h)); errors.Is(err, fs.ErrNotExist) {
			return nil, nil, fmt.Errorf("there is no installation in %s: name its home with --home", h.Dir)
		}
		return nil, nil, fmt.Errorf("the database of %s is not in that home but on a server of yours: back it up there, with that server's own tools", h.Dir)
	}
	dsn := pgserver.DSN(cfg.SocketDir, pgserver.Database)
	unlock, err := host.Lock(host.LockFile(h))
	switch {
	case errors.Is(err, host.ErrLocked):
		db, err := reach(ctx, dsn)
		if err != nil {
			return nil, nil, err
		}
		return db, db.Close, nil
	case err != nil:
		return nil, nil, err
	}
	say("starting the database")
	stop, err := startDatabase(ctx, h)
	if err != nil {
		unlock()
		return nil, nil, err
	}
	if db, err = pg.Open(ctx, dsn); err != nil {
		stop()
		unlock()
		return nil, nil, err
	}
	return db, func() { db.Close(); stop(); unlock() }, nil
}

// startDatabase starts the database of a home in which no server runs. The home's
// lock must be held.
func startDatabase(ctx context.Context, h home.Home) (stop func(), err error) {
	_, err = os.Stat(h.Run())
	fresh := errors.Is(err, fs.ErrNotExist)
	if err := host.MakeDirectories(h); err != nil {
		return nil, err
	}
	server, err := pgserver.Start(ctx, host.PostgresConfig(h))
	if err != nil {
		return nil, err
	}
	return func() {
		_ = server.Stop() // the next start replays what it did not write down
		if fresh {
			_ = os.RemoveAll(h.Run()) // a directory of sockets that nobody opens any more
		}
	}, nil
}

// restart is how long a running server may take to start its database again.
const restart = 30 * time.Second

// reach opens a database that a server keeps running.
func reach(ctx context.Context, dsn string) (*pg.DB, error) {
	deadline := time.Now().Add(restart)
	for {
		db, err := pg.Open(ctx, dsn)
		if err == nil || ctx.Err() != nil || time.Now().After(deadline) {
			return db, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(500 * time.Millisecond):
		}
	}
}
