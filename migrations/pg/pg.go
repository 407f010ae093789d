// Package pg is the one way to the database.
//
// A transaction takes on one of four roles before any other statement runs in
// it: marina_app, which row-level security holds to one organization;
// marina_worker, which serves all of them; marina_identity, which answers who
// somebody is before an organization is known; marina_operator, which reads what
// operators see of all organizations. The role and the organization end
// with the transaction, so a pooled connection carries nothing on.
//
// Row-level security is the net under a forgotten WHERE, not a fence against
// injected SQL: a transaction could set another organization itself.
package pg

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/marina-cloud/marina/internal/tenant"
)

// Figures of the pool. A transaction here lasts milliseconds, so few connections
// serve many requests; Postgres pays some megabytes for each.
const (
	maxConns       = 24
	connectTimeout = 5 * time.Second
)

// DB is a pool of connections. It is safe for concurrent use.
type DB struct{ pool *pgxpool.Pool }

// Open connects to the database at dsn, a libpq URL or keyword string
// (https://www.postgresql.org/docs/current/libpq-connect.html), and checks that
// it answers; pool_max_conns there overrides the size of the pool. The schema
// must be there: see migrations.Apply. An unreachable database is an ErrUnavailable.
func Open(ctx context.Context, dsn string) (*DB, error) {
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("read the database's address: %w", err)
	}
	if !strings.Contains(dsn, "pool_max_conns") {
		cfg.MaxConns = maxConns
	}
	if cfg.ConnConfig.ConnectTimeout == 0 {
		cfg.ConnConfig.ConnectTimeout = connectTimeout
	}
	// A transaction that a bug leaves open would hold its locks for ever.
	params := cfg.ConnConfig.RuntimeParams
	for k, v := range map[string]string{"application_name": "marina", "idle_in_transaction_session_timeout": "60s"} {
		if params[k] == "" {
			params[k] = v
		}
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	db := &DB{pool: pool}
	if err := db.Ping(ctx); err != nil {
		pool.Close()
		return nil, err
	}
	return db, nil
}

// Close ends all connections; it waits for those in use.
func (db *DB) Close() { db.pool.Close() }

// Ping reports whether the database answers; if not, it returns an ErrUnavailable.
func (db *DB) Ping(ctx context.Context) error {
	if err := db.pool.Ping(ctx); err != nil {
		return fmt.Errorf("reach the database: %w", refine(ctx, err, true))
	}
	return nil
}

// AsTenant runs f in a transaction that sees and changes only org's rows. It
// commits if f returns nil.
//
// This and its siblings run f again, a few times, when the database could not
// serialize the transaction or broke a deadlock: f must have no effect but
// through its pgx.Tx, and must not use the Tx from several goroutines. An
// unreachable database is an ErrUnavailable; other errors of f come back as they are.
func (db *DB) AsTenant(ctx context.Context, org tenant.OrganizationID, f func(pgx.Tx) error) error {
	if org == "" {
		return errors.New("transaction of an organization: no organization given")
	}
	return db.as(ctx, "marina_app", org, f)
}

// AsWorker runs f in a transaction that sees all organizations, for reconcilers.
func (db *DB) AsWorker(ctx context.Context, f func(pgx.Tx) error) error {
	return db.as(ctx, "marina_worker", "", f)
}

// AsLogin runs f in a transaction that may look up people and tokens of all
// organizations and add organizations and people, for sign-up and log-in.
func (db *DB) AsLogin(ctx context.Context, f func(pgx.Tx) error) error {
	return db.as(ctx, "marina_identity", "", f)
}

// AsOperator runs f in a transaction that reads what whoever runs the installation may
// see of all organizations, and changes nothing.
func (db *DB) AsOperator(ctx context.Context, f func(pgx.Tx) error) error {
	return db.as(ctx, "marina_operator", "", f)
}

func (db *DB) as(ctx context.Context, role string, org tenant.OrganizationID, f func(pgx.Tx) error) error {
	return retry(ctx, func() error { return db.once(ctx, role, org, f) })
}

// once runs f in one transaction.
func (db *DB) once(ctx context.Context, role string, org tenant.OrganizationID, f func(pgx.Tx) error) error {
	tx, err := db.pool.Begin(ctx)
	if err != nil {
		return &notBegun{fmt.Errorf("begin a transaction: %w", refine(ctx, err, true))}
	}
	// After a commit this does nothing. It must also end the transaction of a
	// caller who is gone, lest the connection returns to the pool with it.
	defer func() {
		back, cancel := context.WithTimeout(context.WithoutCancel(ctx), connectTimeout)
		defer cancel()
		tx.Rollback(back) //nolint:errcheck // the connection is thrown away then
	}()
	const scope = "SELECT set_config('role', $1, true), set_config('app.organization', $2, true)"
	if _, err := tx.Exec(ctx, scope, role, string(org)); err != nil {
		return fmt.Errorf("take on the role %s: %w", role, refine(ctx, err, tx.Conn().IsClosed()))
	}
	if err := f(tx); err != nil {
		return refine(ctx, err, tx.Conn().IsClosed())
	}
	if err := tx.Commit(ctx); err != nil {
		return fmt.Errorf("commit: %w", refine(ctx, err, tx.Conn().IsClosed()))
	}
	return nil
}
