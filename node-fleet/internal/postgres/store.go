// Package postgres keeps node pools, nodes, join tokens and the platform's keys
// in Postgres.
//
// What an organization does runs as that organization, under row-level security.
// What reconcilers and the node API do sees all organizations; reconcilers write
// under the lease of the row that they work on. Every change writes its event,
// and a person's change its line of the audit log, in the same transaction.
package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/internal/event"
	"github.com/marina-cloud/marina/internal/tenant"
	"github.com/marina-cloud/marina/migrations/pg"
	fleet "github.com/marina-cloud/marina/node-fleet"
)

// The queues of this context.
const (
	pools = "pools"
	nodes = "nodes"
)

// Store is the fleet's state. It is safe for concurrent use.
type Store struct {
	DB *pg.DB
	// OneOrganization refuses nodes to a second organization, with ErrUntrusted,
	// where machines are not isolated from each other.
	OneOrganization bool
}

// Pools is the queue of pools.
func (s *Store) Pools() pg.Queue { return pg.Queue{DB: s.DB, Table: pools} }

// Nodes is the queue of nodes.
func (s *Store) Nodes() pg.Queue { return pg.Queue{DB: s.DB, Table: nodes} }

// By is who makes a change.
type By struct {
	Organization tenant.OrganizationID
	Actor        string // usr-… or tok-…
	Address      string // of the client
}

func (b By) audit(ctx context.Context, tx pgx.Tx, action string, subject tenant.PoolID, detail map[string]any) error {
	data, err := json.Marshal(detail)
	if err != nil {
		return fmt.Errorf("encode detail of %s: %w", action, err)
	}
	return pg.Audit(ctx, tx, pg.AuditEntry{
		Organization: b.Organization, Actor: b.Actor, Address: b.Address,
		Action: action, Subject: string(subject), Detail: data,
	})
}

// poolColumns is the select list that scanPool expects.
const poolColumns = "id, organization_id, cluster_id, name, size, count, labels, taints, generation, deleting, phase, phase_since, created_at"

func scanPool(row pgx.CollectableRow) (p fleet.Pool, err error) {
	err = row.Scan(&p.ID, &p.Organization, &p.Cluster, &p.Name, &p.Size, &p.Count, &p.Labels, &p.Taints, &p.Generation, &p.Deleting, &p.Phase, &p.Since, &p.CreatedAt)
	return p, err
}

// nodeColumns is the select list that scanNode expects.
const nodeColumns = "id, organization_id, cluster_id, pool_id, name, address, deleting, phase, phase_since, joined_at, ready, message, created_at"

func scanNode(row pgx.CollectableRow) (n fleet.Node, err error) {
	err = row.Scan(&n.ID, &n.Organization, &n.Cluster, &n.Pool, &n.Name, &n.Address, &n.Deleting, &n.Phase, &n.Since, &n.JoinedAt, &n.Ready, &n.Message, &n.CreatedAt)
	return n, err
}

// one returns the single row of a query; no row at all means the error none.
func one[T any](ctx context.Context, tx pgx.Tx, scan pgx.RowToFunc[T], none error, sql string, args ...any) (T, error) {
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		var zero T
		return zero, err
	}
	v, err := pgx.CollectExactlyOneRow(rows, scan)
	if errors.Is(err, pgx.ErrNoRows) {
		return v, none
	}
	return v, err
}

// all returns every row of a query.
func all[T any](ctx context.Context, tx pgx.Tx, scan pgx.RowToFunc[T], sql string, args ...any) ([]T, error) {
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scan)
}

func publishPool(ctx context.Context, tx pgx.Tx, p fleet.Pool, format string, args ...any) error {
	return pg.Publish(ctx, tx, event.Event{
		Kind: event.PoolChanged, Organization: p.Organization, Cluster: p.Cluster, Subject: string(p.ID),
		Message: fmt.Sprintf(format, args...),
	})
}

// count says a number of nodes in words.
func count(n int) string {
	if n == 1 {
		return "1 node"
	}
	return fmt.Sprintf("%d nodes", n)
}
