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

const linkedColumns = "id, user_id, issuer, subject, email, created_at, last_used_at"

// Linked returns who a person is at OpenID providers, the oldest first.
func (s *Identity) Linked(ctx context.Context, user tenant.UserID) (all []identity.Linked, err error) {
	err = s.DB.AsLogin(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, "SELECT "+linkedColumns+" FROM identities WHERE user_id = $1 ORDER BY id", user)
		if err != nil {
			return fmt.Errorf("list linked identities: %w", err)
		}
		all, err = pgx.CollectRows(rows, pgx.RowToStructByPos[identity.Linked])
		return err
	})
	return all, err
}

// LinkedTo returns whose a provider's person is, and notes the use; ok is false when
// they are linked to nobody.
func (s *Identity) LinkedTo(ctx context.Context, c identity.Claims, at time.Time) (user tenant.UserID, ok bool, err error) {
	err = s.DB.AsLogin(ctx, func(tx pgx.Tx) error {
		const q = "UPDATE identities SET last_used_at = $4, email = $3 WHERE issuer = $1 AND subject = $2 RETURNING user_id"
		err := tx.QueryRow(ctx, q, c.Issuer, c.Subject, c.Email, at).Scan(&user)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		ok = err == nil
		return err
	})
	return user, ok, err
}

// Link links a provider's person to one here. It returns identity.ErrLinked where they
// are linked already.
func (s *Identity) Link(ctx context.Context, by By, l identity.Linked) error {
	return s.DB.AsLogin(ctx, func(tx pgx.Tx) error { return link(ctx, tx, by, l) })
}

// SignUpLinked adds a person whom a provider names, with an organization of their own.
// They have no password.
func (s *Identity) SignUpLinked(ctx context.Context, u identity.User, organization, address string, l identity.Linked) error {
	return s.DB.AsLogin(ctx, func(tx pgx.Tx) error {
		if err := addPerson(ctx, tx, u, "", organization, address); err != nil {
			return err
		}
		return link(ctx, tx, By{Organization: u.Organization, Actor: string(u.ID), Address: address}, l)
	})
}

func link(ctx context.Context, tx pgx.Tx, by By, l identity.Linked) error {
	const q = "INSERT INTO identities (id, user_id, issuer, subject, email, created_at, last_used_at) VALUES ($1, $2, $3, $4, $5, $6, $7)"
	if _, err := tx.Exec(ctx, q, l.ID, l.User, l.Issuer, l.Subject, l.Email, l.CreatedAt, l.LastUsedAt); err != nil {
		if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok && pgErr.Code == "23505" { // unique_violation
			return identity.ErrLinked
		}
		return fmt.Errorf("link identity: %w", err)
	}
	return audit(ctx, tx, by, "identity.link", string(l.ID), map[string]any{"issuer": l.Issuer})
}

// Unlink takes a link of the person's away, or returns identity.ErrNoLink.
func (s *Identity) Unlink(ctx context.Context, by By, user tenant.UserID, id tenant.LinkID) error {
	return s.DB.AsLogin(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, "DELETE FROM identities WHERE user_id = $1 AND id = $2", user, id)
		if err != nil {
			return fmt.Errorf("unlink identity: %w", err)
		}
		if tag.RowsAffected() == 0 {
			return identity.ErrNoLink
		}
		return audit(ctx, tx, by, "identity.unlink", string(id), nil)
	})
}
