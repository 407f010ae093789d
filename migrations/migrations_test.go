//go:build integration

package migrations_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/marina-cloud/marina/migrations"
	"github.com/marina-cloud/marina/migrations/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestApplyTogether is several processes that start at once on a new database,
// and then again.
func TestApplyTogether(t *testing.T) {
	dsn := pgtest.NewDSN(t)
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	// A database beside the test's own, without the schema; the roles are there.
	const empty = "apply_together"
	if _, err := conn.Exec(t.Context(), "CREATE DATABASE "+empty+" TEMPLATE template0"); err != nil {
		t.Fatal(err)
	}
	defer conn.Exec(t.Context(), "DROP DATABASE "+empty+" WITH (FORCE)") //nolint:errcheck // the server ends with the test
	dsn = strings.Replace(dsn, "dbname="+conn.Config().Database, "dbname="+empty, 1)

	for range 2 {
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if err := migrations.Apply(t.Context(), dsn); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	newest, err := migrations.Newest()
	if err != nil {
		t.Fatal(err)
	}
	if version, err := migrations.Version(t.Context(), dsn); err != nil || version != newest || newest < 4 {
		t.Errorf("the schema has version %d, %v; the newest is %d", version, err, newest)
	}
	made, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer made.Close(t.Context())
	var twice int
	err = made.QueryRow(t.Context(), "SELECT count(*) - count(DISTINCT version_id) FROM goose_db_version").Scan(&twice)
	if err != nil || twice != 0 {
		t.Errorf("%d migrations ran twice, %v", twice, err)
	}
}

func TestApplySaysWhatItWasDoing(t *testing.T) {
	err := migrations.Apply(t.Context(), "host=/nonexistent user=x dbname=x")
	if err == nil || !strings.HasPrefix(err.Error(), "migrate the database: ") {
		t.Errorf("error = %v", err)
	}
}
