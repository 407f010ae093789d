//go:build integration

package postgres_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/internal/tenant"
	"github.com/marina-cloud/marina/migrations/pg"
	"github.com/marina-cloud/marina/migrations/pgtest"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/postgres"
)

// enter moves a cluster to a phase, as the reconciler does.
func enter(t *testing.T, db *pg.DB, id tenant.ClusterID, p controlplane.Phase) {
	t.Helper()
	if err := db.AsWorker(t.Context(), func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "UPDATE clusters SET phase = $2 WHERE id = $1", id, p)
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// remove deletes a cluster as far as it can be brought back.
func remove(t *testing.T, db *pg.DB, by postgres.Asker, id tenant.ClusterID) {
	t.Helper()
	c, err := postgres.Clusters{DB: db}.MarkDeleting(t.Context(), by, id, time.Hour, nil)
	if err != nil || !c.Deleting || c.Purge || time.Until(c.PurgeAt) > time.Hour || time.Until(c.PurgeAt) < 59*time.Minute {
		t.Fatalf("deleted for an hour: %+v, %v", c, err)
	}
	enter(t, db, id, controlplane.Recoverable)
}

func TestUndelete(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	s, by := postgres.Clusters{DB: db}, organization(t, db)
	c := mustCreate(t, s, by, "demo")
	if got, err := s.Undelete(t.Context(), by, c.ID); err != nil || got.Generation != c.Generation {
		t.Errorf("undeletion of what is not deleted: %+v, %v; want no change", got, err)
	}
	remove(t, db, by, c.ID)
	names := func(deleted bool) (names []string) {
		cs, err := s.List(t.Context(), by.Organization, deleted, "", 10)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range cs {
			names = append(names, c.Name)
		}
		return names
	}
	if there, deleted := names(false), names(true); len(there) != 0 || !slices.Equal(deleted, []string{"demo"}) {
		t.Errorf("there are %q, deleted %q", there, deleted)
	}
	again := mustCreate(t, s, by, "demo") // the name is free
	if again.UIDSlot == c.UIDSlot {
		t.Error("the user ids of a cluster that can be brought back were given to another one")
	}
	if _, err := s.Undelete(t.Context(), by, c.ID); !errors.Is(err, controlplane.ErrNameTaken) {
		t.Errorf("undeletion while another has the name: error = %v, want ErrNameTaken", err)
	}
	other := "other"
	if _, err := s.Change(t.Context(), by, again.ID, controlplane.Change{Name: &other}, nil); err != nil {
		t.Fatal(err)
	}
	back, err := s.Undelete(t.Context(), by, c.ID)
	if err != nil || back.Deleting || !back.PurgeAt.IsZero() || back.UIDSlot != c.UIDSlot || back.Issuer != c.Issuer {
		t.Errorf("back: %+v, %v", back, err)
	}
	if _, err := create(t.Context(), s, by, "demo"); !errors.Is(err, controlplane.ErrNameTaken) { // before the reconciler has seen it
		t.Errorf("the name of a cluster that comes back: error = %v, want ErrNameTaken", err)
	}
}

func TestPurge(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	s, by := postgres.Clusters{DB: db}, organization(t, db)
	c := mustCreate(t, s, by, "demo")
	remove(t, db, by, c.ID)
	got, err := s.MarkDeleting(t.Context(), by, c.ID, 2*time.Hour, nil)
	if err != nil || time.Until(got.PurgeAt) > time.Hour {
		t.Errorf("deleted again: %+v, %v; want the same end", got, err)
	}
	for range 2 {
		if got, err = s.MarkDeleting(t.Context(), by, c.ID, 0, nil); err != nil || !got.Purge || got.Generation != c.Generation+2 {
			t.Errorf("purged: %+v, %v; want it changed once", got, err)
		}
	}
	if _, err := s.Undelete(t.Context(), by, c.ID); !errors.Is(err, controlplane.ErrPurged) {
		t.Errorf("undeletion of what is purged: error = %v, want ErrPurged", err)
	}

	late := mustCreate(t, s, by, "late") // whose time is over by the database's clock
	if _, err := s.MarkDeleting(t.Context(), by, late.ID, time.Microsecond, nil); err != nil {
		t.Fatal(err)
	}
	if got, err := s.ByID(t.Context(), by.Organization, late.ID); err != nil || !got.Purge {
		t.Errorf("after its time: %+v, %v; want it purged", got, err)
	}
	if _, err := s.Undelete(t.Context(), by, late.ID); !errors.Is(err, controlplane.ErrPurged) {
		t.Errorf("undeletion after its time: error = %v, want ErrPurged", err)
	}
}

// TestDeletedQuota: deleted clusters take nobody's place, are bounded, and need a place
// to come back.
func TestDeletedQuota(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	s, by := postgres.Clusters{DB: db}, organization(t, db)
	var first tenant.ClusterID
	for n := range postgres.MaxClusters {
		id := mustCreate(t, s, by, fmt.Sprintf("c-%d", n)).ID
		remove(t, db, by, id)
		if n == 0 {
			first = id
		}
	}
	last := mustCreate(t, s, by, "last")
	if _, err := s.MarkDeleting(t.Context(), by, last.ID, time.Hour, nil); !errors.Is(err, controlplane.ErrManyDeleted) {
		t.Errorf("one more deleted cluster: error = %v, want ErrManyDeleted", err)
	}
	if c, err := s.MarkDeleting(t.Context(), by, last.ID, 0, nil); err != nil || !c.Purge {
		t.Errorf("purged instead: %+v, %v", c, err)
	}
	bury(t, db, last.ID)
	for n := range postgres.MaxClusters {
		mustCreate(t, s, by, fmt.Sprintf("d-%d", n))
	}
	if _, err := s.Undelete(t.Context(), by, first); !errors.Is(err, controlplane.ErrQuota) {
		t.Errorf("undeletion without a place: error = %v, want ErrQuota", err)
	}
}
