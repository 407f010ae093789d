package postgres

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/internal/event"
	"github.com/marina-cloud/marina/internal/tenant"
	"github.com/marina-cloud/marina/migrations/pg"
	fleet "github.com/marina-cloud/marina/node-fleet"
)

// ReadPool returns the leased pool and those of its nodes that are not deleted.
func (s *Store) ReadPool(ctx context.Context, l pg.Lease) (p fleet.Pool, list []fleet.Node, err error) {
	const (
		readPool  = "SELECT " + poolColumns + " FROM pools WHERE id = $1 AND lease_token = $2"
		readNodes = "SELECT " + nodeColumns + " FROM nodes WHERE pool_id = $1 AND phase <> 'deleted' ORDER BY id"
	)
	err = s.DB.AsWorker(ctx, func(tx pgx.Tx) error {
		if p, err = one(ctx, tx, scanPool, pg.ErrLeaseLost, readPool, l.ID, l.Token); err != nil {
			return fmt.Errorf("read pool: %w", err)
		}
		if list, err = all(ctx, tx, scanNode, readNodes, l.ID); err != nil {
			return fmt.Errorf("read nodes of pool: %w", err)
		}
		return nil
	})
	return p, list, err
}

// EnterPool saves the phase of p, under its lease.
func (s *Store) EnterPool(ctx context.Context, l pg.Lease, p fleet.Pool) error {
	const q = "UPDATE pools SET phase = $2, phase_since = $3 WHERE id = $1"
	return s.holding(ctx, l, pools, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, q, p.ID, p.Phase, p.Since); err != nil {
			return fmt.Errorf("save pool: %w", err)
		}
		switch p.Phase {
		case fleet.PoolRunning:
			return publishPool(ctx, tx, p, "Node pool %s: all that is wanted is ready (%s).", p.Name, count(p.Count))
		case fleet.PoolSuspended:
			return publishPool(ctx, tx, p, "Node pool %s has no nodes until its cluster is brought back.", p.Name)
		case fleet.PoolDeleted:
			return publishPool(ctx, tx, p, "Node pool %s is gone.", p.Name)
		case fleet.PoolProvisioning, fleet.PoolDeleting:
		}
		return publishPool(ctx, tx, p, "")
	})
}

// AbandonPool marks the leased pool as unwanted because its cluster goes.
func (s *Store) AbandonPool(ctx context.Context, l pg.Lease) (p fleet.Pool, err error) {
	err = s.holding(ctx, l, pools, func(tx pgx.Tx) error {
		p, err = abandon(ctx, tx, tenant.PoolID(l.ID))
		return err
	})
	return p, err
}

func abandon(ctx context.Context, tx pgx.Tx, id tenant.PoolID) (fleet.Pool, error) {
	p, err := markPool(ctx, tx, id)
	if err != nil {
		return p, err
	}
	by := By{Organization: p.Organization, Actor: "marina"}
	if err := by.audit(ctx, tx, "pool.delete", p.ID, map[string]any{"name": p.Name, "because": "the cluster is being deleted"}); err != nil {
		return p, err
	}
	return p, publishPool(ctx, tx, p, "Node pool %s is being deleted with its cluster.", p.Name)
}

// AddNodes adds nodes of these names to the leased pool p.
func (s *Store) AddNodes(ctx context.Context, l pg.Lease, p fleet.Pool, names []string) error {
	const q = `
		INSERT INTO nodes (id, organization_id, cluster_id, pool_id, name)
		VALUES ($1, $2, $3, $4, $5) RETURNING ` + nodeColumns
	return s.holding(ctx, l, pools, func(tx pgx.Tx) error {
		for _, name := range names {
			n, err := one(ctx, tx, scanNode, nil, q, tenant.NewNodeID(), p.Organization, p.Cluster, p.ID, name)
			if err != nil {
				return fmt.Errorf("add node %s: %w", name, err)
			}
			if err := publishNode(ctx, tx, event.NodeChanged, n, ""); err != nil {
				return err
			}
		}
		return nil
	})
}

