//go:build integration

package postgres_test

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/marina-cloud/marina/migrations/pgtest"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/postgres"
)

func TestSetNetworks(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	s, w := postgres.Clusters{DB: db}, postgres.Work{DB: db}
	ours, theirs := organization(t, db), organization(t, db)
	c := mustCreate(t, s, ours, "demo")
	if len(c.Networks) > 0 {
		t.Errorf("a new cluster is limited to %v", c.Networks)
	}
	office := []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("2001:db8::7/128")}
	if _, err := s.SetNetworks(t.Context(), theirs, c.ID, office); !errors.Is(err, controlplane.ErrNoCluster) {
		t.Errorf("another organization: error = %v, want ErrNoCluster", err)
	}
	said := func() (n int) {
		t.Helper()
		events, err := s.Events(t.Context(), ours.Organization, c.ID, "", 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			if strings.Contains(e.Message, "answers people from") {
				n++
			}
		}
		return n
	}
	for range 2 { // the second time changes nothing, and says nothing
		got, err := s.SetNetworks(t.Context(), ours, c.ID, office)
		if err != nil || !slices.Equal(got.Networks, office) {
			t.Fatalf("SetNetworks = %v, %v", got.Networks, err)
		}
		if n := said(); n != 1 {
			t.Errorf("it was told %d times, want once", n)
		}
	}
	got, err := w.ByID(t.Context(), c.ID)
	if err != nil || !slices.Equal(got.Networks, office) || got.Generation != c.Generation {
		t.Errorf("the reconciler reads %v of generation %d, %v; want %v of %d: no part is updated for it", got.Networks, got.Generation, err, office, c.Generation)
	}
	if got, err = s.SetNetworks(t.Context(), ours, c.ID, nil); err != nil || len(got.Networks) > 0 {
		t.Errorf("none any more: %v, %v", got.Networks, err)
	}
	if n := said(); n != 2 {
		t.Errorf("it was told %d times, want twice", n)
	}
	if _, err := s.MarkDeleting(t.Context(), ours, c.ID, time.Hour, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := s.SetNetworks(t.Context(), ours, c.ID, office); !errors.Is(err, controlplane.ErrBadPhase) {
		t.Errorf("of a cluster that is being deleted: error = %v, want ErrBadPhase", err)
	}
}
