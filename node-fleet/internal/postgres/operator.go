package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/internal/tenant"
	"github.com/marina-cloud/marina/migrations/pg"
	fleet "github.com/marina-cloud/marina/node-fleet"
)

// AllNodes returns up to limit nodes of all organizations with ids behind after, the
// oldest first, for operators: those whose id, cluster's or organization's id is
// search, or whose name or address holds it.
func (s *Store) AllNodes(ctx context.Context, search, after string, limit int) (list []fleet.Node, err error) {
	const q = "SELECT " + nodeColumns + ` FROM nodes WHERE phase <> 'deleted' AND id > $1
		AND ($2 = '' OR id = $2 OR cluster_id = $2 OR organization_id = $2 OR position(lower($2) IN lower(name)) > 0 OR address = $2) ORDER BY id LIMIT $3`
	err = s.DB.AsOperator(ctx, func(tx pgx.Tx) error {
		if list, err = all(ctx, tx, scanNode, q, after, search, limit); err != nil {
			return fmt.Errorf("list nodes of all organizations: %w", err)
		}
		return nil
	})
	return list, err
}

// Sizes returns the sizes of pools, for operators.
func (s *Store) Sizes(ctx context.Context, ids []tenant.PoolID) (sizes map[tenant.PoolID]string, err error) {
	err = s.DB.AsOperator(ctx, func(tx pgx.Tx) error {
		sizes, err = pg.Pairs[tenant.PoolID, string](ctx, tx, "SELECT id, size FROM pools WHERE id = ANY($1)", ids)
		return err
	})
	return sizes, err
}

// CountNodes returns how many nodes organizations have, for operators.
func (s *Store) CountNodes(ctx context.Context, orgs []tenant.OrganizationID) (counts map[tenant.OrganizationID]int, err error) {
	const q = "SELECT organization_id, count(*) FROM nodes WHERE phase <> 'deleted' AND organization_id = ANY($1) GROUP BY 1"
	err = s.DB.AsOperator(ctx, func(tx pgx.Tx) error {
		counts, err = pg.Pairs[tenant.OrganizationID, int](ctx, tx, q, orgs)
		return err
	})
	return counts, err
}
