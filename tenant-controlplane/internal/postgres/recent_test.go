//go:build integration

package postgres_test

import (
	"slices"
	"testing"
	"time"

	"github.com/marina-cloud/marina/migrations/pgtest"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/postgres"
)

func TestRecent(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	s, by, other := postgres.Clusters{DB: db}, organization(t, db), organization(t, db)
	mustCreate(t, s, other, "theirs")
	first := mustCreate(t, s, by, "first")
	mustCreate(t, s, by, "second")
	if _, err := s.MarkDeleting(t.Context(), by, first.ID, time.Hour, nil); err != nil {
		t.Fatal(err)
	}
	bury(t, db, first.ID)
	var names []string
	hs, err := s.Recent(t.Context(), by.Organization, 10)
	for _, h := range hs {
		names = append(names, h.Name)
		if h.Event.Message == "" || h.Event.Organization != by.Organization {
			t.Errorf("event %+v", h.Event)
		}
	}
	if want := []string{"first", "second", "first"}; err != nil || !slices.Equal(names, want) {
		t.Errorf("what happened last is about %v, %v; want %v", names, err, want)
	}
	if hs, err := s.Recent(t.Context(), by.Organization, 1); err != nil || len(hs) != 1 || hs[0].Event.Cluster != first.ID {
		t.Errorf("the last is %v, %v", hs, err)
	}
}
