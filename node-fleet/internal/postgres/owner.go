package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/marina-cloud/marina/internal/tenant"
	fleet "github.com/marina-cloud/marina/node-fleet"
)

// uniqueViolation is Postgres' code for it (https://www.postgresql.org/docs/current/errcodes-appendix.html).
const uniqueViolation = "23505"

// CreatePool adds a pool to a cluster, which the caller has found to be the
// organization's. It returns ErrNameTaken, ErrQuota or ErrUntrusted.
func (s *Store) CreatePool(ctx context.Context, by By, cluster tenant.ClusterID, p fleet.NewPool) (pool fleet.Pool, err error) {
	const insert = `
		INSERT INTO pools (id, organization_id, cluster_id, name, size, count, labels, taints)
		VALUES (@id, @organization, @cluster, @name, @size, @count, coalesce(@labels::jsonb, '{}'), coalesce(@taints::jsonb, '[]'))
		RETURNING ` + poolColumns
	err = s.DB.AsTenant(ctx, by.Organization, func(tx pgx.Tx) error {
		if err := s.room(ctx, tx, by.Organization, p.Count); err != nil {
			return err
		}
		args := pgx.NamedArgs{
			"id": tenant.NewPoolID(), "organization": by.Organization, "cluster": cluster,
			"name": p.Name, "size": p.Size, "count": p.Count, "labels": p.Labels, "taints": p.Taints,
		}
		if p.Labels == nil {
			args["labels"] = nil
		}
		if p.Taints == nil {
			args["taints"] = nil
		}
		if pool, err = one(ctx, tx, scanPool, nil, insert, args); err != nil {
			if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.Code == uniqueViolation {
				return fleet.ErrNameTaken
			}
			return fmt.Errorf("add pool: %w", err)
		}
		detail := map[string]any{"cluster": cluster, "name": p.Name, "size": p.Size, "count": p.Count}
		if err := by.audit(ctx, tx, "pool.create", pool.ID, detail); err != nil {
			return err
		}
		return publishPool(ctx, tx, pool, "Node pool %s: %s of size %s asked for.", p.Name, count(p.Count), p.Size)
	})
	return pool, err
}

// room makes sure that the organization may have so many more nodes, until tx
// ends: concurrent callers of one organization wait for each other.
func (s *Store) room(ctx context.Context, tx pgx.Tx, org tenant.OrganizationID, more int) error {
	if more <= 0 {
		return nil
	}
	if _, err := tx.Exec(ctx, "SELECT FROM organizations WHERE id = $1 FOR NO KEY UPDATE", org); err != nil {
		return fmt.Errorf("lock organization: %w", err)
	}
	var wanted int
	if err := tx.QueryRow(ctx, "SELECT coalesce(sum(count), 0) FROM pools WHERE phase NOT IN ('suspended', 'deleted') AND NOT deleting").Scan(&wanted); err != nil {
		return fmt.Errorf("count nodes: %w", err)
	}
	if wanted+more > fleet.MaxNodes {
		return fleet.ErrQuota.Saying("The organization would have %d nodes, and its quota is %d. Ask for fewer, or for a higher quota.", wanted+more, fleet.MaxNodes)
	}
	if !s.OneOrganization {
		return nil
	}
	var others bool
	if err := tx.QueryRow(ctx, "SELECT others_have_nodes($1)", org).Scan(&others); err != nil {
		return fmt.Errorf("look for nodes of others: %w", err)
	}
	if others {
		return fleet.ErrUntrusted
	}
	return nil
}

// Room returns ErrQuota or ErrUntrusted when the suspended pools of a cluster cannot all
// have their nodes back.
func (s *Store) Room(ctx context.Context, org tenant.OrganizationID, cluster tenant.ClusterID) error {
	return s.DB.AsTenant(ctx, org, func(tx pgx.Tx) error {
		var back int
		if err := tx.QueryRow(ctx, "SELECT coalesce(sum(count), 0) FROM pools WHERE cluster_id = $1 AND phase = 'suspended' AND NOT deleting", cluster).Scan(&back); err != nil {
			return fmt.Errorf("count nodes of suspended pools: %w", err)
		}
		return s.room(ctx, tx, org, back)
	})
}

// ListPools returns up to limit pools of a cluster with ids after after, oldest first.
func (s *Store) ListPools(ctx context.Context, org tenant.OrganizationID, cluster tenant.ClusterID, after string, limit int) (list []fleet.Pool, err error) {
	const q = "SELECT " + poolColumns + " FROM pools WHERE cluster_id = $1 AND id > $2 AND phase <> 'deleted' ORDER BY id LIMIT $3"
	err = s.DB.AsTenant(ctx, org, func(tx pgx.Tx) error {
		list, err = all(ctx, tx, scanPool, q, cluster, after, limit)
		return err
	})
	return list, err
}

// PoolByID returns a pool, or ErrNoPool, also when it is another organization's,
// another cluster's, or gone.
func (s *Store) PoolByID(ctx context.Context, org tenant.OrganizationID, cluster tenant.ClusterID, id tenant.PoolID) (p fleet.Pool, err error) {
	err = s.DB.AsTenant(ctx, org, func(tx pgx.Tx) error {
		p, err = livePool(ctx, tx, cluster, id, "")
		return err
	})
	return p, err
}

