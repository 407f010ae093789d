//go:build integration

package pgserver

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// TestDump: a dump shows one instant, and another server can load it.
func TestDump(t *testing.T) {
	t.Parallel()
	ctx, c := t.Context(), config(t)
	c.Fast = true
	s := begin(t, c)
	defer stop(t, s)
	conn, err := pgx.Connect(ctx, s.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	// As the schema has it: a table that even its owner sees only through a policy.
	for _, sql := range []string{
		"CREATE TABLE kept (n int)", "ALTER TABLE kept ENABLE ROW LEVEL SECURITY", "ALTER TABLE kept FORCE ROW LEVEL SECURITY",
		"CREATE POLICY p ON kept USING (true)", put,
		"CREATE TABLE hidden (n int)", "ALTER TABLE hidden ENABLE ROW LEVEL SECURITY",
		"INSERT INTO hidden VALUES (3)", "ALTER TABLE hidden FORCE ROW LEVEL SECURITY",
	} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
	if err != nil {
		t.Fatal(err)
	}
	var snapshot string
	if err := tx.QueryRow(ctx, "SELECT pg_export_snapshot()").Scan(&snapshot); err != nil {
		t.Fatal(err)
	}
	ask(t, s, put) // after the instant
	var dump bytes.Buffer
	if err := Dump(ctx, c, snapshot, &dump); err != nil {
		t.Fatal(err)
	}
	if err := tx.Rollback(ctx); err != nil {
		t.Fatal(err)
	}
	if err := CheckDump(ctx, bytes.NewReader(dump.Bytes())); err != nil {
		t.Errorf("a good dump: %v", err)
	}
	if err := CheckDump(ctx, bytes.NewReader(dump.Bytes()[:dump.Len()*2/3])); err == nil {
		t.Error("a dump that was cut off passes")
	}

	other := config(t)
	other.Fast = true
	o := begin(t, other)
	defer stop(t, o)
	if err := Load(ctx, other, strings.NewReader("no dump")); err == nil {
		t.Error("something else than a dump was loaded")
	}
	for range 2 { // it may be done again
		if err := Load(ctx, other, bytes.NewReader(dump.Bytes())); err != nil {
			t.Fatal(err)
		}
	}
	if n := ask(t, o, get); n != 7 {
		t.Errorf("loaded: %d, want the 7 of the instant", n)
	}
	if n := ask(t, o, "SELECT count(*) FROM pg_tables WHERE tablename IN ('kept', 'hidden') AND tableowner = 'marina'"); n != 2 {
		t.Error("the tables do not belong to the login any more")
	}
	admin, err := pgx.Connect(ctx, dsn(other.SocketDir, superuser, Database))
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(context.WithoutCancel(ctx))
	var n int
	if err := admin.QueryRow(ctx, "SELECT sum(n) FROM hidden").Scan(&n); err != nil || n != 3 {
		t.Errorf("of what its owner cannot see: %d, %v", n, err)
	}
}
