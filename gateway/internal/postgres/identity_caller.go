package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/gateway/identity"
	"github.com/marina-cloud/marina/internal/tenant"
)

// lastUsedStep keeps a busy session or token from being written at every request.
const lastUsedStep = time.Minute

// Request is what is known of a request before it is known who sent it.
type Request struct {
	Secret       []byte                // hash of the secret that came with it
	Organization tenant.OrganizationID // that it names; empty: none
	Address      string                // of the client
	At           time.Time
	Again        bool // it goes on since long: that chooses no organization
}

// Authenticate returns who holds the request's secret, and in which organization
// they act: the one that the request names, else the one chosen last, else the one
// that they have been a member of for longest. It returns identity.ErrBadToken when
// nobody does, and identity.ErrNoOrganization when they are not a member of the one
// that is named.
func (s *Identity) Authenticate(ctx context.Context, r Request) (c identity.Caller, err error) {
	err = s.DB.AsLogin(ctx, func(tx pgx.Tx) error {
		found, err := ofSession(ctx, tx, r)
		if errors.Is(err, pgx.ErrNoRows) {
			found, err = ofToken(ctx, tx, r)
		}
		if errors.Is(err, pgx.ErrNoRows) {
			return identity.ErrBadToken
		}
		if err != nil {
			return err
		}
		c = found
		return nil
	})
	return c, err
}

func ofSession(ctx context.Context, tx pgx.Tx, r Request) (c identity.Caller, err error) {
	// Members first, of them the one that is named or was chosen last.
	const q = `
		SELECT s.id, s.user_id, s.organization_id, s.last_used_at, s.confirmed_at, u.email, u.operator, coalesce(m.organization_id, ''), coalesce(m.role, '')
		FROM sessions s JOIN users u ON u.id = s.user_id
		LEFT JOIN LATERAL (
			SELECT m.organization_id, m.role FROM memberships m
			WHERE m.user_id = s.user_id AND ($4 = '' OR m.organization_id = $4)
			ORDER BY m.organization_id = s.organization_id DESC, m.created_at, m.organization_id LIMIT 1) m ON true
		WHERE s.hash = $1 AND s.expires_at > $2 AND s.last_used_at > $3`
	var chosen tenant.OrganizationID
	var used time.Time
	err = tx.QueryRow(ctx, q, r.Secret, r.At, r.At.Add(-identity.SessionIdle), r.Organization).
		Scan(&c.Session, &c.User, &chosen, &used, &c.ConfirmedAt, &c.Email, &c.Operator, &c.Organization, &c.Role)
	if err != nil {
		return c, fmt.Errorf("look up session: %w", err)
	}
	if r.Organization != "" && c.Organization == "" {
		return c, identity.ErrNoOrganization
	}
	c.Permissions = c.Role.Permissions(nil)
	moved := c.Organization != "" && c.Organization != chosen && !r.Again
	if !moved && r.At.Sub(used) <= lastUsedStep {
		return c, nil
	}
	const note = "UPDATE sessions SET last_used_at = $2, address = $3, organization_id = $4 WHERE id = $1"
	if moved {
		chosen = c.Organization
	}
	if _, err := tx.Exec(ctx, note, c.Session, r.At, r.Address, chosen); err != nil {
		return c, fmt.Errorf("note use of session: %w", err)
	}
	if moved { // the next log-in begins there, too
		if _, err := tx.Exec(ctx, "UPDATE users SET organization_id = $2 WHERE id = $1", c.User, c.Organization); err != nil {
			return c, fmt.Errorf("note choice of organization: %w", err)
		}
	}
	return c, nil
}

func ofToken(ctx context.Context, tx pgx.Tx, r Request) (c identity.Caller, err error) {
	const q = `
		SELECT t.id, t.user_id, t.organization_id, t.scopes, t.last_used_at, u.email, m.role
		FROM tokens t JOIN users u ON u.id = t.user_id
		JOIN memberships m ON m.user_id = t.user_id AND m.organization_id = t.organization_id
		WHERE t.hash = $1 AND t.expires_at > $2`
	var scopes []identity.Permission
	var used *time.Time
	err = tx.QueryRow(ctx, q, r.Secret, r.At).Scan(&c.Token, &c.User, &c.Organization, &scopes, &used, &c.Email, &c.Role)
	if err != nil {
		return c, fmt.Errorf("look up token: %w", err)
	}
	if r.Organization != "" && r.Organization != c.Organization {
		return c, identity.ErrNoOrganization
	}
	c.Permissions, c.Scoped = c.Role.Permissions(scopes), scopes != nil
	if used == nil || r.At.Sub(*used) > lastUsedStep {
		if _, err := tx.Exec(ctx, "UPDATE tokens SET last_used_at = $2 WHERE id = $1", c.Token, r.At); err != nil {
			return c, fmt.Errorf("note use of token: %w", err)
		}
	}
	return c, nil
}
