//go:build integration

package postgres_test

import (
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/internal/tenant"
	"github.com/marina-cloud/marina/migrations/pgtest"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/postgres"
)

func TestCredentials(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	s, w := postgres.Clusters{DB: db}, postgres.Work{DB: db}
	ours, theirs := organization(t, db), organization(t, db)
	c := mustCreate(t, s, ours, "demo")
	now := time.Now().UTC().Truncate(time.Microsecond)
	issue := func(kubernetesID string, life time.Duration) controlplane.Credential {
		t.Helper()
		x := controlplane.Credential{
			ID: tenant.NewCredentialID(), Organization: ours.Organization, Cluster: c.ID, Holder: tenant.UserID(ours.Actor), IssuedBy: ours.Actor,
			Kind: controlplane.ForExec, User: "ada@example.com", Groups: []string{controlplane.AdminsGroup}, KubernetesID: kubernetesID,
			IssuedAt: now.Add(-time.Hour), ExpiresAt: now.Add(life),
		}
		if err := s.AddCredential(t.Context(), ours, x, ""); err != nil {
			t.Fatal(err)
		}
		return x
	}
	good, lost, over := issue("X509SHA256=00", time.Hour), issue("X509SHA256=11", time.Hour), issue("X509SHA256=22", -time.Second)

	// What is another organization's is not there.
	if err := s.AddCredential(t.Context(), theirs, good, ""); !errors.Is(err, controlplane.ErrNoCluster) {
		t.Errorf("a credential of another organization's cluster: error = %v, want ErrNoCluster", err)
	}
	if _, err := s.Credentials(t.Context(), theirs.Organization, c.ID, now, "", 10); !errors.Is(err, controlplane.ErrNoCluster) {
		t.Errorf("another organization lists them: error = %v, want ErrNoCluster", err)
	}
	if err := s.Revoke(t.Context(), theirs, c.ID, lost.ID, now); !errors.Is(err, controlplane.ErrNoCredential) {
		t.Errorf("another organization revokes one: error = %v, want ErrNoCredential", err)
	}
	if err := s.Revoke(t.Context(), ours, c.ID, over.ID, now); !errors.Is(err, controlplane.ErrNoCredential) {
		t.Errorf("one that has ended is revoked: error = %v, want ErrNoCredential", err)
	}

	revocations := func(want ...string) {
		t.Helper()
		got, err := w.Revocations(t.Context(), c.ID)
		if err != nil || len(got) != len(want) {
			t.Fatalf("revoked: %+v, %v, want %v", got, err, want)
		}
		for i := range want {
			if got[i].Credential != want[i] || !got[i].Until.Equal(now.Add(time.Hour)) {
				t.Errorf("revoked: %+v, want %s until its end", got[i], want[i])
			}
		}
	}
	revocations()
	for range 2 { // to say it again changes nothing
		if err := s.Revoke(t.Context(), ours, c.ID, lost.ID, now); err != nil {
			t.Fatal(err)
		}
	}
	revocations("X509SHA256=11")
	if l := lease(t, db); l.ID != string(c.ID) {
		t.Errorf("the reconciler works on %s", l.ID)
	}

	// What a hostile control plane says of uses.
	minute := now.Truncate(time.Minute)
	if err := w.NoteUses(t.Context(), c.ID, map[string]time.Time{
		"X509SHA256=00": minute, "X509SHA256=11": now.Add(time.Hour), "JTI=unknown": minute,
	}); err != nil {
		t.Fatal(err)
	}
	if err := w.NoteUses(t.Context(), c.ID, map[string]time.Time{"X509SHA256=00": minute.Add(-time.Hour)}); err != nil {
		t.Fatal(err)
	}
	list, err := s.Credentials(t.Context(), ours.Organization, c.ID, now, "", 10)
	if err != nil || len(list) != 2 || list[0].ID != good.ID || list[1].ID != lost.ID {
		t.Fatalf("listed %+v, %v; want those that have not ended", list, err)
	}
	if at := list[0].LastUsedAt; at == nil || !at.Equal(minute) {
		t.Errorf("used last at %v, want %s", at, minute)
	}
	if at := list[1].LastUsedAt; at != nil {
		t.Errorf("one is said to be used in the future, at %s", at)
	}
	if list[0].RevokedAt != nil || list[1].RevokedAt == nil || !list[1].RevokedAt.Equal(now) {
		t.Errorf("revoked at %v and %v, want the second, now", list[0].RevokedAt, list[1].RevokedAt)
	}

	rows := func(want int) {
		t.Helper()
		var n int
		if err := db.AsWorker(t.Context(), func(tx pgx.Tx) error {
			return tx.QueryRow(t.Context(), "SELECT count(*) FROM credentials").Scan(&n)
		}); err != nil || n != want {
			t.Errorf("%d rows, %v, want %d", n, err, want)
		}
	}
	rows(3)
	if err := w.ForgetEnded(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	rows(2)
	if _, err := s.MarkDeleting(t.Context(), ours, c.ID, time.Hour, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.AddCredential(t.Context(), ours, good, ""); !errors.Is(err, controlplane.ErrBadPhase) {
		t.Errorf("a credential of a cluster that goes away: error = %v, want ErrBadPhase", err)
	}
	if err := w.ForgetCredentials(t.Context(), c.ID); err != nil {
		t.Fatal(err)
	}
	rows(0)
}
