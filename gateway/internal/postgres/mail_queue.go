package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/gateway/identity"
	"github.com/marina-cloud/marina/internal/seal"
	"github.com/marina-cloud/marina/internal/tenant"
	"github.com/marina-cloud/marina/migrations/pg"
)

// MailQueue is the mails of all organizations, for who delivers them and for who runs
// the installation.
type MailQueue struct {
	DB      *pg.DB
	Secrets seal.Store
}

// boxSize is how many mails the mailbox keeps: the newest.
const boxSize = 1000

// WaitingMail is a mail that is to be delivered.
type WaitingMail struct {
	ID        tenant.MailID
	To        string
	Subject   string
	CreatedAt time.Time
}

// Waiting returns the mail of a lease with its text.
func (q *MailQueue) Waiting(ctx context.Context, l pg.Lease) (m WaitingMail, text string, err error) {
	var sealed []byte
	err = q.DB.AsWorker(ctx, func(tx pgx.Tx) error {
		if err := l.Hold(ctx, tx, "mails"); err != nil {
			return err
		}
		const read = "SELECT id, recipient, subject, created_at, sealed FROM mails WHERE id = $1"
		if err := tx.QueryRow(ctx, read, l.ID).Scan(&m.ID, &m.To, &m.Subject, &m.CreatedAt, &sealed); err != nil {
			return fmt.Errorf("read mail: %w", err)
		}
		return nil
	})
	if err != nil {
		return m, "", err
	}
	data, err := q.Secrets.Open(ctx, mailKey, sealed, []byte(l.ID))
	if err != nil {
		return m, "", fmt.Errorf("open mail: %w", err)
	}
	return m, string(data), nil
}

// Sent notes that a mail was delivered, and forgets its text.
func (q *MailQueue) Sent(ctx context.Context, l pg.Lease) error { return q.end(ctx, l, "sent") }

// GiveUp notes that a mail will not be delivered, and forgets its text.
func (q *MailQueue) GiveUp(ctx context.Context, l pg.Lease) error { return q.end(ctx, l, "failed") }

func (q *MailQueue) end(ctx context.Context, l pg.Lease, state string) error {
	return q.DB.AsWorker(ctx, func(tx pgx.Tx) error {
		if err := l.Hold(ctx, tx, "mails"); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "UPDATE mails SET state = $2, sealed = NULL, ended_at = now() WHERE id = $1", l.ID, state); err != nil {
			return fmt.Errorf("note what became of a mail: %w", err)
		}
		return nil
	})
}

// Keep puts the text of a mail of this installation into its mailbox, for the
// operator. The oldest mails there make room.
func (q *MailQueue) Keep(ctx context.Context, id tenant.MailID, text string) error {
	sealed, err := q.Secrets.Seal(ctx, mailKey, []byte(text), []byte(id))
	if err != nil {
		return fmt.Errorf("seal mail: %w", err)
	}
	return q.DB.AsWorker(ctx, func(tx pgx.Tx) error {
		const keep = "INSERT INTO mailbox (mail_id, sealed) VALUES ($1, $2) ON CONFLICT (mail_id) DO UPDATE SET sealed = excluded.sealed"
		if _, err := tx.Exec(ctx, keep, id, sealed); err != nil {
			return fmt.Errorf("keep mail: %w", err)
		}
		const room = "DELETE FROM mailbox WHERE mail_id <= (SELECT mail_id FROM mailbox ORDER BY mail_id DESC OFFSET $1 LIMIT 1)"
		if _, err := tx.Exec(ctx, room, boxSize); err != nil {
			return fmt.Errorf("make room in the mailbox: %w", err)
		}
		return nil
	})
}

// Mails returns up to limit mails with ids before before (empty: from the newest), to
// one address or, when it is empty, to all. They have no text.
func (q *MailQueue) Mails(ctx context.Context, to, before string, limit int) (all []identity.Mail, err error) {
	err = q.DB.AsWorker(ctx, func(tx pgx.Tx) error {
		const list = "SELECT " + mailColumns + " FROM mails m WHERE ($1 = '' OR m.recipient = $1) AND ($2 = '' OR m.id < $2) ORDER BY m.id DESC LIMIT $3"
		rows, err := tx.Query(ctx, list, to, before, limit)
		if err != nil {
			return fmt.Errorf("list mails: %w", err)
		}
		all, err = pgx.CollectRows(rows, func(r pgx.CollectableRow) (m identity.Mail, err error) { return m, scanMail(r, &m) })
		return err
	})
	return all, err
}

// Mail returns a mail, with its text where the mailbox has it, or identity.ErrNoMail.
func (q *MailQueue) Mail(ctx context.Context, id tenant.MailID) (m identity.Mail, err error) {
	var sealed []byte
	err = q.DB.AsWorker(ctx, func(tx pgx.Tx) error {
		const one = "SELECT " + mailColumns + ", b.sealed FROM mails m LEFT JOIN mailbox b ON b.mail_id = m.id WHERE m.id = $1"
		err := scanMail(tx.QueryRow(ctx, one, id), &m, &sealed)
		if errors.Is(err, pgx.ErrNoRows) {
			return identity.ErrNoMail
		}
		return err
	})
	if err != nil || sealed == nil {
		return m, err
	}
	text, err := q.Secrets.Open(ctx, mailKey, sealed, []byte(id))
	if err != nil {
		return m, fmt.Errorf("open mail: %w", err)
	}
	m.Text = string(text)
	return m, nil
}

const mailColumns = "m.id, coalesce(m.organization_id, ''), m.recipient, m.subject, m.state, m.attempts, m.last_error, m.created_at, m.ended_at"

func scanMail(r pgx.Row, m *identity.Mail, more ...any) error {
	return r.Scan(append([]any{&m.ID, &m.Organization, &m.To, &m.Subject, &m.State, &m.Attempts, &m.LastError, &m.CreatedAt, &m.EndedAt}, more...)...)
}

// States counts the mails of the last while by their states.
func (q *MailQueue) States(ctx context.Context, since time.Duration) (states map[string]int, err error) {
	err = q.DB.AsWorker(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, "SELECT state, count(*) FROM mails WHERE created_at > now() - $1::interval GROUP BY state", since)
		if err != nil {
			return fmt.Errorf("count mails: %w", err)
		}
		states = map[string]int{}
		var state string
		var n int
		_, err = pgx.ForEachRow(rows, []any{&state, &n}, func() error { states[state] = n; return nil })
		return err
	})
	return states, err
}

// Tidy removes mails that are older than kept, and all secrets of mails that are good
// no more.
func (q *MailQueue) Tidy(ctx context.Context, kept time.Duration) error {
	return q.DB.AsWorker(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "DELETE FROM mails WHERE created_at < now() - $1::interval", kept); err != nil {
			return fmt.Errorf("remove old mails: %w", err)
		}
		for _, table := range []string{"signups", "password_resets", "invitations"} {
			if _, err := tx.Exec(ctx, "DELETE FROM "+table+" WHERE expires_at < now()"); err != nil {
				return fmt.Errorf("remove what is over from %s: %w", table, err)
			}
		}
		return nil
	})
}