// RemoveNode marks a node of the leased pool as unwanted and wakes it.
func (s *Store) RemoveNode(ctx context.Context, l pg.Lease, id tenant.NodeID) error {
	const q = `
		UPDATE nodes SET deleting = true, due_at = now(), wakes = wakes + 1
		WHERE id = $1 AND pool_id = $2 AND NOT deleting RETURNING ` + nodeColumns
	return s.holding(ctx, l, pools, func(tx pgx.Tx) error {
		marked, err := all(ctx, tx, scanNode, q, id, l.ID)
		if err != nil {
			return fmt.Errorf("mark node as unwanted: %w", err)
		}
		for _, n := range marked {
			if err := publishNode(ctx, tx, event.NodeChanged, n, ""); err != nil {
				return err
			}
		}
		return nil
	})
}

// ReadNode returns the leased node and its pool.
func (s *Store) ReadNode(ctx context.Context, l pg.Lease) (n fleet.Node, p fleet.Pool, err error) {
	const (
		readNode = "SELECT " + nodeColumns + " FROM nodes WHERE id = $1 AND lease_token = $2"
		readPool = "SELECT " + poolColumns + " FROM pools WHERE id = $1"
	)
	err = s.DB.AsWorker(ctx, func(tx pgx.Tx) error {
		if n, err = one(ctx, tx, scanNode, pg.ErrLeaseLost, readNode, l.ID, l.Token); err != nil {
			return fmt.Errorf("read node: %w", err)
		}
		if p, err = one(ctx, tx, scanPool, fleet.ErrNoPool, readPool, n.Pool); err != nil {
			return fmt.Errorf("read pool of node: %w", err)
		}
		return nil
	})
	return n, p, err
}

// SaveNode saves what the reconciler owns of a node (neither Deleting, which is
// the pool's, nor JoinedAt, which is the node API's), tells what changed, and
// wakes its pool when that matters to it.
func (s *Store) SaveNode(ctx context.Context, l pg.Lease, before, after fleet.Node) error {
	const q = "UPDATE nodes SET address = $2, phase = $3, phase_since = $4, ready = $5, message = $6 WHERE id = $1"
	return s.holding(ctx, l, nodes, func(tx pgx.Tx) error {
		n := after
		if _, err := tx.Exec(ctx, q, n.ID, n.Address, n.Phase, n.Since, n.Ready, n.Message); err != nil {
			return fmt.Errorf("save node: %w", err)
		}
		if n.Phase == fleet.NodeDeleted { // the row stays, as what was; nothing that lets in does
			if _, err := tx.Exec(ctx, "DELETE FROM join_tokens WHERE node_id = $1", n.ID); err != nil {
				return fmt.Errorf("remove join tokens: %w", err)
			}
		}
		if fleet.Matters(before, after) {
			if err := s.Pools().Wake(ctx, tx, string(n.Pool)); err != nil {
				return err
			}
		}
		kind, message, ok := happened(before, after)
		if !ok {
			return nil
		}
		return publishNode(ctx, tx, kind, n, message)
	})
}

// happened says what the change of a node is to others, if anything.
func happened(before, after fleet.Node) (kind event.Kind, message string, ok bool) {
	name := after.Name
	switch {
	case before.Phase != after.Phase:
		switch after.Phase {
		case fleet.NodeProvisioning:
			return event.NodeChanged, "", true
		case fleet.NodeJoining:
			return event.NodeChanged, "Node " + name + ": its machine is starting.", true
		case fleet.NodeRunning:
			return event.NodeReady, "Node " + name + " is ready.", true
		case fleet.NodeDraining:
			return event.NodeChanged, "Node " + name + " is being drained: its pods move to other nodes.", true
		case fleet.NodeDeleting:
			if before.Phase == fleet.NodeJoining && !before.Deleting {
				return event.NodeChanged, "Node " + name + " did not join in time and is being replaced.", true
			}
			return event.NodeChanged, "Node " + name + " is being removed.", true
		case fleet.NodeDeleted:
			return event.NodeDeleted, "Node " + name + " is gone.", true
		}
	case before.Ready && !after.Ready:
		return event.NodeChanged, "Node " + name + " is not ready: " + after.Message, true
	case !before.Ready && after.Ready && after.Phase == fleet.NodeRunning:
		return event.NodeChanged, "Node " + name + " is ready again.", true
	}
	return "", "", false
}

