package postgres

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/internal/event"
	"github.com/marina-cloud/marina/internal/tenant"
	"github.com/marina-cloud/marina/migrations/pg"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

const credentialColumns = `id, organization_id, cluster_id, user_id, issued_by, kind, kubernetes_user, kubernetes_groups, kubernetes_id,
	issued_at, expires_at, last_used_at, revoked_at`

func scanCredential(row pgx.CollectableRow) (c controlplane.Credential, err error) {
	err = row.Scan(&c.ID, &c.Organization, &c.Cluster, &c.Holder, &c.IssuedBy, &c.Kind, &c.User, &c.Groups, &c.KubernetesID,
		&c.IssuedAt, &c.ExpiresAt, &c.LastUsedAt, &c.RevokedAt)
	return c, err
}

// AddCredential notes that a credential is about to be handed out to somebody with the
// role given; empty: it does not go by a role. Errors are ErrNoCluster, ErrBadPhase when
// the cluster is being deleted, ErrManyCredentials, and ErrNoAccess when the holder has
// another role by now.
func (s Clusters) AddCredential(ctx context.Context, by Asker, c controlplane.Credential, role string) error {
	return s.DB.AsTenant(ctx, by.Organization, func(tx pgx.Tx) error {
		if err := keepsRole(ctx, tx, c.Holder, role); err != nil {
			return err
		}
		// Locked, so that none is added behind the back of the cluster's end.
		k, err := one(ctx, tx, controlplane.ErrNoCluster, "SELECT "+columns+" FROM clusters WHERE id = $1 AND phase <> 'deleted' FOR SHARE", c.Cluster)
		if err != nil {
			return err
		}
		if k.Leaving() {
			return controlplane.ErrBadPhase.Saying("The cluster %s is being deleted.", k.Name)
		}
		var have int
		if err := tx.QueryRow(ctx, "SELECT count(*) FROM credentials WHERE cluster_id = $1 AND expires_at > $2", c.Cluster, c.IssuedAt).Scan(&have); err != nil {
			return fmt.Errorf("count credentials: %w", err)
		}
		if have >= controlplane.MaxCredentials {
			return controlplane.ErrManyCredentials
		}
		const q = `INSERT INTO credentials (id, organization_id, cluster_id, user_id, issued_by, kind, kubernetes_user, kubernetes_groups, kubernetes_id, issued_at, expires_at)
			VALUES (@id, @org, @cluster, @holder, @by, @kind, @user, @groups, @kubernetes, @issued, @expires)`
		_, err = tx.Exec(ctx, q, pgx.NamedArgs{
			"id": c.ID, "org": by.Organization, "cluster": c.Cluster, "holder": c.Holder, "by": c.IssuedBy, "kind": c.Kind, "user": c.User, "groups": c.Groups,
			"kubernetes": c.KubernetesID, "issued": c.IssuedAt, "expires": c.ExpiresAt,
		})
		if err != nil {
			return fmt.Errorf("insert credential: %w", err)
		}
		return audit(ctx, tx, by, c.Cluster, "cluster.credential.issue", credentialDetail(c))
	})
}

// keepsRole locks what somebody is in the organization: whoever changes it then sees
// the credential that is being added, and revokes it.
func keepsRole(ctx context.Context, tx pgx.Tx, holder tenant.UserID, role string) error {
	if role == "" {
		return nil
	}
	var has string
	err := tx.QueryRow(ctx, "SELECT role FROM memberships WHERE user_id = $1 FOR SHARE", holder).Scan(&has)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && has != role {
		return controlplane.ErrNoAccess.Saying("Your role in the organization has just changed. Try again.")
	}
	return err
}

func credentialDetail(c controlplane.Credential) map[string]string {
	return map[string]string{
		"credential": string(c.ID), "kind": string(c.Kind), "user": c.User, "expires_at": c.ExpiresAt.UTC().Format(time.RFC3339),
	}
}

// Credentials returns up to limit of a cluster's credentials that have not ended at the
// time given, in the order in which they were issued, beginning after the id given,
// which may be empty. It returns ErrNoCluster when there is no such cluster.
func (s Clusters) Credentials(ctx context.Context, org tenant.OrganizationID, id tenant.ClusterID, now time.Time, after string, limit int) (cs []controlplane.Credential, err error) {
	const q = "SELECT " + credentialColumns + " FROM credentials WHERE cluster_id = $1 AND expires_at > $2 AND id > $3 ORDER BY id LIMIT $4"
	err = s.DB.AsTenant(ctx, org, func(tx pgx.Tx) error {
		if _, err := one(ctx, tx, controlplane.ErrNoCluster, "SELECT "+columns+" FROM clusters WHERE id = $1 AND phase <> 'deleted'", id); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, q, id, now, after, limit)
		if err != nil {
			return err
		}
		cs, err = pgx.CollectRows(rows, scanCredential)
		return err
	})
	return cs, err
}

// Credential returns one, or ErrNoCredential, also when it has ended.
func (s Clusters) Credential(ctx context.Context, org tenant.OrganizationID, cluster tenant.ClusterID, id tenant.CredentialID, now time.Time) (c controlplane.Credential, err error) {
	err = s.DB.AsTenant(ctx, org, func(tx pgx.Tx) error {
		c, err = oneCredential(ctx, tx, "SELECT "+credentialColumns+" FROM credentials WHERE cluster_id = $1 AND id = $2 AND expires_at > $3", cluster, id, now)
		return err
	})
	return c, err
}

