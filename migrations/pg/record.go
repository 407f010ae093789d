package pg

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/oklog/ulid/v2"

	"github.com/marina-cloud/marina/internal/event"
	"github.com/marina-cloud/marina/internal/tenant"
)

// Outbox is the channel on which a new row of the outbox is notified.
const Outbox = "marina_outbox"

// Publish tells the other contexts of e, if and when tx commits. An empty ID or
// At is filled in. It needs AsTenant or AsWorker.
func Publish(ctx context.Context, tx pgx.Tx, e event.Event) error {
	if e.Organization == "" || e.Kind == "" || e.Subject == "" {
		return fmt.Errorf("publish an event of kind %q about %q: kind, organization and subject are needed", e.Kind, e.Subject)
	}
	if e.ID == "" {
		e.ID = newID()
	}
	if e.At.IsZero() {
		e.At = time.Now()
	}
	const q = `
		WITH written AS (
			INSERT INTO outbox (id, kind, organization_id, cluster_id, subject, at, message, data)
			VALUES (@id, @kind, @organization, nullif(@cluster, ''), @subject, @at, @message, @data))
		SELECT pg_notify('` + Outbox + `', '')`
	_, err := tx.Exec(ctx, q, pgx.NamedArgs{
		"id": e.ID, "kind": string(e.Kind), "organization": string(e.Organization), "cluster": string(e.Cluster),
		"subject": e.Subject, "at": e.At, "message": e.Message, "data": object(e.Data),
	})
	if err != nil {
		return fmt.Errorf("publish %s of %s: %w", e.Kind, e.Subject, err)
	}
	return nil
}

// AuditEntry is one line of the audit log: who changed what, and from where.
type AuditEntry struct {
	ID           string // a ULID; filled in when empty
	Organization tenant.OrganizationID
	Actor        string          // usr-…, tok-… or "marina"
	Action       string          // such as "cluster.create"
	Subject      string          // the id of what was changed
	Address      string          // of the client; empty where there is none
	Detail       json.RawMessage // an object; empty for none. Never holds a secret
	At           time.Time       // filled in when zero
}

// Audit writes a into the audit log, if and when tx commits. The address of the
// person is noted, too: of a token's, and before a change that makes them unknown.
func Audit(ctx context.Context, tx pgx.Tx, a AuditEntry) error {
	if a.ID == "" {
		a.ID = newID()
	}
	if a.At.IsZero() {
		a.At = time.Now()
	}
	const q = `
		INSERT INTO audit_log (id, organization_id, actor, action, subject, address, detail, at, email)
		VALUES (@id, @organization, @actor, @action, @subject, @address, coalesce(@detail::jsonb, '{}'), @at,
			coalesce((SELECT u.email FROM users u WHERE u.id = coalesce((SELECT t.user_id FROM tokens t WHERE t.id = @actor), @actor)), ''))`
	_, err := tx.Exec(ctx, q, pgx.NamedArgs{
		"id": a.ID, "organization": string(a.Organization), "actor": a.Actor, "action": a.Action,
		"subject": a.Subject, "address": a.Address, "detail": object(a.Detail), "at": a.At,
	})
	if err != nil {
		return fmt.Errorf("audit %s of %s: %w", a.Action, a.Subject, err)
	}
	return nil
}

// object is what to store for j: null for nothing, not an empty text, which is
// no JSON.
func object(j json.RawMessage) any {
	if len(j) == 0 {
		return nil
	}
	return string(j)
}

// newID returns a lower-case ULID: rows sort by it in the order in which one
// process made them.
func newID() string { return strings.ToLower(ulid.Make().String()) }
