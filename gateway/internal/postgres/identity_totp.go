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

// TOTP returns a person's authenticator and how many recovery codes are left, or
// identity.ErrNoTOTP.
func (s *Identity) TOTP(ctx context.Context, user tenant.UserID) (t identity.TOTP, left int, err error) {
	err = s.DB.AsLogin(ctx, func(tx pgx.Tx) error {
		const q = `SELECT sealed, enabled_at, last_step, (SELECT count(*) FROM recovery_codes r WHERE r.user_id = t.user_id)
			FROM totp t WHERE user_id = $1`
		err := tx.QueryRow(ctx, q, user).Scan(&t.Sealed, &t.EnabledAt, &t.LastStep, &left)
		if errors.Is(err, pgx.ErrNoRows) {
			return identity.ErrNoTOTP
		}
		return err
	})
	return t, left, err
}

// SetUpTOTP keeps the secret of a new authenticator, which takes the place of one that
// was never enabled. It returns identity.ErrTOTPEnabled where one is.
func (s *Identity) SetUpTOTP(ctx context.Context, user tenant.UserID, sealed []byte, at time.Time) error {
	return s.DB.AsLogin(ctx, func(tx pgx.Tx) error {
		const q = `INSERT INTO totp (user_id, sealed, created_at) VALUES ($1, $2, $3)
			ON CONFLICT (user_id) DO UPDATE SET sealed = excluded.sealed, created_at = excluded.created_at WHERE totp.enabled_at IS NULL`
		tag, err := tx.Exec(ctx, q, user, sealed, at)
		if err != nil {
			return fmt.Errorf("set up authenticator: %w", err)
		}
		if tag.RowsAffected() == 0 {
			return identity.ErrTOTPEnabled
		}
		return nil
	})
}

// EnableTOTP makes an authenticator the second factor, once a code of the step has
// shown that the person has this secret, and gives them recovery codes.
func (s *Identity) EnableTOTP(ctx context.Context, by By, user tenant.UserID, sealed []byte, step int64, at time.Time, recovery [][]byte) error {
	return s.DB.AsLogin(ctx, func(tx pgx.Tx) error {
		const q = "UPDATE totp SET enabled_at = $4, last_step = $3 WHERE user_id = $1 AND sealed = $2 AND enabled_at IS NULL"
		tag, err := tx.Exec(ctx, q, user, sealed, step, at)
		if err != nil {
			return fmt.Errorf("enable authenticator: %w", err)
		}
		if tag.RowsAffected() == 0 {
			return identity.ErrTOTPEnabled
		}
		if err := replaceRecovery(ctx, tx, user, recovery); err != nil {
			return err
		}
		return audit(ctx, tx, by, "totp.enable", string(user), nil)
	})
}

// RemoveTOTP takes a person's authenticator and recovery codes away, or returns
// identity.ErrNoTOTP.
func (s *Identity) RemoveTOTP(ctx context.Context, by By, user tenant.UserID) error {
	return s.DB.AsLogin(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, "DELETE FROM totp WHERE user_id = $1", user)
		if err != nil {
			return fmt.Errorf("remove authenticator: %w", err)
		}
		if tag.RowsAffected() == 0 {
			return identity.ErrNoTOTP
		}
		if err := replaceRecovery(ctx, tx, user, nil); err != nil {
			return err
		}
		return audit(ctx, tx, by, "totp.remove", string(user), nil)
	})
}

// ReplaceRecoveryCodes gives a person other recovery codes, or returns
// identity.ErrNoTOTP where they have nothing to recover.
func (s *Identity) ReplaceRecoveryCodes(ctx context.Context, by By, user tenant.UserID, recovery [][]byte) error {
	return s.DB.AsLogin(ctx, func(tx pgx.Tx) error {
		var one int
		err := tx.QueryRow(ctx, "SELECT 1 FROM totp WHERE user_id = $1 AND enabled_at IS NOT NULL FOR UPDATE", user).Scan(&one)
		if errors.Is(err, pgx.ErrNoRows) {
			return identity.ErrNoTOTP
		}
		if err != nil {
			return fmt.Errorf("find authenticator: %w", err)
		}
		if err := replaceRecovery(ctx, tx, user, recovery); err != nil {
			return err
		}
		return audit(ctx, tx, by, "recovery_codes.replace", string(user), nil)
	})
}

func replaceRecovery(ctx context.Context, tx pgx.Tx, user tenant.UserID, recovery [][]byte) error {
	if _, err := tx.Exec(ctx, "DELETE FROM recovery_codes WHERE user_id = $1", user); err != nil {
		return fmt.Errorf("remove recovery codes: %w", err)
	}
	if _, err := tx.Exec(ctx, "INSERT INTO recovery_codes (user_id, hash) SELECT $1, unnest($2::bytea[])", user, recovery); err != nil {
		return fmt.Errorf("add recovery codes: %w", err)
	}
	return nil
}

// UseTOTP uses up the code of a step, and all before it. used is false when that
// happened before: a code that somebody looked at is of no use to them.
func (s *Identity) UseTOTP(ctx context.Context, user tenant.UserID, step int64) (used bool, err error) {
	err = s.DB.AsLogin(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, "UPDATE totp SET last_step = $2 WHERE user_id = $1 AND enabled_at IS NOT NULL AND last_step < $2", user, step)
		used = err == nil && tag.RowsAffected() == 1
		return err
	})
	return used, err
}

// UseRecoveryCode uses a recovery code up. used is false when there is no such code.
func (s *Identity) UseRecoveryCode(ctx context.Context, user tenant.UserID, hash []byte) (used bool, err error) {
	err = s.DB.AsLogin(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, "DELETE FROM recovery_codes WHERE user_id = $1 AND hash = $2", user, hash)
		used = err == nil && tag.RowsAffected() == 1
		return err
	})
	return used, err
}

// ConfirmSession notes that whoever has the session has proved that it is them.
func (s *Identity) ConfirmSession(ctx context.Context, id tenant.SessionID, at time.Time) error {
	return s.DB.AsLogin(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "UPDATE sessions SET confirmed_at = $2 WHERE id = $1", id, at); err != nil {
			return fmt.Errorf("confirm session: %w", err)
		}
		return nil
	})
}
