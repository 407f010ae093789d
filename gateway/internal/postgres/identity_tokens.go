package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/gateway/identity"
	"github.com/marina-cloud/marina/internal/tenant"
)

const tokenColumns = "id, organization_id, user_id, name, scopes, created_at, expires_at, last_used_at"

// Tokens returns up to limit of an organization's tokens with ids after after: those
// of one person, or of everybody when none is named.
func (s *Identity) Tokens(ctx context.Context, org tenant.OrganizationID, of tenant.UserID, after string, limit int) (tokens []identity.Token, err error) {
	err = s.DB.AsTenant(ctx, org, func(tx pgx.Tx) error {
		const q = "SELECT " + tokenColumns + " FROM tokens WHERE id > $1 AND ($2 = '' OR user_id = $2) ORDER BY id LIMIT $3"
		rows, err := tx.Query(ctx, q, after, of, limit)
		if err != nil {
			return fmt.Errorf("list tokens: %w", err)
		}
		tokens, err = pgx.CollectRows(rows, pgx.RowToStructByPos[identity.Token])
		return err
	})
	return tokens, err
}

// AddToken adds a token.
func (s *Identity) AddToken(ctx context.Context, by By, t identity.Token, secretHash []byte) error {
	return s.DB.AsTenant(ctx, by.Organization, func(tx pgx.Tx) error {
		const q = "INSERT INTO tokens (id, organization_id, user_id, name, scopes, hash, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
		if _, err := tx.Exec(ctx, q, t.ID, t.Organization, t.User, t.Name, t.Scopes, secretHash, t.CreatedAt, t.ExpiresAt); err != nil {
			return fmt.Errorf("add token: %w", err)
		}
		return audit(ctx, tx, by, "token.create", string(t.ID), map[string]any{"name": t.Name, "scopes": t.Scopes})
	})
}

// RevokeToken removes a token at once, or returns identity.ErrNoToken. It removes
// only those of one person, or anybody's when none is named.
func (s *Identity) RevokeToken(ctx context.Context, by By, of tenant.UserID, id tenant.TokenID) error {
	return s.DB.AsTenant(ctx, by.Organization, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, "DELETE FROM tokens WHERE id = $1 AND ($2 = '' OR user_id = $2)", id, of)
		if err != nil {
			return fmt.Errorf("revoke token: %w", err)
		}
		if tag.RowsAffected() == 0 {
			return identity.ErrNoToken
		}
		return audit(ctx, tx, by, "token.revoke", string(id), nil)
	})
}
