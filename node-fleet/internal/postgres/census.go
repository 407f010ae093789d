package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	fleet "github.com/marina-cloud/marina/node-fleet"
)

// Census is how many pools and nodes there are, of all organizations.
type Census struct {
	Pools   map[fleet.PoolPhase]int
	Nodes   map[fleet.NodePhase]int
	Unready int // nodes that are running and not ready
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
