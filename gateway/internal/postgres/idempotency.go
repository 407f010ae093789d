package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/internal/tenant"
	"github.com/marina-cloud/marina/migrations/pg"
)

// Lives of idempotency keys.
const (
	keyLife = 24 * time.Hour  // an answer is replayed for so long
	keyHold = 1 * time.Minute // a request without an answer for so long died
)

// Answers keeps what was answered to requests with an idempotency key. It is safe
// for concurrent use.
type Answers struct{ DB *pg.DB }

// Claim is one request's claim of a key.
type Claim struct {
	Organization tenant.OrganizationID
	Key          string
	Request      []byte    // hash of what is asked for
	At           time.Time // tells this claim from a later one of the same key
}

// Answer is the state of a key.
type Answer struct {
	Claimed bool // the caller may go on, and owes Keep or Forget
	Other   bool // the key was used for another request
	Status  int  // of the answer to replay; 0 while the first request runs
	Body    []byte
}

// Claim takes a key for a request, or says what became of the first one. A key
// whose request died without Keep or Forget can be claimed again after keyHold.
func (s *Answers) Claim(ctx context.Context, c Claim) (a Answer, err error) {
	err = s.DB.AsTenant(ctx, c.Organization, func(tx pgx.Tx) error {
		a = Answer{}
		const expire = "DELETE FROM idempotency_keys WHERE created_at < $1 OR (key = $2 AND status IS NULL AND created_at < $3)"
		if _, err := tx.Exec(ctx, expire, c.At.Add(-keyLife), c.Key, c.At.Add(-keyHold)); err != nil {
			return fmt.Errorf("expire idempotency keys: %w", err)
		}
		const claim = "INSERT INTO idempotency_keys (organization_id, key, request_hash, created_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING"
		tag, err := tx.Exec(ctx, claim, c.Organization, c.Key, c.Request, c.At)
		if err != nil {
			return fmt.Errorf("claim idempotency key: %w", err)
		}
		if tag.RowsAffected() == 1 {
			a.Claimed = true
			return nil
		}
		var hash []byte
		var status *int
		const read = "SELECT request_hash, status, body FROM idempotency_keys WHERE key = $1"
		err = tx.QueryRow(ctx, read, c.Key).Scan(&hash, &status, &a.Body)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil // forgotten this instant: like one that still runs
		}
		if err != nil {
			return fmt.Errorf("read idempotency key: %w", err)
		}
		a.Other = !bytes.Equal(hash, c.Request)
		if status != nil {
			a.Status = *status
		}
		return nil
	})
	return a, err
}

// Keep stores the answer to the request that claimed a key. It does nothing when
// the claim ran out and the key is another request's by now.
func (s *Answers) Keep(ctx context.Context, c Claim, status int, body []byte) error {
	return s.DB.AsTenant(ctx, c.Organization, func(tx pgx.Tx) error {
		const q = "UPDATE idempotency_keys SET status = $3, body = $4 WHERE key = $1 AND created_at = $2 AND status IS NULL"
		if _, err := tx.Exec(ctx, q, c.Key, c.At, status, body); err != nil {
			return fmt.Errorf("keep answer: %w", err)
		}
		return nil
	})
}

// Forget gives a key back, because its request failed on our side. Like Keep, it
// leaves another request's claim alone.
func (s *Answers) Forget(ctx context.Context, c Claim) error {
	return s.DB.AsTenant(ctx, c.Organization, func(tx pgx.Tx) error {
		const q = "DELETE FROM idempotency_keys WHERE key = $1 AND created_at = $2 AND status IS NULL"
		if _, err := tx.Exec(ctx, q, c.Key, c.At); err != nil {
			return fmt.Errorf("forget idempotency key: %w", err)
		}
		return nil
	})
}
