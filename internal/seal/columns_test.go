//go:build integration

package seal_test

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/migrations/pgtest"
)

// TestEveryBinaryColumnIsKnown: another master means that what the old one wrapped
// is wrapped anew, and that is one column. Whoever adds a column of bytes says here
// that what it holds is sealed under a data key, or is no secret.
func TestEveryBinaryColumnIsKnown(t *testing.T) {
	known := map[string]string{
		"keystore_keys.wrapped":     "wrapped by the master: SetMaster and Rewrap wrap it anew",
		"cluster_keys.sealed":       "sealed under the data key of its cluster",
		"platform_keys.sealed":      "sealed under the data key platform",
		"cluster_keys.certificate":  "public",
		"platform_keys.certificate": "public",
		"join_tokens.hash":          "a digest of something random",
		"tokens.hash":               "a digest of something random",
		"sessions.hash":             "a digest of something random",
		"invitations.hash":          "a digest of something random",
		"signups.hash":              "a digest of something random",
		"password_resets.hash":      "a digest of something random",
		"totp.sealed":               "sealed under the data key factors",
		"passkeys.credential_id":    "public",
		"challenges.hash":           "a digest of something random",
		"recovery_codes.hash":       "a digest of something random",
		"mails.sealed":              "sealed under the data key mails",
		"mailbox.sealed":            "sealed under the data key mails",

		"idempotency_keys.request_hash": "a digest",
		"idempotency_keys.body":         "an answer of the API, kept for a day",
	}
	db := pgtest.New(t)
	var columns []string
	err := db.AsWorker(t.Context(), func(tx pgx.Tx) error {
		rows, err := tx.Query(t.Context(), `SELECT c.relname || '.' || a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
			WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace AND a.attnum > 0 AND NOT a.attisdropped
			AND a.atttypid = 'bytea'::regtype`)
		if err != nil {
			return err
		}
		columns, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, c := range columns {
		found[c] = true
		if known[c] == "" {
			t.Errorf("%s: say in this test whether what it holds is sealed under a data key, or no secret. What a master wraps itself has to be wrapped anew by SetMaster", c)
		}
	}
	for c := range known {
		if !found[c] {
			t.Errorf("there is no column %s any more", c)
		}
	}
}
