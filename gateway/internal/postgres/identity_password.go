package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/gateway/identity"
	"github.com/marina-cloud/marina/internal/tenant"
)

// AskReset keeps the link of somebody who has forgotten their password, and queues one
// of two mails to the address: known where it has an account, else unknown. It does the
// same work for both, so that the time that it takes does not tell.
func (s *Identity) AskReset(ctx context.Context, email string, link Link, known, unknown SealedMail) error {
	return s.DB.AsLogin(ctx, func(tx pgx.Tx) error {
		const keep = "INSERT INTO password_resets (hash, user_id, expires_at) SELECT $1, id, $3 FROM users WHERE email = $2"
		tag, err := tx.Exec(ctx, keep, link.Hash, email, link.ExpiresAt)
		if err != nil {
			return fmt.Errorf("keep the reset of a password: %w", err)
		}
		if tag.RowsAffected() == 0 {
			return queueMail(ctx, tx, unknown)
		}
		return queueMail(ctx, tx, known)
	})
}

// ResetOf returns the person to whom the link of a reset was sent, or
// identity.ErrBadLink.
func (s *Identity) ResetOf(ctx context.Context, hash []byte, now time.Time) (u identity.User, err error) {
	err = s.DB.AsLogin(ctx, func(tx pgx.Tx) error {
		const q = "SELECT u.id, u.email FROM password_resets r JOIN users u ON u.id = r.user_id WHERE r.hash = $1 AND r.expires_at > $2"
		return badLink(tx.QueryRow(ctx, q, hash, now).Scan(&u.ID, &u.Email))
	})
	return u, err
}

// ResetPassword uses the link of a reset. Every session of the person ends, and every
// other link of theirs; the mail tells them. It returns identity.ErrBadLink when the
// link is not good (any more).
func (s *Identity) ResetPassword(ctx context.Context, link []byte, now time.Time, passwordHash, address string, tell SealedMail) error {
	return s.DB.AsLogin(ctx, func(tx pgx.Tx) error {
		// The person's row comes before their links, here as in setPassword: two at once would
		// wait for one another.
		var user tenant.UserID
		const lock = "SELECT id FROM users WHERE id = (SELECT user_id FROM password_resets WHERE hash = $1) FOR UPDATE"
		if err := badLink(tx.QueryRow(ctx, lock, link).Scan(&user)); err != nil {
			return err
		}
		const use = "DELETE FROM password_resets WHERE hash = $1 AND expires_at > $2 RETURNING user_id"
		if err := badLink(tx.QueryRow(ctx, use, link, now).Scan(&user)); err != nil {
			return err
		}
		if err := setPassword(ctx, tx, user, passwordHash, "", tell); err != nil {
			return err
		}
		return auditPerson(ctx, tx, user, address, "user.password_reset")
	})
}

// PasswordHash returns the hash of a person's password.
func (s *Identity) PasswordHash(ctx context.Context, user tenant.UserID) (hash string, err error) {
	err = s.DB.AsLogin(ctx, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, "SELECT password_hash FROM users WHERE id = $1", user).Scan(&hash)
	})
	if err != nil {
		return "", fmt.Errorf("read a password's hash: %w", err)
	}
	return hash, nil
}

// ChangePassword gives a person another password. Every session of theirs ends but the
// one that is kept, and so do the links of resets; the mail tells them.
func (s *Identity) ChangePassword(ctx context.Context, user tenant.UserID, passwordHash string, kept tenant.SessionID, address string, tell SealedMail) error {
	return s.DB.AsLogin(ctx, func(tx pgx.Tx) error {
		if err := setPassword(ctx, tx, user, passwordHash, kept, tell); err != nil {
			return err
		}
		return auditPerson(ctx, tx, user, address, "user.password_change")
	})
}

func setPassword(ctx context.Context, tx pgx.Tx, user tenant.UserID, passwordHash string, kept tenant.SessionID, tell SealedMail) error {
	batch := &pgx.Batch{}
	batch.Queue("UPDATE users SET password_hash = $2 WHERE id = $1", user, passwordHash)
	batch.Queue("DELETE FROM password_resets WHERE user_id = $1", user)
	batch.Queue("DELETE FROM sessions WHERE user_id = $1 AND id <> $2", user, kept)
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("set a password: %w", err)
	}
	return queueMail(ctx, tx, tell)
}

// auditPerson writes what a person did about themselves into the log of the
// organization in which they are: the one chosen last, else the oldest.
func auditPerson(ctx context.Context, tx pgx.Tx, user tenant.UserID, address, action string) error {
	var org tenant.OrganizationID
	const q = `SELECT m.organization_id FROM memberships m JOIN users u ON u.id = m.user_id WHERE m.user_id = $1
		ORDER BY m.organization_id = u.organization_id DESC, m.created_at, m.organization_id LIMIT 1`
	if err := tx.QueryRow(ctx, q, user).Scan(&org); err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("find a person's organization: %w", err)
	}
	return audit(ctx, tx, By{org, string(user), address}, action, string(user), nil)
}
