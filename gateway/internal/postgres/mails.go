package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/gateway/letter"
	"github.com/marina-cloud/marina/internal/seal"
	"github.com/marina-cloud/marina/internal/tenant"
)

// Mails is the channel on which it is told that mails wait; see pg.DB.Listen.
const Mails = "mails"

// mailKey is the data key under which texts of mails are sealed.
const mailKey = "mails"

// Mail is a letter to a person.
type Mail struct {
	Organization tenant.OrganizationID // that causes it; empty for a person alone
	To           string                // a bare e-mail address
	letter.Letter
}

// SealedMail is a mail as it may lie in a table.
type SealedMail struct {
	id     tenant.MailID
	mail   Mail // without its text
	sealed []byte
}

// SealMail seals a mail's text, for a transaction that queues it. It comes before the
// transaction, because the secret store may ask the database itself.
func SealMail(ctx context.Context, secrets seal.Store, m Mail) (SealedMail, error) {
	s := SealedMail{id: tenant.NewMailID(), mail: m}
	s.mail.Text = ""
	var err error
	if s.sealed, err = secrets.Seal(ctx, mailKey, []byte(m.Text), []byte(s.id)); err != nil {
		return s, fmt.Errorf("seal a mail: %w", err)
	}
	return s, nil
}

// queueMail has a mail sent if and when tx commits. In a transaction of an
// organization the mail must be that organization's.
func queueMail(ctx context.Context, tx pgx.Tx, m SealedMail) error {
	const q = "INSERT INTO mails (id, organization_id, recipient, subject, sealed, created_at) VALUES ($1, nullif($2, ''), $3, $4, $5, now())"
	if _, err := tx.Exec(ctx, q, m.id, m.mail.Organization, m.mail.To, m.mail.Subject, m.sealed); err != nil {
		return fmt.Errorf("queue a mail: %w", err)
	}
	if _, err := tx.Exec(ctx, "SELECT pg_notify($1, '')", Mails); err != nil {
		return fmt.Errorf("say that a mail waits: %w", err)
	}
	return nil
}
