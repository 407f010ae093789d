package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/gateway/identity"
)

// Link is what a mail has that lets its reader do one thing, once.
type Link struct {
	Hash      []byte // of the secret
	ExpiresAt time.Time
}

// AskSignUp keeps the link of somebody who signs up with an address, and queues one of
// two mails to it: known where the address has an account, else fresh. It does the same
// work for both, so that the time that it takes does not tell.
func (s *Identity) AskSignUp(ctx context.Context, email string, link Link, fresh, known SealedMail) error {
	return s.DB.AsLogin(ctx, func(tx pgx.Tx) error {
		const keep = "INSERT INTO signups (hash, email, created_at, expires_at) VALUES ($1, $2, now(), $3)"
		if _, err := tx.Exec(ctx, keep, link.Hash, email, link.ExpiresAt); err != nil {
			return fmt.Errorf("keep sign-up: %w", err)
		}
		var exists bool
		if err := tx.QueryRow(ctx, "SELECT EXISTS (SELECT FROM users WHERE email = $1)", email).Scan(&exists); err != nil {
			return fmt.Errorf("look for an account: %w", err)
		}
		if exists {
			return queueMail(ctx, tx, known)
		}
		return queueMail(ctx, tx, fresh)
	})
}

// SignUpEmail returns the address to which a sign-up's link was sent, or
// identity.ErrBadLink.
func (s *Identity) SignUpEmail(ctx context.Context, hash []byte, now time.Time) (email string, err error) {
	err = s.DB.AsLogin(ctx, func(tx pgx.Tx) error {
		return badLink(tx.QueryRow(ctx, "SELECT email FROM signups WHERE hash = $1 AND expires_at > $2", hash, now).Scan(&email))
	})
	return email, err
}

// SignUp uses a sign-up's link: it adds the person to whom it was sent, with an
// organization and a session, or nothing; the session before ends. It returns
// identity.ErrBadLink when the link is not good (any more), and identity.ErrEmailTaken
// when the address has an account by now.
func (s *Identity) SignUp(ctx context.Context, link []byte, u identity.User, passwordHash, organization string, session identity.Session, secretHash, before []byte) error {
	return s.DB.AsLogin(ctx, func(tx pgx.Tx) error {
		// Two who use links of one address would each wait for the link that the other has
		// taken: whoever comes first takes all.
		if _, err := tx.Exec(ctx, "SELECT FROM signups WHERE email = $1 ORDER BY hash FOR UPDATE", u.Email); err != nil {
			return fmt.Errorf("lock the sign-ups of an address: %w", err)
		}
		const use = "DELETE FROM signups WHERE hash = $1 AND email = $2 AND expires_at > $3 RETURNING email"
		if err := badLink(tx.QueryRow(ctx, use, link, u.Email, u.CreatedAt).Scan(&u.Email)); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "DELETE FROM signups WHERE email = $1", u.Email); err != nil {
			return fmt.Errorf("forget other sign-ups: %w", err)
		}
		if err := addPerson(ctx, tx, u, passwordHash, organization, session.Address); err != nil {
			return err
		}
		return logIn(ctx, tx, session, secretHash, before)
	})
}

// badLink turns nothing found into the fault of a link that is not good.
func badLink(err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return identity.ErrBadLink
	}
	if err != nil {
		return fmt.Errorf("look up a link: %w", err)
	}
	return nil
}
