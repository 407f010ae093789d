// Package migrations holds the schema of the database and brings a database to it.
//
// Files are numbered, only go forward and are never edited once released; each
// is safe beside the previous release of the program. Below it: pg (the one way
// to the database), pgserver (Postgres as a child process) and pgtest (a fresh
// database per test).
package migrations

import (
	"context"
	"database/sql"
	"embed"
	"fmt"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx" of database/sql
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed *.sql
var files embed.FS

// Apply brings the database at dsn to the newest schema. It does nothing to one
// that has it already. Several processes may call it at once: one works, the
// others wait for it for up to five minutes.
//
// The login role needs CREATEROLE and must own the database.
func Apply(ctx context.Context, dsn string) error {
	// Once a second, for five minutes.
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 300))
	if err != nil {
		return fmt.Errorf("migrate the database: %w", err)
	}
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		return fmt.Errorf("migrate the database: %w", err)
	}
	defer db.Close()
	p, err := goose.NewProvider(goose.DialectPostgres, db, files, goose.WithSessionLocker(locker))
	if err != nil {
		return fmt.Errorf("migrate the database: %w", err)
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrate the database: %w", err)
	}
	return nil
}
