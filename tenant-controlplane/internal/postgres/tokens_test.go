//go:build integration

package postgres_test

import (
	"errors"
	"testing"
	"time"

	"github.com/marina-cloud/marina/migrations/pgtest"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/postgres"
)

func TestRevokeToken(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	s, w := postgres.Clusters{DB: db}, postgres.Work{DB: db}
	ours, theirs := organization(t, db), organization(t, db)
	c := mustCreate(t, s, ours, "demo")
	until := time.Now().UTC().Add(time.Hour).Truncate(time.Microsecond)
	if err := s.RevokeToken(t.Context(), theirs, c.ID, "a", until); !errors.Is(err, controlplane.ErrNoCluster) {
		t.Errorf("another organization: %v, want that there is no such cluster", err)
	}
	// Who says it again with an earlier end takes nothing back.
	for _, end := range []time.Time{until, until.Add(-time.Minute)} {
		if err := s.RevokeToken(t.Context(), ours, c.ID, "a", end); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.RevokeToken(t.Context(), ours, c.ID, "over", time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	got, err := w.Revocations(t.Context(), c.ID)
	if err != nil || len(got) != 1 || got[0].Credential != "JTI=a" || !got[0].Until.Equal(until) {
		t.Errorf("revoked: %+v, %v, want the one that has not ended", got, err)
	}
	if err := w.ForgetEnded(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	if got, err := w.Revocations(t.Context(), c.ID); err != nil || len(got) != 1 {
		t.Errorf("after old ones were forgotten: %+v, %v", got, err)
	}
	if err := w.ForgetCredentials(t.Context(), c.ID); err != nil {
		t.Fatal(err)
	}
	if got, err := w.Revocations(t.Context(), c.ID); err != nil || len(got) != 0 {
		t.Errorf("after the cluster's end: %+v, %v", got, err)
	}
}
