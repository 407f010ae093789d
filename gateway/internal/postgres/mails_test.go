//go:build integration

package postgres

import (
	"bytes"
	"errors"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/gateway/letter"
	"github.com/marina-cloud/marina/internal/seal"
	"github.com/marina-cloud/marina/internal/tenant"
	"github.com/marina-cloud/marina/migrations/pgtest"
)

// TestQueueMail: a mail is queued with the transaction that causes it, sealed, and an
// organization queues none in another's name.
func TestQueueMail(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	secrets, err := seal.Open(t.Context(), db, filepath.Join(t.TempDir(), "master.key"))
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := tenant.NewOrganizationID(), tenant.NewOrganizationID()
	err = db.AsLogin(t.Context(), func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "INSERT INTO organizations (id, name) VALUES ($1, 'ours'), ($2, 'theirs')", ours, theirs)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	mail := func(org tenant.OrganizationID) SealedMail {
		m, err := SealMail(t.Context(), secrets, Mail{org, "ada@example.com", letter.Letter{Subject: "Hello", Text: "the secret"}})
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	boom := errors.New("boom")
	for _, tc := range []struct {
		as  func(func(pgx.Tx) error) error
		org tenant.OrganizationID
		end error
		ok  bool
		why string
	}{
		{func(f func(pgx.Tx) error) error { return db.AsTenant(t.Context(), ours, f) }, ours, nil, true, "of an organization"},
		{func(f func(pgx.Tx) error) error { return db.AsTenant(t.Context(), ours, f) }, theirs, nil, false, "in another's name"},
		{func(f func(pgx.Tx) error) error { return db.AsTenant(t.Context(), ours, f) }, "", nil, false, "in nobody's name"},
		{func(f func(pgx.Tx) error) error { return db.AsLogin(t.Context(), f) }, "", nil, true, "of a person alone"},
		{func(f func(pgx.Tx) error) error { return db.AsLogin(t.Context(), f) }, "", boom, false, "of what did not happen"},
	} {
		m := mail(tc.org)
		err := tc.as(func(tx pgx.Tx) error { return errors.Join(queueMail(t.Context(), tx, m), tc.end) })
		if (err == nil) != tc.ok {
			t.Errorf("a mail %s: %v", tc.why, err)
		}
		var sealed []byte
		err = db.AsWorker(t.Context(), func(tx pgx.Tx) error {
			return tx.QueryRow(t.Context(), "SELECT sealed FROM mails WHERE id = $1 AND recipient = 'ada@example.com' AND subject = 'Hello' AND state = 'waiting'", m.id).Scan(&sealed)
		})
		if (err == nil) != tc.ok {
			t.Errorf("a mail %s is there: %v", tc.why, err)
		}
		if tc.ok && (bytes.Contains(sealed, []byte("secret")) || len(sealed) == 0) {
			t.Errorf("the text lies open: %q", sealed)
		}
	}
}
