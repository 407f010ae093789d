// Package postgres keeps people, organizations, sessions, tokens and answered
// requests in Postgres.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/marina-cloud/marina/gateway/identity"
	"github.com/marina-cloud/marina/internal/tenant"
	"github.com/marina-cloud/marina/migrations/pg"
)

// Identity is the store of people and of what acts for them.
type Identity struct{ DB *pg.DB }

// addPerson adds a person with an organization of their own, whose owner they are.
func addPerson(ctx context.Context, tx pgx.Tx, u identity.User, passwordHash, organization, address string) error {
	if _, err := tx.Exec(ctx, "INSERT INTO organizations (id, name) VALUES ($1, $2)", u.Organization, organization); err != nil {
		return fmt.Errorf("add organization: %w", err)
	}
	if err := addUser(ctx, tx, u, passwordHash); err != nil {
		return err
	}
	const member = "INSERT INTO memberships (organization_id, user_id, role, created_at) VALUES ($1, $2, $3, $4)"
	if _, err := tx.Exec(ctx, member, u.Organization, u.ID, identity.Owner, u.CreatedAt); err != nil {
		return fmt.Errorf("add member: %w", err)
	}
	return audit(ctx, tx, By{u.Organization, string(u.ID), address}, "organization.create", string(u.Organization), map[string]any{"name": organization})
}

// addUser adds a person, or returns identity.ErrEmailTaken.
func addUser(ctx context.Context, tx pgx.Tx, u identity.User, passwordHash string) error {
	const q = "INSERT INTO users (id, organization_id, email, name, operator, password_hash, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)"
	if _, err := tx.Exec(ctx, q, u.ID, u.Organization, u.Email, u.Name, u.Operator, passwordHash, u.CreatedAt); err != nil {
		if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok && pgErr.Code == "23505" { // unique_violation
			return identity.ErrEmailTaken
		}
		return fmt.Errorf("add user: %w", err)
	}
	return nil
}

// AddOperator adds a person who runs the installation, with an organization. It
// returns identity.ErrEmailTaken when the address has an account.
func (s *Identity) AddOperator(ctx context.Context, u identity.User, passwordHash, organization string) error {
	u.Operator = true
	return s.DB.AsLogin(ctx, func(tx pgx.Tx) error { return addPerson(ctx, tx, u, passwordHash, organization, "") })
}

// ByEmail returns the person with this normal address and the hash of the
// password; ok is false when there is none.
func (s *Identity) ByEmail(ctx context.Context, email string) (u identity.User, passwordHash string, ok bool, err error) {
	if strings.ContainsRune(email, 0) { // which Postgres refuses in a text
		return u, "", false, nil
	}
	err = s.DB.AsLogin(ctx, func(tx pgx.Tx) error {
		const q = "SELECT id, organization_id, email, name, operator, created_at, password_hash FROM users WHERE email = $1"
		err := tx.QueryRow(ctx, q, email).Scan(&u.ID, &u.Organization, &u.Email, &u.Name, &u.Operator, &u.CreatedAt, &passwordHash)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		ok = err == nil
		return err
	})
	return u, passwordHash, ok, err
}

// Account returns a person with their organizations.
func (s *Identity) Account(ctx context.Context, id tenant.UserID) (a identity.Account, err error) {
	err = s.DB.AsLogin(ctx, func(tx pgx.Tx) error {
		const q = "SELECT id, organization_id, email, name, operator, created_at FROM users WHERE id = $1"
		if err := tx.QueryRow(ctx, q, id).Scan(&a.ID, &a.Organization, &a.Email, &a.Name, &a.Operator, &a.CreatedAt); err != nil {
			return fmt.Errorf("read account: %w", err)
		}
		const member = `SELECT o.id, o.name, m.role FROM memberships m JOIN organizations o ON o.id = m.organization_id
			WHERE m.user_id = $1 ORDER BY m.created_at, o.id`
		rows, err := tx.Query(ctx, member, id)
		if err != nil {
			return fmt.Errorf("list organizations of a person: %w", err)
		}
		a.Memberships, err = pgx.CollectRows(rows, pgx.RowToStructByPos[identity.Membership])
		return err
	})
	return a, err
}

// Rename changes a person's name.
func (s *Identity) Rename(ctx context.Context, by By, id tenant.UserID, name string) error {
	return s.DB.AsLogin(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "UPDATE users SET name = $2 WHERE id = $1", id, name); err != nil {
			return fmt.Errorf("rename person: %w", err)
		}
		return audit(ctx, tx, by, "user.rename", string(id), nil)
	})
}