// ReleaseCluster marks all pools of a cluster as unwanted, wakes them and their
// nodes, and returns how many of both are not gone yet.
func (s *Store) ReleaseCluster(ctx context.Context, cluster tenant.ClusterID) (left int, err error) {
	const (
		wanted = "SELECT id FROM pools WHERE cluster_id = $1 AND phase <> 'deleted' AND NOT deleting FOR NO KEY UPDATE"
		wake   = "UPDATE nodes SET due_at = now(), wakes = wakes + 1 WHERE pool_id = $1 AND phase <> 'deleted'"
		remain = `SELECT (SELECT count(*) FROM pools WHERE cluster_id = $1 AND phase <> 'deleted')
			+ (SELECT count(*) FROM nodes WHERE cluster_id = $1 AND phase <> 'deleted')`
	)
	err = s.DB.AsWorker(ctx, func(tx pgx.Tx) error {
		ids, err := all(ctx, tx, pgx.RowTo[tenant.PoolID], wanted, cluster)
		if err != nil {
			return fmt.Errorf("list pools: %w", err)
		}
		for _, id := range ids {
			if _, err := abandon(ctx, tx, id); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, wake, id); err != nil {
				return fmt.Errorf("wake nodes: %w", err)
			}
		}
		return tx.QueryRow(ctx, remain, cluster).Scan(&left)
	})
	return left, err
}

// SuspendCluster wakes all pools of a cluster that is gone for now, and returns how
// many of them and of their nodes are not gone yet.
func (s *Store) SuspendCluster(ctx context.Context, cluster tenant.ClusterID) (left int, err error) {
	const (
		wake   = "UPDATE pools SET due_at = least(due_at, now()), wakes = wakes + 1 WHERE cluster_id = $1 AND phase NOT IN ('suspended', 'deleted')"
		remain = `SELECT (SELECT count(*) FROM pools WHERE cluster_id = $1 AND phase NOT IN ('suspended', 'deleted'))
			+ (SELECT count(*) FROM nodes WHERE cluster_id = $1 AND phase <> 'deleted')`
	)
	err = s.DB.AsWorker(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, wake, cluster); err != nil {
			return fmt.Errorf("wake pools: %w", err)
		}
		return tx.QueryRow(ctx, remain, cluster).Scan(&left)
	})
	return left, err
}

// WakeCluster makes all pools and nodes of a cluster due.
func (s *Store) WakeCluster(ctx context.Context, cluster tenant.ClusterID) error {
	return s.DB.AsWorker(ctx, func(tx pgx.Tx) error {
		for _, table := range []string{pools, nodes} {
			sql := "UPDATE " + table + " SET due_at = least(due_at, now()), wakes = wakes + 1 WHERE cluster_id = $1 AND phase <> 'deleted'"
			if _, err := tx.Exec(ctx, sql, cluster); err != nil {
				return fmt.Errorf("wake %s of %s: %w", table, cluster, err)
			}
		}
		return nil
	})
}

// holding runs f in a transaction that holds the lease.
func (s *Store) holding(ctx context.Context, l pg.Lease, table string, f func(pgx.Tx) error) error {
	return s.DB.AsWorker(ctx, func(tx pgx.Tx) error {
		if err := l.Hold(ctx, tx, table); err != nil {
			return err
		}
		return f(tx)
	})
}

func publishNode(ctx context.Context, tx pgx.Tx, kind event.Kind, n fleet.Node, message string) error {
	data, err := json.Marshal(map[string]any{"name": n.Name, "pool_id": n.Pool, "phase": n.Phase, "ready": n.Ready})
	if err != nil {
		return fmt.Errorf("encode event of %s: %w", n.ID, err)
	}
	return pg.Publish(ctx, tx, event.Event{
		Kind: kind, Organization: n.Organization, Cluster: n.Cluster, Subject: string(n.ID), Message: message, Data: data,
	})
}
