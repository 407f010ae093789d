package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/gateway/identity"
	"github.com/marina-cloud/marina/internal/tenant"
	"github.com/marina-cloud/marina/migrations/pg"
)

// AllOrganizations returns up to limit organizations of the installation with ids
// behind after, the oldest first, for operators: those whose id is search, or whose
// name or a member's e-mail address holds it.
func (s *Identity) AllOrganizations(ctx context.Context, search, after string, limit int) (all []identity.OrganizationSummary, err error) {
	const q = `
		SELECT o.id, o.name, o.created_at, (SELECT count(*) FROM memberships m WHERE m.organization_id = o.id),
			coalesce((SELECT u.email FROM memberships m JOIN users u ON u.id = m.user_id
				WHERE m.organization_id = o.id AND m.role = 'owner' ORDER BY m.created_at, u.id LIMIT 1), '')
		FROM organizations o
		WHERE o.deleted_at IS NULL AND o.id > $1 AND ($2 = '' OR o.id = $2 OR position(lower($2) IN lower(o.name)) > 0
			OR EXISTS (SELECT FROM memberships m JOIN users u ON u.id = m.user_id WHERE m.organization_id = o.id AND position(lower($2) IN u.email) > 0))
		ORDER BY o.id LIMIT $3`
	err = s.DB.AsOperator(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, q, after, search, limit)
		if err != nil {
			return fmt.Errorf("list organizations: %w", err)
		}
		all, err = pgx.CollectRows(rows, pgx.RowToStructByPos[identity.OrganizationSummary])
		return err
	})
	return all, err
}

// OrganizationNames returns the names of organizations, for operators.
func (s *Identity) OrganizationNames(ctx context.Context, ids []tenant.OrganizationID) (names map[tenant.OrganizationID]string, err error) {
	err = s.DB.AsOperator(ctx, func(tx pgx.Tx) error {
		names, err = pg.Pairs[tenant.OrganizationID, string](ctx, tx, "SELECT id, name FROM organizations WHERE id = ANY($1)", ids)
		return err
	})
	return names, err
}
