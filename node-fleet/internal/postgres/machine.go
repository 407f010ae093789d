package postgres

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/internal/tenant"
	"github.com/marina-cloud/marina/migrations/pg"
	fleet "github.com/marina-cloud/marina/node-fleet"
)

// IssueToken returns a new join token of a node, which can be used once and only
// until expires. Earlier ones stay valid: a machine may have been started with
// one already.
func (s *Store) IssueToken(ctx context.Context, n fleet.Node, life time.Duration) (string, error) {
	token := rand.Text() // at least 128 random bits
	hash := sha256.Sum256([]byte(token))
	err := s.DB.AsWorker(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "DELETE FROM join_tokens WHERE node_id = $1 AND (expires_at < now() OR used_at IS NOT NULL)", n.ID); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "INSERT INTO join_tokens (hash, organization_id, node_id, expires_at) VALUES ($1, $2, $3, now() + $4)",
			hash[:], n.Organization, n.ID, life)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("issue join token: %w", err)
	}
	return token, nil
}

// Candidate returns the node that a token stands for, and its pool, without
// using it. It returns ErrBadToken, or ErrNotExpected when the node goes.
func (s *Store) Candidate(ctx context.Context, id tenant.NodeID, token string) (n fleet.Node, p fleet.Pool, err error) {
	const q = "SELECT node_id FROM join_tokens WHERE hash = $1 AND node_id = $2 AND used_at IS NULL AND expires_at > now()"
	hash := sha256.Sum256([]byte(token))
	err = s.DB.AsWorker(ctx, func(tx pgx.Tx) error {
		if _, err := one(ctx, tx, pgx.RowTo[tenant.NodeID], fleet.ErrBadToken, q, hash[:], id); err != nil {
			return err
		}
		n, p, err = expected(ctx, tx, id, "")
		return err
	})
	return n, p, err
}

// Join uses a token, for ever, and records that the node's machine joined. While
// the node's row is locked, so that nobody can decide that the node goes, it
// calls admit, whose error undoes all of that. Tokens that were issued for the
// same node and not used end with it. It returns ErrBadToken or ErrNotExpected.
func (s *Store) Join(ctx context.Context, id tenant.NodeID, token string, admit func(fleet.Node) error) error {
	const (
		use    = "UPDATE join_tokens SET used_at = now() WHERE hash = $1 AND node_id = $2 AND used_at IS NULL AND expires_at > now() RETURNING node_id"
		others = "DELETE FROM join_tokens WHERE node_id = $1 AND used_at IS NULL"
		record = "UPDATE nodes SET joined_at = now() WHERE id = $1"
	)
	hash := sha256.Sum256([]byte(token))
	return s.DB.AsWorker(ctx, func(tx pgx.Tx) error {
		if _, err := one(ctx, tx, pgx.RowTo[tenant.NodeID], fleet.ErrBadToken, use, hash[:], id); err != nil {
			return err
		}
		n, _, err := expected(ctx, tx, id, "FOR NO KEY UPDATE")
		if err != nil {
			return err
		}
		for _, sql := range []string{others, record} {
			if _, err := tx.Exec(ctx, sql, id); err != nil {
				return fmt.Errorf("record join: %w", err)
			}
		}
		err = pg.Audit(ctx, tx, pg.AuditEntry{Organization: n.Organization, Actor: string(n.ID), Action: "node.join", Subject: string(n.ID)})
		if err != nil {
			return err
		}
		return admit(n)
	})
}

// Expected returns a node of a cluster that may still have credentials, and its
// pool, or ErrNotExpected.
func (s *Store) Expected(ctx context.Context, cluster tenant.ClusterID, id tenant.NodeID) (n fleet.Node, p fleet.Pool, err error) {
	err = s.DB.AsWorker(ctx, func(tx pgx.Tx) error {
		if n, p, err = expected(ctx, tx, id, ""); err != nil {
			return err
		}
		if n.Cluster != cluster {
			return fleet.ErrNotExpected
		}
		return nil
	})
	return n, p, err
}

// expected returns a node that may have credentials. A node that drains may: its
// pods still need the API.
func expected(ctx context.Context, tx pgx.Tx, id tenant.NodeID, lock string) (n fleet.Node, p fleet.Pool, err error) {
	const (
		readNode = "SELECT " + nodeColumns + " FROM nodes WHERE id = $1 AND phase NOT IN ('deleting', 'deleted') "
		readPool = "SELECT " + poolColumns + " FROM pools WHERE id = $1"
	)
	if n, err = one(ctx, tx, scanNode, fleet.ErrNotExpected, readNode+lock, id); err != nil {
		return n, p, err
	}
	p, err = one(ctx, tx, scanPool, fleet.ErrNoPool, readPool, n.Pool)
	return n, p, err
}

// ExpectedByName returns the node of this name that may have credentials of the
// cluster, or ErrNotExpected.
func (s *Store) ExpectedByName(ctx context.Context, cluster tenant.ClusterID, name string) (n fleet.Node, err error) {
	const q = "SELECT " + nodeColumns + " FROM nodes WHERE cluster_id = $1 AND name = $2 AND phase NOT IN ('deleting', 'deleted')"
	err = s.DB.AsWorker(ctx, func(tx pgx.Tx) error {
		n, err = one(ctx, tx, scanNode, fleet.ErrNotExpected, q, cluster, name)
		return err
	})
	return n, err
}

// Joined returns all nodes whose machines joined and may still have credentials.
func (s *Store) Joined(ctx context.Context) (list []fleet.Node, err error) {
	const q = "SELECT " + nodeColumns + " FROM nodes WHERE joined_at IS NOT NULL AND phase NOT IN ('deleting', 'deleted')"
	err = s.DB.AsWorker(ctx, func(tx pgx.Tx) error {
		list, err = all(ctx, tx, scanNode, q)
		return err
	})
	return list, err
}

// Clusters returns the clusters that have nodes.
func (s *Store) Clusters(ctx context.Context) (ids []tenant.ClusterID, err error) {
	err = s.DB.AsWorker(ctx, func(tx pgx.Tx) error {
		ids, err = all(ctx, tx, pgx.RowTo[tenant.ClusterID], "SELECT DISTINCT cluster_id FROM nodes WHERE phase NOT IN ('deleting', 'deleted')")
		return err
	})
	return ids, err
}

// PlatformKey returns a key of the platform; ok is false when there is none.
func (s *Store) PlatformKey(ctx context.Context, name string) (certificate, sealed []byte, ok bool, err error) {
	type key struct{ Certificate, Sealed []byte }
	err = s.DB.AsWorker(ctx, func(tx pgx.Tx) error {
		found, err := all(ctx, tx, pgx.RowToStructByPos[key], "SELECT certificate, sealed FROM platform_keys WHERE name = $1", name)
		if err == nil && len(found) == 1 {
			certificate, sealed, ok = found[0].Certificate, found[0].Sealed, true
		}
		return err
	})
	return certificate, sealed, ok, err
}

// AddPlatformKey keeps a key of the platform, unless there is one of that name.
func (s *Store) AddPlatformKey(ctx context.Context, name string, certificate, sealed []byte) error {
	const q = "INSERT INTO platform_keys (name, certificate, sealed) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"
	return s.DB.AsWorker(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, q, name, certificate, sealed)
		return err
	})
}
