package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/internal/tenant"
	"github.com/marina-cloud/marina/migrations/pg"
)

// By is who changes something, for the audit log.
type By struct {
	Organization tenant.OrganizationID
	Actor        string
	Address      string
}

// audit writes what by did to subject; detail may be nil and holds no secret. For
// somebody who is in no organization there is no log.
func audit(ctx context.Context, tx pgx.Tx, by By, action, subject string, detail map[string]any) error {
	if by.Organization == "" {
		return nil
	}
	a := pg.AuditEntry{Organization: by.Organization, Actor: by.Actor, Action: action, Subject: subject, Address: by.Address}
	if detail != nil {
		data, err := json.Marshal(detail)
		if err != nil {
			return fmt.Errorf("audit %s of %s: %w", action, subject, err)
		}
		a.Detail = data
	}
	return pg.Audit(ctx, tx, a)
}

// AuditLog reads what was written about changes, by whichever part of Marina. It is
// safe for concurrent use.
type AuditLog struct{ DB *pg.DB }

// AuditEntry is one line of the log.
type AuditEntry struct {
	ID      string
	At      time.Time
	Actor   string // usr-…, tok-… or what of Marina it was
	Email   string // of the person, as it was then; empty where none was known
	Action  string // such as "cluster.create"
	Subject string // the id of what was changed
	Address string // of the client; empty where there was none
	Detail  map[string]any
}

// AuditQuery is what of the log somebody wants to see. A field that is empty asks
// for nothing.
type AuditQuery struct {
	Actor   string    // an id, or a person's address: they and their tokens
	Action  string    // one, or the beginning of several: cluster is for cluster.create, too
	Subject string    // an id
	Since   time.Time // from then on
	Until   time.Time // before then
}

// Entries returns up to limit lines of an organization's log, the newest first,
// beginning behind the one with the id after, which may be empty.
func (l *AuditLog) Entries(ctx context.Context, org tenant.OrganizationID, q AuditQuery, after string, limit int) (all []AuditEntry, err error) {
	where, args := []string{"true"}, []any{limit}
	only := func(so bool, condition string, value any) {
		if so {
			args = append(args, value)
			where = append(where, strings.ReplaceAll(condition, "?", fmt.Sprintf("$%d", len(args))))
		}
	}
	only(after != "", "id < ?", after)
	only(strings.Contains(q.Actor, "@"), "email = lower(?)", q.Actor)
	only(q.Actor != "" && !strings.Contains(q.Actor, "@"), "actor = ?", q.Actor)
	only(q.Action != "", "(action = ? OR starts_with(action, ? || '.'))", q.Action)
	only(q.Subject != "", "subject = ?", q.Subject)
	only(!q.Since.IsZero(), "at >= ?", q.Since)
	only(!q.Until.IsZero(), "at < ?", q.Until)
	read := "SELECT id, at, actor, email, action, subject, address, detail FROM audit_log WHERE " + strings.Join(where, " AND ") + " ORDER BY id DESC LIMIT $1"
	err = l.DB.AsTenant(ctx, org, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, read, args...)
		if err != nil {
			return fmt.Errorf("read audit log: %w", err)
		}
		all, err = pgx.CollectRows(rows, pgx.RowToStructByPos[AuditEntry])
		return err
	})
	return all, err
}
