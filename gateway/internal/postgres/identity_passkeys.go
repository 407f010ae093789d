package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/marina-cloud/marina/gateway/identity"
	"github.com/marina-cloud/marina/internal/tenant"
)

const passkeyColumns = "id, user_id, name, credential_id, credential, sign_count, created_at, last_used_at"

// Passkeys returns a person's passkeys, the oldest first.
func (s *Identity) Passkeys(ctx context.Context, user tenant.UserID) (all []identity.Passkey, err error) {
	err = s.DB.AsLogin(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, "SELECT "+passkeyColumns+" FROM passkeys WHERE user_id = $1 ORDER BY id", user)
		if err != nil {
			return fmt.Errorf("list passkeys: %w", err)
		}
		all, err = pgx.CollectRows(rows, pgx.RowToStructByPos[identity.Passkey])
		return err
	})
	return all, err
}

// PasskeyOf returns the passkey that the person's device calls so, or
// identity.ErrNoPasskey.
func (s *Identity) PasskeyOf(ctx context.Context, user tenant.UserID, credential []byte) (p identity.Passkey, err error) {
	err = s.DB.AsLogin(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, "SELECT "+passkeyColumns+" FROM passkeys WHERE user_id = $1 AND credential_id = $2", user, credential)
		if err != nil {
			return fmt.Errorf("find passkey: %w", err)
		}
		p, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[identity.Passkey])
		if errors.Is(err, pgx.ErrNoRows) {
			return identity.ErrNoPasskey
		}
		return err
	})
	return p, err
}

// AddPasskey adds a passkey. It returns identity.ErrPasskeyKnown or
// identity.ErrManyPasskeys where it cannot.
func (s *Identity) AddPasskey(ctx context.Context, by By, p identity.Passkey) error {
	return s.DB.AsLogin(ctx, func(tx pgx.Tx) error {
		var have int
		if err := tx.QueryRow(ctx, "SELECT count(*) FROM passkeys WHERE user_id = $1", p.User).Scan(&have); err != nil {
			return fmt.Errorf("count passkeys: %w", err)
		}
		if have >= identity.MaxPasskeys {
			return identity.ErrManyPasskeys
		}
		const q = "INSERT INTO passkeys (id, user_id, name, credential_id, credential, sign_count, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)"
		if _, err := tx.Exec(ctx, q, p.ID, p.User, p.Name, p.CredentialID, string(p.Credential), int64(p.SignCount), p.CreatedAt); err != nil {
			if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok && pgErr.Code == "23505" { // unique_violation
				return identity.ErrPasskeyKnown
			}
			return fmt.Errorf("add passkey: %w", err)
		}
		return audit(ctx, tx, by, "passkey.add", string(p.ID), map[string]any{"name": p.Name})
	})
}

// UsePasskey notes a use of a passkey. used is false when the device's counter is not
// behind the last one: then there are two of it.
func (s *Identity) UsePasskey(ctx context.Context, id tenant.PasskeyID, count uint32, at time.Time) (used bool, err error) {
	err = s.DB.AsLogin(ctx, func(tx pgx.Tx) error {
		const q = "UPDATE passkeys SET sign_count = $2, last_used_at = $3 WHERE id = $1 AND (sign_count < $2 OR sign_count = 0 AND $2 = 0)"
		tag, err := tx.Exec(ctx, q, id, int64(count), at)
		used = err == nil && tag.RowsAffected() == 1
		return err
	})
	return used, err
}

// RenamePasskey changes the name of one of the person's passkeys, or returns
// identity.ErrNoPasskey.
func (s *Identity) RenamePasskey(ctx context.Context, by By, user tenant.UserID, id tenant.PasskeyID, name string) (p identity.Passkey, err error) {
	err = s.DB.AsLogin(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, "UPDATE passkeys SET name = $3 WHERE user_id = $1 AND id = $2 RETURNING "+passkeyColumns, user, id, name)
		if err != nil {
			return fmt.Errorf("rename passkey: %w", err)
		}
		p, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[identity.Passkey])
		if errors.Is(err, pgx.ErrNoRows) {
			return identity.ErrNoPasskey
		}
		if err != nil {
			return err
		}
		return audit(ctx, tx, by, "passkey.rename", string(id), map[string]any{"name": name})
	})
	return p, err
}

// RemovePasskey removes one of the person's passkeys, or returns identity.ErrNoPasskey.
func (s *Identity) RemovePasskey(ctx context.Context, by By, user tenant.UserID, id tenant.PasskeyID) error {
	return s.DB.AsLogin(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, "DELETE FROM passkeys WHERE user_id = $1 AND id = $2", user, id)
		if err != nil {
			return fmt.Errorf("remove passkey: %w", err)
		}
		if tag.RowsAffected() == 0 {
			return identity.ErrNoPasskey
		}
		return audit(ctx, tx, by, "passkey.remove", string(id), nil)
	})
}
