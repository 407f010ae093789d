package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/internal/event"
	"github.com/marina-cloud/marina/internal/tenant"
	"github.com/marina-cloud/marina/migrations/pg"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

// Work is the reconciler's side: all organizations. It is safe for concurrent
// use.
type Work struct{ DB *pg.DB }

// Read returns the leased cluster, or pg.ErrLeaseLost.
func (s Work) Read(ctx context.Context, l pg.Lease) (c controlplane.Cluster, err error) {
	err = s.DB.AsWorker(ctx, func(tx pgx.Tx) error {
		c, err = one(ctx, tx, pg.ErrLeaseLost, "SELECT "+columns+" FROM clusters WHERE id = $1 AND lease_token = $2", l.ID, l.Token)
		return err
	})
	return c, err
}

// Save writes what the reconciler owns, under the lease: never what the owner
// wants. The events say what changed.
func (s Work) Save(ctx context.Context, l pg.Lease, c controlplane.Cluster, events ...event.Event) error {
	return s.DB.AsWorker(ctx, func(tx pgx.Tx) error {
		if err := l.Hold(ctx, tx, Table); err != nil {
			return err
		}
		const q = `
			UPDATE clusters SET phase = @phase, phase_since = @since, observed_generation = @observed, conditions = @conditions
			WHERE id = @id`
		_, err := tx.Exec(ctx, q, pgx.NamedArgs{
			"id": c.ID, "phase": c.Phase, "since": c.Since, "observed": c.Observed, "conditions": c.Conditions,
		})
		if err != nil {
			return fmt.Errorf("update cluster: %w", err)
		}
		for _, e := range events {
			if err := pg.Publish(ctx, tx, e); err != nil {
				return err
			}
		}
		return nil
	})
}

// ByID returns a cluster of whatever organization, or ErrNoCluster, also when it
// is deleted.
func (s Work) ByID(ctx context.Context, id tenant.ClusterID) (c controlplane.Cluster, err error) {
	err = s.DB.AsWorker(ctx, func(tx pgx.Tx) error {
		c, err = one(ctx, tx, controlplane.ErrNoCluster, "SELECT "+columns+" FROM clusters WHERE id = $1 AND phase <> 'deleted'", id)
		return err
	})
	return c, err
}

// Alive returns all clusters that are not deleted.
func (s Work) Alive(ctx context.Context) (cs []controlplane.Cluster, err error) {
	err = s.DB.AsWorker(ctx, func(tx pgx.Tx) error {
		cs, err = Alive(ctx, tx)
		return err
	})
	return cs, err
}

// Alive returns all clusters that are not deleted, as a worker's transaction sees
// them.
func Alive(ctx context.Context, tx pgx.Tx) ([]controlplane.Cluster, error) {
	rows, err := tx.Query(ctx, "SELECT "+columns+" FROM clusters WHERE phase <> 'deleted' ORDER BY id")
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scan)
}

// Wake makes a cluster due now.
func (s Work) Wake(ctx context.Context, id tenant.ClusterID) error {
	return s.DB.AsWorker(ctx, func(tx pgx.Tx) error { return pg.Queue{Table: Table}.Wake(ctx, tx, string(id)) })
}

// WakeInTurn makes clusters due now, in this order.
func (s Work) WakeInTurn(ctx context.Context, cs []controlplane.Cluster) error {
	ids := make([]string, len(cs))
	for i, c := range cs {
		ids[i] = string(c.ID)
	}
	return s.DB.AsWorker(ctx, func(tx pgx.Tx) error { return pg.Queue{Table: Table}.WakeInTurn(ctx, tx, ids) })
}
