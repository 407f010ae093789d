package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/internal/tenant"
	"github.com/marina-cloud/marina/migrations/pg"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

// alone makes transactions that count clusters wait for each other: it takes the lock
// that free_uid_slot takes, too.
func alone(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtext('clusters.uid_slot'))"); err != nil {
		return fmt.Errorf("wait for others who count clusters: %w", err)
	}
	return nil
}

// room returns ErrQuota when the organization may not have one more cluster. The
// transaction is alone.
func room(ctx context.Context, tx pgx.Tx) error {
	var have int
	if err := tx.QueryRow(ctx, "SELECT count(*) FROM clusters WHERE phase <> 'deleted' AND NOT "+gone).Scan(&have); err != nil {
		return fmt.Errorf("count clusters: %w", err)
	}
	if have >= MaxClusters {
		return controlplane.ErrQuota.Saying("The organization has %d clusters, which is its quota. Delete one, or ask for a higher quota.", have)
	}
	return nil
}

// MarkDeleting notes that the owner wants the cluster gone, if only allows it, and
// returns it as it is then. It can be brought back for as long as keep says; if that is
// 0, nothing of it is kept. To do it again changes nothing, except that nothing is kept
// then. Errors are those of only, ErrNoCluster, ErrProtected and ErrManyDeleted.
func (s Clusters) MarkDeleting(ctx context.Context, by Asker, id tenant.ClusterID, keep time.Duration, only controlplane.Precondition) (c controlplane.Cluster, err error) {
	err = s.DB.AsTenant(ctx, by.Organization, func(tx pgx.Tx) error {
		if err := alone(ctx, tx); err != nil {
			return err
		}
		if c, err = locked(ctx, tx, id); err != nil {
			return err
		}
		if err := only.Check(c); err != nil {
			return err
		}
		if c.Purge || c.Deleting && keep > 0 {
			return nil
		}
		if err := c.Deletable(); err != nil {
			return err
		}
		if err := bounded(ctx, tx, keep); err != nil {
			return err
		}
		const q = "UPDATE clusters SET deleting = true, purge_at = now() + $2::interval, generation = generation + 1 WHERE id = $1 RETURNING " + columns
		if c, err = one(ctx, tx, nil, q, id, keep); err != nil {
			return fmt.Errorf("mark cluster: %w", err)
		}
		if err := (pg.Queue{Table: Table}).Wake(ctx, tx, string(id)); err != nil {
			return err
		}
		action, message := "cluster.delete", "The deletion of the cluster was asked for."
		if keep == 0 {
			action, message = "cluster.purge", "The deletion of the cluster was asked for, with nothing of it kept."
		}
		return record(ctx, tx, by, c, action, map[string]string{"name": c.Name}, message)
	})
	return c, err
}

// bounded returns ErrManyDeleted when no more deleted clusters are kept.
func bounded(ctx context.Context, tx pgx.Tx, keep time.Duration) error {
	if keep == 0 {
		return nil
	}
	var kept int
	if err := tx.QueryRow(ctx, "SELECT count(*) FROM clusters WHERE deleting AND phase <> 'deleted' AND purge_at > now()").Scan(&kept); err != nil {
		return fmt.Errorf("count deleted clusters: %w", err)
	}
	if kept >= MaxClusters {
		return controlplane.ErrManyDeleted.Saying("The organization has %d deleted clusters that can be brought back, as many as are kept. Delete this one for good, with purge=true, or one of those.", kept)
	}
	return nil
}

// Undelete notes that the owner wants a deleted cluster back, and returns it as it is
// then; of one that is not deleted it changes nothing. Errors are ErrNoCluster,
// ErrPurged, ErrQuota and ErrNameTaken.
func (s Clusters) Undelete(ctx context.Context, by Asker, id tenant.ClusterID) (c controlplane.Cluster, err error) {
	err = s.DB.AsTenant(ctx, by.Organization, func(tx pgx.Tx) error {
		if err := alone(ctx, tx); err != nil {
			return err
		}
		if c, err = locked(ctx, tx, id); err != nil || !c.Deleting {
			return err
		}
		if err := c.Undeletable(); err != nil {
			return err
		}
		if c.Phase == controlplane.Recoverable { // until then it counts as the others do
			if err := room(ctx, tx); err != nil {
				return err
			}
		}
		name := c.Name
		c, err = one(ctx, tx, nil, "UPDATE clusters SET deleting = false, purge_at = NULL, generation = generation + 1 WHERE id = $1 RETURNING "+columns, id)
		if nameTaken(err) {
			return controlplane.ErrNameTaken.Saying("Another cluster is called %s by now. Rename that one, and undelete this one then.", name)
		}
		if err != nil {
			return fmt.Errorf("undelete cluster: %w", err)
		}
		if err := (pg.Queue{Table: Table}).Wake(ctx, tx, string(id)); err != nil {
			return err
		}
		return record(ctx, tx, by, c, "cluster.undelete", map[string]string{"name": c.Name}, "The cluster is wanted back.")
	})
	return c, err
}