func livePool(ctx context.Context, tx pgx.Tx, cluster tenant.ClusterID, id tenant.PoolID, lock string) (fleet.Pool, error) {
	const q = "SELECT " + poolColumns + " FROM pools WHERE id = $1 AND cluster_id = $2 AND phase <> 'deleted' "
	return one(ctx, tx, scanPool, fleet.ErrNoPool, q+lock, id, cluster)
}

// Resize changes how many nodes a pool should have, if only allows it. It returns an
// error of only, ErrNoPool, ErrPoolGoing, ErrQuota or ErrUntrusted.
func (s *Store) Resize(ctx context.Context, by By, cluster tenant.ClusterID, id tenant.PoolID, to int, only fleet.Precondition) (p fleet.Pool, err error) {
	const update = `
		UPDATE pools SET count = $2, generation = generation + 1, due_at = now(), wakes = wakes + 1
		WHERE id = $1 RETURNING ` + poolColumns
	err = s.DB.AsTenant(ctx, by.Organization, func(tx pgx.Tx) error {
		// The organization first, as everybody does, so that nobody waits in a circle.
		before, err := livePool(ctx, tx, cluster, id, "")
		if err != nil {
			return err
		}
		if err := s.room(ctx, tx, by.Organization, to-before.Count); err != nil {
			return err
		}
		locked, err := livePool(ctx, tx, cluster, id, "FOR NO KEY UPDATE")
		if err != nil {
			return err
		}
		if err := only.Check(locked); err != nil {
			return err
		}
		switch {
		case locked.Deleting:
			return fleet.ErrPoolGoing
		case locked.Count == to:
			p = locked
			return nil
		case locked.Generation != before.Generation:
			if err := s.room(ctx, tx, by.Organization, to-locked.Count); err != nil {
				return err
			}
		}
		if p, err = one(ctx, tx, scanPool, fleet.ErrNoPool, update, id, to); err != nil {
			return fmt.Errorf("resize pool: %w", err)
		}
		if err := by.audit(ctx, tx, "pool.resize", id, map[string]any{"from": locked.Count, "to": to}); err != nil {
			return err
		}
		return publishPool(ctx, tx, p, "Node pool %s: %s wanted instead of %d.", p.Name, count(to), locked.Count)
	})
	return p, err
}

// DeletePool marks a pool as unwanted, if only allows it; it is no error that it is
// already. It returns an error of only or ErrNoPool.
func (s *Store) DeletePool(ctx context.Context, by By, cluster tenant.ClusterID, id tenant.PoolID, only fleet.Precondition) (p fleet.Pool, err error) {
	err = s.DB.AsTenant(ctx, by.Organization, func(tx pgx.Tx) error {
		if p, err = livePool(ctx, tx, cluster, id, "FOR NO KEY UPDATE"); err != nil {
			return err
		}
		if err := only.Check(p); err != nil || p.Deleting {
			return err
		}
		if p, err = markPool(ctx, tx, id); err != nil {
			return err
		}
		if err := by.audit(ctx, tx, "pool.delete", id, map[string]any{"name": p.Name, "count": p.Count}); err != nil {
			return err
		}
		return publishPool(ctx, tx, p, "Node pool %s is being deleted.", p.Name)
	})
	return p, err
}

// markPool marks a pool as unwanted.
func markPool(ctx context.Context, tx pgx.Tx, id tenant.PoolID) (fleet.Pool, error) {
	const q = `
		UPDATE pools SET deleting = true, generation = generation + 1, due_at = now(), wakes = wakes + 1
		WHERE id = $1 RETURNING ` + poolColumns
	p, err := one(ctx, tx, scanPool, fleet.ErrNoPool, q, id)
	if err != nil {
		return p, fmt.Errorf("mark pool as unwanted: %w", err)
	}
	return p, nil
}

// ListNodes returns up to limit nodes of a cluster with ids after after, oldest first.
func (s *Store) ListNodes(ctx context.Context, org tenant.OrganizationID, cluster tenant.ClusterID, after string, limit int) (list []fleet.Node, err error) {
	const q = "SELECT " + nodeColumns + " FROM nodes WHERE cluster_id = $1 AND id > $2 AND phase <> 'deleted' ORDER BY id LIMIT $3"
	err = s.DB.AsTenant(ctx, org, func(tx pgx.Tx) error {
		list, err = all(ctx, tx, scanNode, q, cluster, after, limit)
		return err
	})
	return list, err
}

// NodeByID returns a node, or ErrNoNode, also when it is another organization's,
// another cluster's, or gone.
func (s *Store) NodeByID(ctx context.Context, org tenant.OrganizationID, cluster tenant.ClusterID, id tenant.NodeID) (n fleet.Node, err error) {
	const q = "SELECT " + nodeColumns + " FROM nodes WHERE id = $1 AND cluster_id = $2 AND phase <> 'deleted'"
	err = s.DB.AsTenant(ctx, org, func(tx pgx.Tx) error {
		n, err = one(ctx, tx, scanNode, fleet.ErrNoNode, q, id, cluster)
		return err
	})
	return n, err
}
