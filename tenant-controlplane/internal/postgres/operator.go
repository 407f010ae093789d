package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/internal/tenant"
	"github.com/marina-cloud/marina/migrations/pg"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

// Operator is the side of whoever runs the installation: it sees the clusters of all
// organizations. It is safe for concurrent use.
type Operator struct{ DB *pg.DB }

// List returns up to limit clusters with ids behind after, the oldest first: those
// whose id or whose organization's id is search, or whose name holds it.
func (s Operator) List(ctx context.Context, search, after string, limit int) (cs []controlplane.Cluster, err error) {
	const q = "SELECT " + columns + ` FROM clusters WHERE phase <> 'deleted' AND id > $1
		AND ($2 = '' OR id = $2 OR organization_id = $2 OR position(lower($2) IN lower(name)) > 0) ORDER BY id LIMIT $3`
	err = s.DB.AsOperator(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, q, after, search, limit)
		if err != nil {
			return fmt.Errorf("list clusters of all organizations: %w", err)
		}
		cs, err = pgx.CollectRows(rows, scan)
		return err
	})
	return cs, err
}

// Count returns how many clusters organizations have.
func (s Operator) Count(ctx context.Context, orgs []tenant.OrganizationID) (counts map[tenant.OrganizationID]int, err error) {
	const q = "SELECT organization_id, count(*) FROM clusters WHERE phase <> 'deleted' AND organization_id = ANY($1) GROUP BY 1"
	err = s.DB.AsOperator(ctx, func(tx pgx.Tx) error {
		counts, err = pg.Pairs[tenant.OrganizationID, int](ctx, tx, q, orgs)
		return err
	})
	return counts, err
}
