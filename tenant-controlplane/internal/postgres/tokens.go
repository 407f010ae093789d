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

// tokenPrefix is how Kubernetes makes the id of a credential of a token's own (KEP-4193).
const tokenPrefix = "JTI="

// RevokeToken notes that a cluster is to take a token no more, until its end; to do it
// again changes nothing but, maybe, puts the end off. Errors are ErrNoCluster and
// ErrManyRevokedTokens.
func (s Clusters) RevokeToken(ctx context.Context, by Asker, cluster tenant.ClusterID, token string, until time.Time) error {
	return s.DB.AsTenant(ctx, by.Organization, func(tx pgx.Tx) error {
		// Locked, so that none is added behind the back of the cluster's end.
		c, err := one(ctx, tx, controlplane.ErrNoCluster, "SELECT "+columns+" FROM clusters WHERE id = $1 AND phase <> 'deleted' FOR NO KEY UPDATE", cluster)
		if err != nil {
			return err
		}
		var have int
		const others = "SELECT count(*) FROM revoked_tokens WHERE cluster_id = $1 AND token_id <> $2 AND expires_at > now()"
		if err := tx.QueryRow(ctx, others, cluster, token).Scan(&have); err != nil {
			return fmt.Errorf("count revoked tokens: %w", err)
		}
		if have >= controlplane.MaxRevokedTokens {
			return controlplane.ErrManyRevokedTokens
		}
		const q = `INSERT INTO revoked_tokens (cluster_id, organization_id, token_id, expires_at) VALUES ($1, $2, $3, $4)
			ON CONFLICT (cluster_id, token_id) DO UPDATE SET expires_at = greatest(revoked_tokens.expires_at, excluded.expires_at)`
		if _, err := tx.Exec(ctx, q, cluster, by.Organization, token, until); err != nil {
			return fmt.Errorf("revoke token: %w", err)
		}
		// Whatever becomes of this process, the reconciler publishes it.
		if err := (pg.Queue{Table: Table}).Wake(ctx, tx, string(cluster)); err != nil {
			return err
		}
		detail := map[string]string{"token": token, "expires_at": until.UTC().Format(time.RFC3339)}
		return record(ctx, tx, by, c, "cluster.token.revoke", detail, "A token was revoked.")
	})
}
