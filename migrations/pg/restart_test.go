//go:build integration

package pg_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/migrations"
	"github.com/marina-cloud/marina/migrations/pg"
	"github.com/marina-cloud/marina/migrations/pgserver"
)

// TestRestartOfPostgres kills the server under a pool, a queue and a listener,
// and expects all of them to go on with the next one.
func TestRestartOfPostgres(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "marina-restart-") // t.TempDir shuts the user postgres out
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	cfg := pgserver.Config{DataDir: filepath.Join(dir, "data"), SocketDir: filepath.Join(dir, "s"), LogFile: filepath.Join(dir, "log"), Fast: true}
	begin := func() *pgserver.Server {
		s, err := pgserver.Start(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	first := begin()
	defer pgserver.Halt(context.WithoutCancel(t.Context()), cfg) //nolint:errcheck // what fails here shows below
	if err := migrations.Apply(t.Context(), first.DSN()); err != nil {
		t.Fatal(err)
	}
	db, err := pg.Open(t.Context(), first.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	q := pg.Queue{DB: db, Table: "clusters", Lease: 2 * time.Second}
	cluster(t, db, organization(t, db), 0)

	did := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	stop := run(t, q, nil, 1, func(context.Context, pg.Lease) (time.Duration, error) {
		select {
		case did <- struct{}{}:
		case <-ctx.Done():
		}
		return 0, nil
	})
	defer stop()
	defer cancel()
	lost := make(chan error, 1)
	ready := make(chan struct{}, 1)
	go func() {
		lost <- db.Listen(ctx, pg.Outbox, func() {
			select {
			case ready <- struct{}{}:
			default:
			}
		})
	}()
	await(t, ready)
	await(t, did)

	if err := pgserver.Halt(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	await(t, first.Done())
	if err := await(t, lost); !errors.Is(err, pg.ErrUnavailable) {
		t.Errorf("Listen = %v, want ErrUnavailable", err)
	}
	if err := db.AsWorker(t.Context(), func(pgx.Tx) error { return nil }); !errors.Is(err, pg.ErrUnavailable) {
		t.Errorf("without a server: error = %v, want ErrUnavailable", err)
	}
	second := begin()
	if err := db.AsWorker(t.Context(), func(tx pgx.Tx) error { return tx.QueryRow(t.Context(), "SELECT").Scan() }); err != nil {
		t.Errorf("with the next server: %v", err)
	}
	for range 3 { // the first may be from before
		await(t, did)
	}
	cancel()
	stop()
	if err := second.Stop(); err != nil {
		t.Error(err)
	}
}
