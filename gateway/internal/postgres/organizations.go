package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/gateway/identity"
	"github.com/marina-cloud/marina/internal/tenant"
)

// AddOrganization adds an organization whose owner user is, or returns
// identity.ErrManyOrganizations.
func (s *Identity) AddOrganization(ctx context.Context, by By, user tenant.UserID, name string) error {
	return s.DB.AsLogin(ctx, func(tx pgx.Tx) error {
		// Locked, so that nobody gets more by asking for several at once.
		if _, err := tx.Exec(ctx, "SELECT FROM users WHERE id = $1 FOR NO KEY UPDATE", user); err != nil {
			return fmt.Errorf("lock person: %w", err)
		}
		var owned int
		if err := tx.QueryRow(ctx, "SELECT count(*) FROM memberships WHERE user_id = $1 AND role = 'owner'", user).Scan(&owned); err != nil {
			return fmt.Errorf("count organizations: %w", err)
		}
		if owned >= identity.MaxOrganizations {
			return identity.ErrManyOrganizations
		}
		batch := &pgx.Batch{}
		batch.Queue("INSERT INTO organizations (id, name) VALUES ($1, $2)", by.Organization, name)
		batch.Queue("INSERT INTO memberships (organization_id, user_id, role) VALUES ($1, $2, $3)", by.Organization, user, identity.Owner)
		if err := tx.SendBatch(ctx, batch).Close(); err != nil {
			return fmt.Errorf("add organization: %w", err)
		}
		return audit(ctx, tx, by, "organization.create", string(by.Organization), map[string]any{"name": name})
	})
}

// RenameOrganization changes the name of by's organization.
func (s *Identity) RenameOrganization(ctx context.Context, by By, name string) error {
	return s.DB.AsTenant(ctx, by.Organization, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, "UPDATE organizations SET name = $2 WHERE id = $1 AND deleted_at IS NULL", by.Organization, name)
		if err != nil {
			return fmt.Errorf("rename organization: %w", err)
		}
		if tag.RowsAffected() == 0 {
			return identity.ErrNoOrganization
		}
		return audit(ctx, tx, by, "organization.rename", string(by.Organization), map[string]any{"name": name})
	})
}

// DeleteOrganization deletes by's organization, with all members, tokens and
// invitations, if nothing is in it: inUse looks, while nothing can be added. Errors are
// those of inUse, and identity.ErrNoOrganization.
func (s *Identity) DeleteOrganization(ctx context.Context, by By, asker tenant.UserID, inUse func(pgx.Tx) error) error {
	return s.DB.AsTenant(ctx, by.Organization, func(tx pgx.Tx) error {
		role, err := askerRole(ctx, tx, by.Organization, asker, "UPDATE")
		if err != nil {
			return err
		}
		if !role.Has(identity.OrganizationDelete) {
			return identity.ErrNotPermitted
		}
		if err := inUse(tx); err != nil {
			return err
		}
		if err := audit(ctx, tx, by, "organization.delete", string(by.Organization), nil); err != nil {
			return err
		}
		batch := &pgx.Batch{}
		batch.Queue("UPDATE organizations SET deleted_at = now() WHERE id = $1", by.Organization)
		for _, table := range []string{"invitations", "tokens", "memberships"} {
			batch.Queue("DELETE FROM "+table+" WHERE organization_id = $1", by.Organization)
		}
		if err := tx.SendBatch(ctx, batch).Close(); err != nil {
			return fmt.Errorf("delete organization: %w", err)
		}
		return nil
	})
}
