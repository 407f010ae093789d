// Package postgres keeps clusters in Postgres.
//
// Every change of a cluster writes its event, and if a person asked for it an
// audit entry, in the transaction that makes it.
package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/marina-cloud/marina/internal/event"
	"github.com/marina-cloud/marina/internal/home"
	"github.com/marina-cloud/marina/internal/tenant"
	"github.com/marina-cloud/marina/migrations/pg"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

// Table is the table of clusters, which is a queue of work, too.
const Table = "clusters"

// MaxClusters is how many clusters an organization may have at once, besides as many
// that are deleted and can be brought back.
const MaxClusters = 20

// gone is true of a deleted cluster that can be brought back and that nobody wants
// back. As in the indexes of migration 30.
const gone = "(phase = 'recoverable' AND deleting)"

// Clusters is the owner's side: every call is scoped to one organization, and a
// cluster of another one does not exist, nor does a deleted one. It is safe for
// concurrent use.
type Clusters struct{ DB *pg.DB }

// Asker is who asks for a change, for the audit log.
type Asker struct {
	Organization tenant.OrganizationID
	Actor        string // usr-… or tok-…
	Address      string // of the client
}

// columns is the select list that scan expects.
const columns = `id, organization_id, name, version, pod_cidr, service_cidr, issuer, uid_slot,
	generation, observed_generation, phase, phase_since, deleting, conditions, created_at, deletion_protection, authentication, authorized_networks,
	coalesce(purge_at, '0001-01-01'), deleting AND coalesce(purge_at <= now(), true)`

func scan(row pgx.CollectableRow) (c controlplane.Cluster, err error) {
	err = row.Scan(&c.ID, &c.Organization, &c.Name, &c.Version, &c.PodCIDR, &c.ServiceCIDR, &c.Issuer, &c.UIDSlot,
		&c.Generation, &c.Observed, &c.Phase, &c.Since, &c.Deleting, &c.Conditions, &c.CreatedAt, &c.DeletionProtection, &c.Authentication, &c.Networks,
		&c.PurgeAt, &c.Purge)
	return c, err
}

// Create adds a cluster with the id and issuer given, and returns it. Errors are
// ErrNameTaken, ErrQuota and ErrCapacity.
func (s Clusters) Create(ctx context.Context, by Asker, id tenant.ClusterID, issuer string, n controlplane.NewCluster) (c controlplane.Cluster, err error) {
	err = s.DB.AsTenant(ctx, by.Organization, func(tx pgx.Tx) error {
		// The free slot comes first: finding it takes a lock that makes all that
		// follows, counting among it, happen one cluster at a time.
		var slot *int
		if err := tx.QueryRow(ctx, "SELECT free_uid_slot($1)", home.MaxClusters).Scan(&slot); err != nil {
			return fmt.Errorf("find free user ids: %w", err)
		}
		var alive bool
		err := tx.QueryRow(ctx, "SELECT deleted_at IS NULL FROM organizations WHERE id = $1 FOR KEY SHARE", by.Organization).Scan(&alive)
		if err != nil {
			return fmt.Errorf("read organization: %w", err)
		}
		if !alive { // since the request was let through
			return controlplane.ErrNoOrganization
		}
		if err := room(ctx, tx); err != nil {
			return err
		}
		if slot == nil {
			return controlplane.ErrCapacity
		}
		const q = `
			INSERT INTO clusters (id, organization_id, name, version, pod_cidr, service_cidr, issuer, uid_slot, deletion_protection)
			VALUES (@id, @org, @name, @version, @pods, @services, @issuer, @slot, @protection)
			RETURNING ` + columns
		c, err = one(ctx, tx, nil, q, pgx.NamedArgs{
			"id": id, "org": by.Organization, "name": n.Name, "version": n.Version,
			"pods": n.PodCIDR, "services": n.ServiceCIDR, "issuer": issuer, "slot": *slot, "protection": n.DeletionProtection,
		})
		if nameTaken(err) {
			return taken(n.Name)
		}
		if err != nil {
			return fmt.Errorf("insert cluster: %w", err)
		}
		detail := map[string]string{"name": n.Name, "version": n.Version, "pod_cidr": n.PodCIDR, "service_cidr": n.ServiceCIDR}
		return record(ctx, tx, by, c, "cluster.create", detail, fmt.Sprintf("The cluster %s was asked for, with Kubernetes %s.", n.Name, n.Version))
	})
	return c, err
}

// ByID returns the cluster, or ErrNoCluster.
func (s Clusters) ByID(ctx context.Context, org tenant.OrganizationID, id tenant.ClusterID) (c controlplane.Cluster, err error) {
	err = s.DB.AsTenant(ctx, org, func(tx pgx.Tx) error {
		c, err = one(ctx, tx, controlplane.ErrNoCluster, "SELECT "+columns+" FROM clusters WHERE id = $1 AND phase <> 'deleted'", id)
		return err
	})
	return c, err
}

