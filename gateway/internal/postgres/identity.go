// Package postgres keeps people, tokens and answered requests in Postgres.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/marina-cloud/marina/gateway/identity"
	"github.com/marina-cloud/marina/internal/tenant"
	"github.com/marina-cloud/marina/migrations/pg"
)

// Identity is the store of people and tokens.
type Identity struct{ DB *pg.DB }

// SignUp adds an organization, its first person and a token, or nothing. It
// returns identity.ErrEmailTaken when the address has an account.
func (s *Identity) SignUp(ctx context.Context, name string, u identity.User, passwordHash string, t identity.Token, secretHash []byte, address string) error {
	return s.DB.AsLogin(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "INSERT INTO organizations (id, name) VALUES ($1, $2)", u.Organization, name); err != nil {
			return fmt.Errorf("add organization: %w", err)
		}
		const q = "INSERT INTO users (id, organization_id, email, password_hash, created_at) VALUES ($1, $2, $3, $4, $5)"
		if _, err := tx.Exec(ctx, q, u.ID, u.Organization, u.Email, passwordHash, u.CreatedAt); err != nil {
			if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok && pgErr.Code == "23505" { // unique_violation
				return identity.ErrEmailTaken
			}
			return fmt.Errorf("add user: %w", err)
		}
		if err := addToken(ctx, tx, t, secretHash); err != nil {
			return err
		}
		return pg.Audit(ctx, tx, pg.AuditEntry{Organization: u.Organization, Actor: string(u.ID), Action: "organization.create", Subject: string(u.Organization), Address: address})
	})
}

// ByEmail returns the person with this normal address and the hash of the
// password; ok is false when there is none.
func (s *Identity) ByEmail(ctx context.Context, email string) (u identity.User, passwordHash string, ok bool, err error) {
	if strings.ContainsRune(email, 0) { // which Postgres refuses in a text
		return u, "", false, nil
	}
	err = s.DB.AsLogin(ctx, func(tx pgx.Tx) error {
		const q = "SELECT id, organization_id, email, created_at, password_hash FROM users WHERE email = $1"
		err := tx.QueryRow(ctx, q, email).Scan(&u.ID, &u.Organization, &u.Email, &u.CreatedAt, &passwordHash)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		ok = err == nil
		return err
	})
	return u, passwordHash, ok, err
}

// LogIn adds a token for a person whose password was checked.
func (s *Identity) LogIn(ctx context.Context, t identity.Token, secretHash []byte, address string) error {
	return s.DB.AsLogin(ctx, func(tx pgx.Tx) error {
		if err := addToken(ctx, tx, t, secretHash); err != nil {
			return err
		}
		return pg.Audit(ctx, tx, pg.AuditEntry{Organization: t.Organization, Actor: string(t.User), Action: "user.login", Subject: string(t.User), Address: address})
	})
}

// lastUsedStep keeps a busy token from being written at every request.
const lastUsedStep = time.Minute

// Authenticate returns who holds the secret with this hash, or
// identity.ErrBadToken.
func (s *Identity) Authenticate(ctx context.Context, secretHash []byte, now time.Time) (c identity.Caller, err error) {
	err = s.DB.AsLogin(ctx, func(tx pgx.Tx) error {
		var used *time.Time
		const q = "SELECT id, organization_id, user_id, last_used_at FROM tokens WHERE hash = $1 AND expires_at > $2"
		err := tx.QueryRow(ctx, q, secretHash, now).Scan(&c.Token, &c.Organization, &c.User, &used)
		if errors.Is(err, pgx.ErrNoRows) {
			return identity.ErrBadToken
		}
		if err != nil {
			return fmt.Errorf("look up token: %w", err)
		}
		if used == nil || now.Sub(*used) > lastUsedStep {
			if _, err := tx.Exec(ctx, "UPDATE tokens SET last_used_at = $2 WHERE id = $1", c.Token, now); err != nil {
				return fmt.Errorf("note use of token: %w", err)
			}
		}
		return nil
	})
	return c, err
}

// Account returns a person and the name of the organization.
func (s *Identity) Account(ctx context.Context, c identity.Caller) (u identity.User, organization string, err error) {
	err = s.DB.AsTenant(ctx, c.Organization, func(tx pgx.Tx) error {
		const q = "SELECT u.id, u.organization_id, u.email, u.created_at, o.name FROM users u JOIN organizations o ON o.id = u.organization_id WHERE u.id = $1"
		return tx.QueryRow(ctx, q, c.User).Scan(&u.ID, &u.Organization, &u.Email, &u.CreatedAt, &organization)
	})
	return u, organization, err
}

const tokenColumns = "id, organization_id, user_id, name, created_at, expires_at, last_used_at"

func scanToken(row pgx.CollectableRow) (t identity.Token, err error) {
	err = row.Scan(&t.ID, &t.Organization, &t.User, &t.Name, &t.CreatedAt, &t.ExpiresAt, &t.LastUsedAt)
	return t, err
}

// Tokens returns up to limit of an organization's tokens with ids after after.
func (s *Identity) Tokens(ctx context.Context, org tenant.OrganizationID, after string, limit int) (tokens []identity.Token, err error) {
	err = s.DB.AsTenant(ctx, org, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, "SELECT "+tokenColumns+" FROM tokens WHERE id > $1 ORDER BY id LIMIT $2", after, limit)
		if err != nil {
			return fmt.Errorf("list tokens: %w", err)
		}
		tokens, err = pgx.CollectRows(rows, scanToken)
		return err
	})
	return tokens, err
}

// AddToken adds a token that c asked for.
func (s *Identity) AddToken(ctx context.Context, c identity.Caller, t identity.Token, secretHash []byte, address string) error {
	return s.DB.AsTenant(ctx, c.Organization, func(tx pgx.Tx) error {
		if err := addToken(ctx, tx, t, secretHash); err != nil {
			return err
		}
		return pg.Audit(ctx, tx, pg.AuditEntry{Organization: c.Organization, Actor: string(c.Token), Action: "token.create", Subject: string(t.ID), Address: address})
	})
}

// RevokeToken removes a token at once, or returns identity.ErrNoToken.
func (s *Identity) RevokeToken(ctx context.Context, c identity.Caller, id tenant.TokenID, address string) error {
	return s.DB.AsTenant(ctx, c.Organization, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, "DELETE FROM tokens WHERE id = $1", id)
		if err != nil {
			return fmt.Errorf("revoke token: %w", err)
		}
		if tag.RowsAffected() == 0 {
			return identity.ErrNoToken
		}
		return pg.Audit(ctx, tx, pg.AuditEntry{Organization: c.Organization, Actor: string(c.Token), Action: "token.revoke", Subject: string(id), Address: address})
	})
}

func addToken(ctx context.Context, tx pgx.Tx, t identity.Token, secretHash []byte) error {
	const q = "INSERT INTO tokens (id, organization_id, user_id, name, hash, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)"
	if _, err := tx.Exec(ctx, q, t.ID, t.Organization, t.User, t.Name, secretHash, t.CreatedAt, t.ExpiresAt); err != nil {
		return fmt.Errorf("add token: %w", err)
	}
	return nil
}
