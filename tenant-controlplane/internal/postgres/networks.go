package postgres

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/internal/tenant"
	"github.com/marina-cloud/marina/migrations/pg"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

// SetNetworks says from which networks people may reach the cluster's API server, and
// returns the cluster; to say it again changes nothing. Errors are ErrNoCluster, and
// ErrBadPhase when the cluster is being deleted.
func (s Clusters) SetNetworks(ctx context.Context, by Asker, id tenant.ClusterID, networks []netip.Prefix) (c controlplane.Cluster, err error) {
	err = s.DB.AsTenant(ctx, by.Organization, func(tx pgx.Tx) error {
		const read = "SELECT " + columns + " FROM clusters WHERE id = $1 AND phase <> 'deleted' FOR NO KEY UPDATE"
		if c, err = one(ctx, tx, controlplane.ErrNoCluster, read, id); err != nil {
			return err
		}
		if c.Deleting {
			return controlplane.ErrBadPhase.Saying("The cluster %s is being deleted.", c.Name)
		}
		if slices.Equal(c.Networks, networks) {
			return nil
		}
		// The generation stays: no part of the control plane is changed by it.
		if _, err := tx.Exec(ctx, "UPDATE clusters SET authorized_networks = coalesce($2::cidr[], '{}') WHERE id = $1", id, networks); err != nil {
			return fmt.Errorf("set networks: %w", err)
		}
		c.Networks = networks
		// Whatever becomes of this process, the reconciler tells the router.
		if err := (pg.Queue{Table: Table}).Wake(ctx, tx, string(id)); err != nil {
			return err
		}
		list := listed(networks)
		message := "The Kubernetes API answers people from everywhere."
		if list != "" {
			message = "The Kubernetes API answers people from these networks only: " + list + "."
		}
		return record(ctx, tx, by, c, "cluster.networks", map[string]string{"name": c.Name, "networks": list}, message)
	})
	return c, err
}

func listed(networks []netip.Prefix) string {
	texts := make([]string, len(networks))
	for i, n := range networks {
		texts[i] = n.String()
	}
	return strings.Join(texts, ", ")
}
