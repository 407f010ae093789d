package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/internal/tenant"
	fleet "github.com/marina-cloud/marina/node-fleet"
)

// Census is how many pools and nodes there are, of all organizations.
type Census struct {
	Pools   map[fleet.PoolPhase]int
	Nodes   map[fleet.NodePhase]int
	Unready int // nodes that are running and not ready
}

// Tally counts the nodes of an organization's clusters that are not deleted, by size.
func (s *Store) Tally(ctx context.Context, org tenant.OrganizationID) (tallies map[tenant.ClusterID][]fleet.Tally, err error) {
	const q = `
		SELECT n.cluster_id, p.size, count(*), count(*) FILTER (WHERE n.ready), count(*) FILTER (WHERE n.phase = 'running' AND NOT n.ready)
		FROM nodes n JOIN pools p ON p.id = n.pool_id WHERE n.phase <> 'deleted' GROUP BY 1, 2 ORDER BY 1, 2`
	err = s.DB.AsTenant(ctx, org, func(tx pgx.Tx) error {
		tallies = map[tenant.ClusterID][]fleet.Tally{}
		rows, err := tx.Query(ctx, q)
		if err != nil {
			return fmt.Errorf("tally nodes: %w", err)
		}
		var id tenant.ClusterID
		var t fleet.Tally
		_, err = pgx.ForEachRow(rows, []any{&id, &t.Size, &t.Nodes, &t.Ready, &t.Lost}, func() error {
			tallies[id] = append(tallies[id], t)
			return nil
		})
		return err
	})
	return tallies, err
}

// Count counts pools and nodes that are not deleted.
func (s *Store) Count(ctx context.Context) (c Census, err error) {
	err = s.DB.AsWorker(ctx, func(tx pgx.Tx) error {
		c = Census{Pools: map[fleet.PoolPhase]int{}, Nodes: map[fleet.NodePhase]int{}}
		rows, err := tx.Query(ctx, "SELECT phase, count(*), count(*) FILTER (WHERE NOT ready) FROM nodes WHERE phase <> 'deleted' GROUP BY phase")
		if err != nil {
			return fmt.Errorf("count nodes: %w", err)
		}
		var node fleet.NodePhase
		var n, unready int
		if _, err := pgx.ForEachRow(rows, []any{&node, &n, &unready}, func() error {
			c.Nodes[node] = n
			if node == fleet.NodeRunning {
				c.Unready = unready
			}
			return nil
		}); err != nil {
			return fmt.Errorf("count nodes: %w", err)
		}
		if rows, err = tx.Query(ctx, "SELECT phase, count(*) FROM pools WHERE phase <> 'deleted' GROUP BY phase"); err != nil {
			return fmt.Errorf("count pools: %w", err)
		}
		var pool fleet.PoolPhase
		if _, err := pgx.ForEachRow(rows, []any{&pool, &n}, func() error { c.Pools[pool] = n; return nil }); err != nil {
			return fmt.Errorf("count pools: %w", err)
		}
		return nil
	})
	return c, err
}
