package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/gateway/identity"
	"github.com/marina-cloud/marina/internal/tenant"
)

// LogIn adds a session for a person who proved who they are. Where the request came
// with another session's secret, that one ends: a browser has one.
func (s *Identity) LogIn(ctx context.Context, session identity.Session, secretHash, before []byte) error {
	return s.DB.AsLogin(ctx, func(tx pgx.Tx) error { return logIn(ctx, tx, session, secretHash, before) })
}

func logIn(ctx context.Context, tx pgx.Tx, session identity.Session, secretHash, before []byte) error {
	if _, err := tx.Exec(ctx, "DELETE FROM sessions WHERE hash = $1", before); err != nil {
		return fmt.Errorf("end the session before: %w", err)
	}
	return addSession(ctx, tx, session, secretHash)
}

// addSession adds a session, which begins in the organization that the person chose
// last, or has been a member of for longest. Who is a member of none leaves no line in
// the log of where they were.
func addSession(ctx context.Context, tx pgx.Tx, x identity.Session, secretHash []byte) error {
	const q = `
		INSERT INTO sessions (id, organization_id, user_id, hash, device, address, created_at, last_used_at, expires_at, confirmed_at)
		SELECT $1, coalesce((SELECT m.organization_id FROM memberships m WHERE m.user_id = u.id
			ORDER BY m.organization_id = u.organization_id DESC, m.created_at, m.organization_id LIMIT 1), u.organization_id),
			u.id, $3, $4, $5, $6, $7, $8, $9
		FROM users u WHERE u.id = $2
		RETURNING coalesce((SELECT m.organization_id FROM memberships m WHERE m.user_id = $2 AND m.organization_id = sessions.organization_id), '')`
	err := tx.QueryRow(ctx, q, x.ID, x.User, secretHash, x.Device, x.Address, x.CreatedAt, x.LastUsedAt, x.ExpiresAt, x.ConfirmedAt).Scan(&x.Organization)
	if err != nil {
		return fmt.Errorf("add session: %w", err)
	}
	return audit(ctx, tx, By{x.Organization, string(x.User), x.Address}, "user.login", string(x.User), map[string]any{"session": x.ID, "device": x.Device})
}

// Sessions returns up to limit of a person's sessions that have not ended, with ids
// after after.
func (s *Identity) Sessions(ctx context.Context, user tenant.UserID, now time.Time, after string, limit int) (all []identity.Session, err error) {
	err = s.DB.AsLogin(ctx, func(tx pgx.Tx) error {
		const q = `SELECT id, user_id, organization_id, device, address, created_at, last_used_at, expires_at, confirmed_at FROM sessions
			WHERE user_id = $1 AND expires_at > $2 AND last_used_at > $3 AND id > $4 ORDER BY id LIMIT $5`
		rows, err := tx.Query(ctx, q, user, now, now.Add(-identity.SessionIdle), after, limit)
		if err != nil {
			return fmt.Errorf("list sessions: %w", err)
		}
		all, err = pgx.CollectRows(rows, pgx.RowToStructByPos[identity.Session])
		return err
	})
	return all, err
}

// EndSession ends a session of the person, or returns identity.ErrNoSession.
func (s *Identity) EndSession(ctx context.Context, by By, user tenant.UserID, id tenant.SessionID) error {
	return s.DB.AsLogin(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, "DELETE FROM sessions WHERE id = $1 AND user_id = $2", id, user)
		if err != nil {
			return fmt.Errorf("end session: %w", err)
		}
		if tag.RowsAffected() == 0 {
			return identity.ErrNoSession
		}
		return audit(ctx, tx, by, "session.end", string(id), nil)
	})
}