// Revoke notes that a credential is revoked; to do it again changes nothing. It
// returns ErrNoCredential when there is none, or none any more.
func (s Clusters) Revoke(ctx context.Context, by Asker, cluster tenant.ClusterID, id tenant.CredentialID, now time.Time) error {
	return s.DB.AsTenant(ctx, by.Organization, func(tx pgx.Tx) error {
		const read = "SELECT " + credentialColumns + " FROM credentials WHERE cluster_id = $1 AND id = $2 AND expires_at > $3 FOR NO KEY UPDATE"
		c, err := oneCredential(ctx, tx, read, cluster, id, now)
		if err != nil || c.RevokedAt != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "UPDATE credentials SET revoked_at = $2 WHERE id = $1", id, now); err != nil {
			return fmt.Errorf("revoke credential: %w", err)
		}
		// Whatever becomes of this process, the reconciler publishes it.
		if err := (pg.Queue{Table: Table}).Wake(ctx, tx, string(cluster)); err != nil {
			return err
		}
		k := controlplane.Cluster{ID: cluster, Organization: by.Organization}
		return record(ctx, tx, by, k, "cluster.credential.revoke", credentialDetail(c), "A credential of "+c.User+" was revoked.")
	})
}

// RevokeOf notes in tx, which is of by's organization, that all credentials of a person
// are revoked. It returns the clusters that they are for, sorted.
func RevokeOf(ctx context.Context, tx pgx.Tx, by Asker, holder tenant.UserID, now time.Time) ([]tenant.ClusterID, error) {
	const q = `UPDATE credentials SET revoked_at = $3 WHERE organization_id = $1 AND user_id = $2 AND revoked_at IS NULL AND expires_at > $3
		RETURNING ` + credentialColumns
	rows, err := tx.Query(ctx, q, by.Organization, holder, now)
	if err != nil {
		return nil, fmt.Errorf("revoke credentials: %w", err)
	}
	revoked, err := pgx.CollectRows(rows, scanCredential)
	if err != nil {
		return nil, fmt.Errorf("revoke credentials: %w", err)
	}
	of := map[tenant.ClusterID]bool{}
	for _, c := range revoked {
		of[c.Cluster] = true
		if err := audit(ctx, tx, by, c.Cluster, "cluster.credential.revoke", credentialDetail(c)); err != nil {
			return nil, err
		}
	}
	clusters := slices.Sorted(maps.Keys(of)) // two who do this lock them in the same order
	for _, id := range clusters {
		if err := (pg.Queue{Table: Table}).Wake(ctx, tx, string(id)); err != nil {
			return nil, err
		}
		message := "The credentials of " + revoked[0].User + " were revoked, whose role in the organization changed."
		e := event.Event{Kind: event.ClusterChanged, Organization: by.Organization, Cluster: id, Subject: string(id), Message: message}
		if err := pg.Publish(ctx, tx, e); err != nil {
			return nil, err
		}
	}
	return clusters, nil
}

func oneCredential(ctx context.Context, tx pgx.Tx, q string, args ...any) (controlplane.Credential, error) {
	rows, err := tx.Query(ctx, q, args...)
	if err != nil {
		return controlplane.Credential{}, err
	}
	c, err := pgx.CollectExactlyOneRow(rows, scanCredential)
	if errors.Is(err, pgx.ErrNoRows) {
		return c, controlplane.ErrNoCredential
	}
	return c, err
}

// Revocations returns the cluster's credentials that are revoked and have not ended.
func (s Work) Revocations(ctx context.Context, id tenant.ClusterID) (rs []controlplane.Revocation, err error) {
	const q = `
		SELECT kubernetes_id, expires_at FROM credentials WHERE cluster_id = $1 AND revoked_at IS NOT NULL AND expires_at > now()
		UNION ALL SELECT $2 || token_id, expires_at FROM revoked_tokens WHERE cluster_id = $1 AND expires_at > now()`
	err = s.DB.AsWorker(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, q, id, tokenPrefix)
		if err != nil {
			return err
		}
		rs, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (r controlplane.Revocation, err error) {
			err = row.Scan(&r.Credential, &r.Until)
			return r, err
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read revoked credentials: %w", err)
	}
	return rs, nil
}

// NoteUses notes when credentials of a cluster were used last, by their Kubernetes
// ids. Who says so may be hostile: what is unknown or in the future is left out.
func (s Work) NoteUses(ctx context.Context, id tenant.ClusterID, last map[string]time.Time) error {
	ids, at := make([]string, 0, len(last)), make([]time.Time, 0, len(last))
	for credential, t := range last {
		ids, at = append(ids, credential), append(at, t)
	}
	const q = `
		UPDATE credentials c SET last_used_at = greatest(u.at, c.issued_at) FROM unnest($2::text[], $3::timestamptz[]) AS u (id, at)
		WHERE c.cluster_id = $1 AND c.kubernetes_id = u.id AND u.at <= now() AND (c.last_used_at IS NULL OR c.last_used_at < u.at)`
	err := s.DB.AsWorker(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, q, id, ids, at)
		return err
	})
	if err != nil {
		return fmt.Errorf("note uses of credentials: %w", err)
	}
	return nil
}

// ForgetCredentials removes all credentials of a cluster.
func (s Work) ForgetCredentials(ctx context.Context, id tenant.ClusterID) error {
	return s.forget(ctx, "cluster_id = $1", id)
}

// ForgetEnded removes the credentials that ended before the time given.
func (s Work) ForgetEnded(ctx context.Context, before time.Time) error {
	return s.forget(ctx, "expires_at < $1", before)
}

func (s Work) forget(ctx context.Context, which string, arg any) error {
	err := s.DB.AsWorker(ctx, func(tx pgx.Tx) error {
		for _, table := range []string{"credentials", "revoked_tokens"} {
			if _, err := tx.Exec(ctx, "DELETE FROM "+table+" WHERE "+which, arg); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("forget credentials: %w", err)
	}
	return nil
}
