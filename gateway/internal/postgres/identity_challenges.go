package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/gateway/identity"
)

// AddChallenge keeps what somebody is asked to prove, and forgets what nobody proved in
// time.
func (s *Identity) AddChallenge(ctx context.Context, c identity.Challenge, now time.Time) error {
	return s.DB.AsLogin(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "DELETE FROM challenges WHERE expires_at <= $1", now); err != nil {
			return fmt.Errorf("remove old challenges: %w", err)
		}
		const q = "INSERT INTO challenges (hash, purpose, user_id, detail, expires_at) VALUES ($1, $2, nullif($3, ''), $4, $5)"
		if _, err := tx.Exec(ctx, q, c.Hash, c.Purpose, string(c.User), string(c.Detail), c.ExpiresAt); err != nil {
			return fmt.Errorf("add challenge: %w", err)
		}
		return nil
	})
}

// TakeChallenge returns a challenge and uses it up, or returns identity.ErrNoChallenge.
func (s *Identity) TakeChallenge(ctx context.Context, hash []byte, purpose string, now time.Time) (c identity.Challenge, err error) {
	c.Hash, c.Purpose = hash, purpose
	err = s.DB.AsLogin(ctx, func(tx pgx.Tx) error {
		const q = "DELETE FROM challenges WHERE hash = $1 AND purpose = $2 RETURNING coalesce(user_id, ''), detail, expires_at"
		err := tx.QueryRow(ctx, q, hash, purpose).Scan(&c.User, &c.Detail, &c.ExpiresAt)
		if errors.Is(err, pgx.ErrNoRows) {
			return identity.ErrNoChallenge
		}
		if err != nil {
			return fmt.Errorf("take challenge: %w", err)
		}
		return nil
	})
	if err == nil && !now.Before(c.ExpiresAt) {
		err = identity.ErrNoChallenge
	}
	return c, err
}
