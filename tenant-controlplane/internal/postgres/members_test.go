//go:build integration

package postgres_test

import (
	"crypto/rand"
	"errors"
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

// person adds somebody with a role to an organization.
func person(t *testing.T, db *pg.DB, org tenant.OrganizationID, role string) tenant.UserID {
	t.Helper()
	id := tenant.NewUserID()
	err := db.AsLogin(t.Context(), func(tx pgx.Tx) error {
		batch := &pgx.Batch{}
		batch.Queue("INSERT INTO users (id, organization_id, email, password_hash) VALUES ($1, $2, $1 || '@example.com', '')", id, org)
		batch.Queue("INSERT INTO memberships (organization_id, user_id, role) VALUES ($1, $2, $3)", org, id, role)
		return tx.SendBatch(t.Context(), batch).Close()
	})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func credentialOf(holder tenant.UserID, c controlplane.Cluster, now time.Time) controlplane.Credential {
	return controlplane.Credential{
		ID: tenant.NewCredentialID(), Organization: c.Organization, Cluster: c.ID, Holder: holder, IssuedBy: string(holder), Kind: controlplane.ForExec,
		User: "ada@example.com", Groups: []string{controlplane.AdminsGroup}, KubernetesID: "X509SHA256=" + rand.Text(), IssuedAt: now, ExpiresAt: now.Add(time.Hour),
	}
}

// TestRevokeOf: all that a person has in the organization ends, in the transaction that
// changes what they are, and nothing else does.
func TestRevokeOf(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	s := postgres.Clusters{DB: db}
	ours, theirs := organization(t, db), organization(t, db)
	now := time.Now().UTC().Truncate(time.Microsecond)
	ada, eve := person(t, db, ours.Organization, "admin"), person(t, db, ours.Organization, "admin")
	one, two, foreign := mustCreate(t, s, ours, "one"), mustCreate(t, s, ours, "two"), mustCreate(t, s, theirs, "one")
	for _, x := range []controlplane.Credential{credentialOf(ada, one, now), credentialOf(ada, two, now), credentialOf(eve, one, now)} {
		if err := s.AddCredential(t.Context(), ours, x, ""); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.AddCredential(t.Context(), theirs, credentialOf(ada, foreign, now), ""); err != nil {
		t.Fatal(err)
	}
	revoke := func(end error) (ids []tenant.ClusterID, err error) {
		err = db.AsTenant(t.Context(), ours.Organization, func(tx pgx.Tx) (err error) {
			ids, err = postgres.RevokeOf(t.Context(), tx, ours, ada, now)
			return errors.Join(err, end)
		})
		return ids, err
	}
	revoked := func() (n int) {
		err := db.AsWorker(t.Context(), func(tx pgx.Tx) error {
			return tx.QueryRow(t.Context(), "SELECT count(*) FROM credentials WHERE revoked_at IS NOT NULL").Scan(&n)
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	boom := errors.New("boom")
	if _, err := revoke(boom); !errors.Is(err, boom) || revoked() != 0 {
		t.Fatalf("what did not happen revoked %d credentials: %v", revoked(), err)
	}
	ids, err := revoke(nil)
	if err != nil || !slices.Equal(ids, []tenant.ClusterID{one.ID, two.ID}) || revoked() != 2 {
		t.Errorf("clusters %v, %v, %d credentials; want both of ours, and two credentials", ids, err, revoked())
	}
	if ids, err := revoke(nil); err != nil || len(ids) != 0 {
		t.Errorf("again: %v, %v", ids, err)
	}
	if c, err := s.Credentials(t.Context(), theirs.Organization, foreign.ID, now, "", 10); err != nil || len(c) != 1 || c[0].RevokedAt != nil {
		t.Errorf("the other organization's: %+v, %v", c, err)
	}
}

// TestCredentialOfAnotherRole: whoever is removed or made less while they ask for a
// credential does not get away with it.
func TestCredentialOfAnotherRole(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	s := postgres.Clusters{DB: db}
	ours := organization(t, db)
	now := time.Now().UTC()
	c := mustCreate(t, s, ours, "one")
	for why, tc := range map[string]struct{ is, asked string }{
		"made less": {"viewer", "admin"},
		"removed":   {"", "admin"},
	} {
		ada := person(t, db, ours.Organization, "admin")
		locked, proceed, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
		go func() {
			done <- db.AsTenant(t.Context(), ours.Organization, func(tx pgx.Tx) error {
				var err error
				if tc.is == "" {
					_, err = tx.Exec(t.Context(), "DELETE FROM memberships WHERE user_id = $1", ada)
				} else {
					_, err = tx.Exec(t.Context(), "UPDATE memberships SET role = $2 WHERE user_id = $1", ada, tc.is)
				}
				close(locked)
				<-proceed
				return err
			})
		}()
		<-locked
		added := make(chan error, 1)
		go func() { added <- s.AddCredential(t.Context(), ours, credentialOf(ada, c, now), tc.asked) }()
		waits(t, db)
		close(proceed)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if err := <-added; !errors.Is(err, controlplane.ErrNoAccess) {
			t.Errorf("%s: %v, want ErrNoAccess", why, err)
		}
	}
	if err := s.AddCredential(t.Context(), ours, credentialOf(person(t, db, ours.Organization, "viewer"), c, now), "viewer"); err != nil {
		t.Errorf("a viewer: %v", err)
	}
}

// waits returns when a transaction of the database waits for another one.
func waits(t *testing.T, db *pg.DB) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		var n int
		err := db.AsWorker(t.Context(), func(tx pgx.Tx) error {
			return tx.QueryRow(t.Context(), "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE NOT l.granted AND a.datname = current_database()").Scan(&n)
		})
		if err != nil {
			t.Fatal(err)
		}
		if n > 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("nobody waits")
		}
	}
}

// TestCreateInADeletedOrganization: a request that was let through before is too late.
func TestCreateInADeletedOrganization(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	s := postgres.Clusters{DB: db}
	ours := organization(t, db)
	some := func() (some bool) {
		err := db.AsTenant(t.Context(), ours.Organization, func(tx pgx.Tx) (err error) {
			some, err = postgres.Any(t.Context(), tx, ours.Organization)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return some
	}
	if some() {
		t.Error("a new organization has clusters")
	}
	c := mustCreate(t, s, ours, "one")
	if !some() {
		t.Error("a cluster is not seen")
	}
	bury(t, db, c.ID)
	if some() {
		t.Error("a cluster that is gone is seen")
	}
	err := db.AsTenant(t.Context(), ours.Organization, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "UPDATE organizations SET deleted_at = now() WHERE id = $1", ours.Organization)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := create(t.Context(), s, ours, "two"); !errors.Is(err, controlplane.ErrNoOrganization) {
		t.Errorf("Create: %v, want ErrNoOrganization", err)
	}
}