// List returns up to limit clusters in the order in which they were made,
// beginning after the id given, which may be empty: those that there are, or the
// deleted ones that can be brought back.
func (s Clusters) List(ctx context.Context, org tenant.OrganizationID, deleted bool, after string, limit int) (cs []controlplane.Cluster, err error) {
	q := "SELECT " + columns + " FROM clusters WHERE phase <> 'deleted' AND NOT " + gone + " AND id > $1 ORDER BY id LIMIT $2"
	if deleted {
		q = "SELECT " + columns + " FROM clusters WHERE " + gone + " AND id > $1 ORDER BY id LIMIT $2"
	}
	err = s.DB.AsTenant(ctx, org, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, q, after, limit)
		if err != nil {
			return err
		}
		cs, err = pgx.CollectRows(rows, scan)
		return err
	})
	return cs, err
}

// Any reports whether the organization of tx has a cluster that is not gone.
func Any(ctx context.Context, tx pgx.Tx, org tenant.OrganizationID) (some bool, err error) {
	const q = "SELECT EXISTS (SELECT FROM clusters WHERE organization_id = $1 AND phase <> 'deleted')"
	if err := tx.QueryRow(ctx, q, org).Scan(&some); err != nil {
		return false, fmt.Errorf("look for clusters: %w", err)
	}
	return some, nil
}

// Audit notes that somebody did something with a cluster that changed nothing of
// it, such as taking credentials.
func (s Clusters) Audit(ctx context.Context, by Asker, id tenant.ClusterID, action string, detail map[string]string) error {
	return s.DB.AsTenant(ctx, by.Organization, func(tx pgx.Tx) error { return audit(ctx, tx, by, id, action, detail) })
}

// Events returns up to limit of the sentences about the cluster, the oldest
// first, beginning after the event id given, which may be empty. It returns
// ErrNoCluster when there is no such cluster.
func (s Clusters) Events(ctx context.Context, org tenant.OrganizationID, id tenant.ClusterID, after string, limit int) (es []event.Event, err error) {
	const q = `
		SELECT id, kind, organization_id, coalesce(cluster_id, ''), subject, at, message, data FROM outbox
		WHERE cluster_id = $1 AND message <> '' AND id > $2 ORDER BY id LIMIT $3`
	err = s.DB.AsTenant(ctx, org, func(tx pgx.Tx) error {
		if _, err := one(ctx, tx, controlplane.ErrNoCluster, "SELECT "+columns+" FROM clusters WHERE id = $1 AND phase <> 'deleted'", id); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, q, id, after, limit)
		if err != nil {
			return err
		}
		es, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (e event.Event, err error) {
			err = row.Scan(&e.ID, &e.Kind, &e.Organization, &e.Cluster, &e.Subject, &e.At, &e.Message, &e.Data)
			return e, err
		})
		return err
	})
	return es, err
}

// Recent returns up to limit of the last sentences about clusters of the
// organization, deleted ones among them, the newest first.
func (s Clusters) Recent(ctx context.Context, org tenant.OrganizationID, limit int) (hs []controlplane.Happening, err error) {
	const q = `
		SELECT o.id, o.kind, o.organization_id, o.cluster_id, o.subject, o.at, o.message, o.data, c.name
		FROM outbox o JOIN clusters c ON c.id = o.cluster_id
		WHERE o.organization_id = $1 AND o.message <> '' ORDER BY o.id DESC LIMIT $2`
	err = s.DB.AsTenant(ctx, org, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, q, org, limit)
		if err != nil {
			return err
		}
		hs, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (h controlplane.Happening, err error) {
			e := &h.Event
			err = row.Scan(&e.ID, &e.Kind, &e.Organization, &e.Cluster, &e.Subject, &e.At, &e.Message, &e.Data, &h.Name)
			return h, err
		})
		return err
	})
	return hs, err
}

func record(ctx context.Context, tx pgx.Tx, by Asker, c controlplane.Cluster, action string, detail map[string]string, message string) error {
	if err := audit(ctx, tx, by, c.ID, action, detail); err != nil {
		return err
	}
	return pg.Publish(ctx, tx, event.Event{
		Kind: event.ClusterChanged, Organization: c.Organization, Cluster: c.ID, Subject: string(c.ID), Message: message,
	})
}

func audit(ctx context.Context, tx pgx.Tx, by Asker, id tenant.ClusterID, action string, detail map[string]string) error {
	data, err := json.Marshal(detail)
	if err != nil {
		return fmt.Errorf("encode audit detail: %w", err)
	}
	return pg.Audit(ctx, tx, pg.AuditEntry{
		Organization: by.Organization, Actor: by.Actor, Action: action, Subject: string(id), Address: by.Address, Detail: data,
	})
}

// one runs q, which yields one row; if it yields none, the error is none.
func one(ctx context.Context, tx pgx.Tx, none error, q string, args ...any) (controlplane.Cluster, error) {
	rows, err := tx.Query(ctx, q, args...)
	if err != nil {
		return controlplane.Cluster{}, err
	}
	c, err := pgx.CollectExactlyOneRow(rows, scan)
	if none != nil && errors.Is(err, pgx.ErrNoRows) {
		return c, none
	}
	return c, err
}

func taken(name string) error {
	return controlplane.ErrNameTaken.Saying("A cluster named %s exists already. Choose another name, or delete that cluster first.", name)
}

func nameTaken(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.Code == "23505" && e.ConstraintName == "clusters_name"
}
