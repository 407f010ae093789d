//go:build integration

package postgres_test

import (
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/marina-cloud/marina/migrations/pgtest"
)

// TestOperatorOnlyReads: the role in which operators read across organizations sees no
// secret and changes nothing.
func TestOperatorOnlyReads(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	try := func(sql string) error {
		return db.AsOperator(t.Context(), func(tx pgx.Tx) error {
			_, err := tx.Exec(t.Context(), sql)
			return err
		})
	}
	for _, sql := range []string{
		"SELECT id, name FROM organizations", "SELECT email FROM users", "SELECT role FROM memberships",
		"SELECT name FROM clusters", "SELECT name FROM pools", "SELECT name FROM nodes",
	} {
		if err := try(sql); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
	for _, sql := range []string{
		"SELECT password_hash FROM users", "SELECT * FROM tokens", "SELECT * FROM sessions", "SELECT * FROM invitations",
		"SELECT * FROM mails", "SELECT * FROM cluster_keys", "SELECT * FROM keystore_keys", "SELECT * FROM platform_keys",
		"SELECT * FROM credentials", "SELECT * FROM join_tokens", "SELECT * FROM audit_log", "SELECT * FROM idempotency_keys",
		"UPDATE organizations SET name = 'x'", "UPDATE users SET operator = true", "UPDATE memberships SET role = 'owner'",
		"UPDATE clusters SET deleting = true", "UPDATE pools SET count = 0", "DELETE FROM nodes", "DELETE FROM memberships",
		"INSERT INTO organizations (id, name) VALUES ('org-x', 'x')",
	} {
		err := try(sql)
		if pgErr, ok := errors.AsType[*pgconn.PgError](err); !ok || pgErr.Code != "42501" { // insufficient_privilege
			t.Errorf("%s: %v", sql, err)
		}
	}
}
