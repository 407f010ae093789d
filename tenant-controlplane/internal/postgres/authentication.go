package postgres

import (
	"context"
	"fmt"
	"reflect"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/internal/tenant"
	"github.com/marina-cloud/marina/migrations/pg"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

// SetAuthentication notes whose tokens a cluster is to take; to do it again changes
// nothing. Errors are ErrNoCluster, and ErrBadPhase when the cluster is being deleted.
func (s Clusters) SetAuthentication(ctx context.Context, by Asker, id tenant.ClusterID, a controlplane.Authentication) (c controlplane.Cluster, err error) {
	err = s.DB.AsTenant(ctx, by.Organization, func(tx pgx.Tx) error {
		if c, err = locked(ctx, tx, id); err != nil {
			return err
		}
		if c.Deleting {
			return controlplane.ErrBadPhase.Saying("The cluster %s is being deleted.", c.Name)
		}
		if reflect.DeepEqual(c.Authentication, a) {
			return nil
		}
		c.Authentication = a
		if _, err := tx.Exec(ctx, "UPDATE clusters SET authentication = $2 WHERE id = $1", id, a); err != nil {
			return fmt.Errorf("update cluster: %w", err)
		}
		if err := (pg.Queue{Table: Table}).Wake(ctx, tx, string(id)); err != nil {
			return err
		}
		issuers := make([]string, len(a.JWT))
		for i, j := range a.JWT {
			issuers[i] = j.Issuer.URL
		}
		detail := map[string]string{"issuers": strings.Join(issuers, " ")}
		return record(ctx, tx, by, c, "cluster.authentication.set", detail, "Whose tokens the cluster takes was changed.")
	})
	return c, err
}
