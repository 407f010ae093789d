//go:build integration

package pg_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/migrations/pg"
)

// TestFrozen: the transaction, and whoever joins it, see one instant.
func TestFrozen(t *testing.T) {
	t.Parallel()
	q, ids := filled(t, 1)
	count := func(tx pgx.Tx) (n int) {
		t.Helper()
		if err := tx.QueryRow(t.Context(), "SELECT count(*) FROM clusters").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	ours := errors.New("ours")
	err := q.DB.Frozen(t.Context(), func(tx pgx.Tx, snapshot string) error {
		err := q.DB.AsWorker(t.Context(), func(other pgx.Tx) error {
			_, err := other.Exec(t.Context(), "UPDATE clusters SET phase = 'failed' WHERE id = $1", ids[0])
			return err
		})
		if err != nil {
			return err
		}
		var phase string
		if err := tx.QueryRow(t.Context(), "SELECT phase FROM clusters WHERE id = $1", ids[0]).Scan(&phase); err != nil {
			return err
		}
		if phase == "failed" || snapshot == "" || count(tx) != 1 {
			t.Errorf("it sees phase %s, at %q", phase, snapshot)
		}
		return ours
	})
	if !errors.Is(err, ours) {
		t.Errorf("error = %v, want that of the function", err)
	}
	err = q.DB.Frozen(t.Context(), func(tx pgx.Tx, _ string) error {
		_, err := tx.Exec(t.Context(), "UPDATE clusters SET phase = 'running'")
		return err
	})
	if err == nil {
		t.Error("it may write")
	}
}

// TestFreeLeases: nobody's lease holds up a database that came from elsewhere.
func TestFreeLeases(t *testing.T) {
	t.Parallel()
	q, ids := filled(t, 2)
	leases, err := q.Take(t.Context(), 1, time.Hour)
	if err != nil || len(leases) != 1 {
		t.Fatal(leases, err)
	}
	err = q.DB.AsWorker(t.Context(), func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), "UPDATE clusters SET due_at = now() + interval '1 day', attempts = 9"); err != nil {
			return err
		}
		return pg.FreeLeases(t.Context(), tx)
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		if s := look(t, q, id); s.leased || s.attempts != 0 || s.due > 0 {
			t.Errorf("cluster %s: %+v, want it free and due", id, s)
		}
	}
	// Whoever held a lease must not be believed any more.
	err = q.DB.AsWorker(t.Context(), func(tx pgx.Tx) error { return leases[0].Hold(t.Context(), tx, q.Table) })
	if !errors.Is(err, pg.ErrLeaseLost) {
		t.Errorf("the old lease: %v, want it lost", err)
	}
	if again, err := q.Take(context.WithoutCancel(t.Context()), 9, time.Minute); err != nil || len(again) != 2 {
		t.Errorf("leased again: %v, %v; want both", again, err)
	}
}

// TestInherit: what a worker had that was killed is free at once, the rest is left
// as it is.
func TestInherit(t *testing.T) {
	t.Parallel()
	q, ids := filled(t, 2)
	exec(t, q, "UPDATE clusters SET due_at = now() + interval '1 day', attempts = 3 WHERE id = $1", ids[1])
	leases, err := q.Take(t.Context(), 2, time.Hour)
	if err != nil || len(leases) != 1 || leases[0].ID != ids[0] {
		t.Fatal(leases, err)
	}
	if err := q.DB.AsWorker(t.Context(), func(tx pgx.Tx) error { return pg.Inherit(t.Context(), tx) }); err != nil {
		t.Fatal(err)
	}
	if s := look(t, q, ids[0]); s.leased || s.due > 0 {
		t.Errorf("what was leased: %+v, want it free and due", s)
	}
	if s := look(t, q, ids[1]); s.leased || s.due < time.Hour || s.attempts != 3 {
		t.Errorf("what was not leased: %+v, want it left alone", s)
	}
	err = q.DB.AsWorker(t.Context(), func(tx pgx.Tx) error { return leases[0].Hold(t.Context(), tx, q.Table) })
	if !errors.Is(err, pg.ErrLeaseLost) {
		t.Errorf("the old lease: %v, want it lost", err)
	}
}
