package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/internal/event"
	"github.com/marina-cloud/marina/migrations/pg"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

// Transplanted says of every cluster, whose rows came from elsewhere and which
// therefore does not run, that it has to be repaired, and tells its owner why. It
// returns the clusters that are not deleted. It needs a worker's transaction, and
// nobody else who works on clusters.
func Transplanted(ctx context.Context, tx pgx.Tx, now time.Time, why string) ([]controlplane.Cluster, error) {
	living, err := Alive(ctx, tx)
	if err != nil {
		return nil, err
	}
	for i, c := range living {
		if next, err := c.To(controlplane.Degraded, now); err == nil { // what was still being made goes on with that
			const q = "UPDATE clusters SET phase = $2, phase_since = $3 WHERE id = $1"
			if _, err := tx.Exec(ctx, q, c.ID, next.Phase, next.Since); err != nil {
				return nil, fmt.Errorf("update cluster: %w", err)
			}
			living[i] = next
		}
		e := event.Event{Kind: event.ClusterChanged, Organization: c.Organization, Cluster: c.ID, Subject: string(c.ID), Message: why}
		if err := pg.Publish(ctx, tx, e); err != nil {
			return nil, err
		}
	}
	return living, nil
}
