package postgres

import (
	"context"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/internal/tenant"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

// locked returns a cluster that nobody else can change until tx ends, or ErrNoCluster.
func locked(ctx context.Context, tx pgx.Tx, id tenant.ClusterID) (controlplane.Cluster, error) {
	return one(ctx, tx, controlplane.ErrNoCluster, "SELECT "+columns+" FROM clusters WHERE id = $1 AND phase <> 'deleted' FOR NO KEY UPDATE", id)
}

// Change changes what its owner may change of a cluster, if only allows it, and returns
// the cluster as it is then. What is so already changes nothing. Errors are those of
// only, ErrNoCluster, ErrBadPhase and ErrNameTaken.
func (s Clusters) Change(ctx context.Context, by Asker, id tenant.ClusterID, change controlplane.Change, only controlplane.Precondition) (c controlplane.Cluster, err error) {
	err = s.DB.AsTenant(ctx, by.Organization, func(tx pgx.Tx) error {
		before, err := locked(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := only.Check(before); err != nil {
			return err
		}
		if c, err = change.Of(before); err != nil {
			return err
		}
		detail, message := changes(before, c)
		if len(detail) == 0 {
			return nil
		}
		_, err = tx.Exec(ctx, "UPDATE clusters SET name = $2, deletion_protection = $3 WHERE id = $1", id, c.Name, c.DeletionProtection)
		if nameTaken(err) {
			return taken(c.Name)
		}
		if err != nil {
			return fmt.Errorf("change cluster: %w", err)
		}
		return record(ctx, tx, by, c, "cluster.change", detail, message)
	})
	return c, err
}

// changes says what is different, for the audit log and for people.
func changes(before, after controlplane.Cluster) (detail map[string]string, message string) {
	detail = map[string]string{}
	if before.Name != after.Name {
		detail["name"] = after.Name
		message = fmt.Sprintf("The cluster %s is called %s now. ", before.Name, after.Name)
	}
	if on := after.DeletionProtection; on != before.DeletionProtection {
		detail["deletion_protection"] = strconv.FormatBool(on)
		if on {
			message += "Deletion protection was put on."
		} else {
			message += "Deletion protection was taken off."
		}
	}
	return detail, message
}
