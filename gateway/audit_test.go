//go:build integration

package gateway_test

import (
	"encoding/csv"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/migrations/pg"
)

type auditLine struct {
	ID, Actor, Email, Action, Resource, Address string
	At                                          time.Time
	Details                                     map[string]any
}

func (a *api) auditLog(t *testing.T, who account, query string) (lines []auditLine, next string) {
	t.Helper()
	var got struct {
		Items []auditLine
		Next  string `json:"next_cursor"`
	}
	a.do(t, "GET", "/v1/audit"+query, "", who.bearer()...).decode(t, http.StatusOK, &got)
	return got.Items, got.Next
}

// note writes lines into an organization's audit log.
func (a *api) note(t *testing.T, who account, action string, times int) {
	t.Helper()
	err := a.db.AsTenant(t.Context(), who.Organization, func(tx pgx.Tx) error {
		for range times {
			if err := pg.Audit(t.Context(), tx, pg.AuditEntry{Organization: who.Organization, Actor: string(who.User), Action: action, Subject: "x"}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAudit(t *testing.T) {
	t.Parallel()
	a := start(t)
	ada, eve := a.signUp(t, "ada@example.com"), a.signUp(t, "eve@example.com")
	var ci token
	a.do(t, "POST", "/v1/tokens", `{"name":"ci"}`, ada.bearer()...).decode(t, http.StatusCreated, &ci)
	lines, next := a.auditLog(t, ada, "?limit=1")
	if len(lines) != 1 || next == "" {
		t.Fatalf("a page of %d lines, next %q", len(lines), next)
	}
	l := lines[0]
	if l.Action != "token.create" || l.Actor != string(ada.User) || l.Email != ada.Email || l.Resource != ci.ID || l.Address == "" || l.Details["name"] != "ci" || time.Since(l.At) > time.Minute {
		t.Errorf("the newest line is %+v", l)
	}
	if more, _ := a.auditLog(t, ada, "?limit=100&cursor="+next); len(more) != 2 || more[0].Action != "user.login" {
		t.Errorf("behind it: %+v", more)
	}
	if got, _ := a.auditLog(t, ada, "?actor="+url.QueryEscape(eve.Email)); len(got) != 0 {
		t.Errorf("another organization's lines: %+v", got)
	}
	if got, _ := a.auditLog(t, ada, "?action=token&resource="+ci.ID+"&since=2026-01-01T00:00:00Z"); len(got) != 1 {
		t.Errorf("filtered: %+v", got)
	}
	log := a.do(t, "GET", "/v1/audit?limit=100", "", ada.bearer()...).body
	for _, secret := range []string{ci.Secret, ada.Token.Secret, password} {
		if strings.Contains(log, secret) {
			t.Error("the audit log has a secret")
		}
	}
	for _, query := range []string{"actor=%00", "action=%0A", "resource=" + strings.Repeat("x", 101), "since=yesterday"} {
		name, _, _ := strings.Cut(query, "=")
		a.do(t, "GET", "/v1/audit?"+query, "", ada.bearer()...).errorsAt(t, "query."+name)
	}
}

// TestAuditExport: what somebody chose as their address is no formula to whoever opens
// the file.
func TestAuditExport(t *testing.T) {
	t.Parallel()
	a := start(t)
	who := a.signUp(t, "=cmd|calc@example.com")
	a.note(t, who, "cluster.create", 600) // more than are read at once
	got := a.do(t, "GET", "/v1/audit/export", "", who.bearer()...)
	if got.status != http.StatusOK || !strings.HasPrefix(got.header.Get("Content-Type"), "text/csv") || !strings.HasPrefix(got.header.Get("Content-Disposition"), `attachment; filename="audit-20`) {
		t.Fatalf("export: %d %v", got.status, got.header)
	}
	rows, err := csv.NewReader(strings.NewReader(got.body)).ReadAll()
	if err != nil || len(rows) != 1+602 || rows[0][0] != "id" || rows[1][4] != "cluster.create" || rows[602][4] != "organization.create" {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	seen := map[string]bool{}
	for _, row := range rows {
		seen[row[0]] = true
		for _, cell := range row {
			if strings.ContainsAny(cell[:min(1, len(cell))], "=+-@\t\r") {
				t.Fatalf("a cell is a formula: %q", cell)
			}
		}
	}
	if len(seen) != len(rows) || rows[1][3] != "'=cmd|calc@example.com" {
		t.Errorf("%d different rows of %d; the address is %q", len(seen), len(rows), rows[1][3])
	}

	got = a.do(t, "GET", "/v1/audit/export?format=jsonl&action=user", "", who.bearer()...)
	var line auditLine
	if err := json.Unmarshal([]byte(got.body), &line); err != nil || line.Action != "user.login" || line.Email != who.Email || got.header.Get("Content-Type") != "application/jsonl" {
		t.Errorf("one line: %s, %v", got.body, err)
	}
	a.do(t, "GET", "/v1/audit/export?format=xlsx", "", who.bearer()...).errorsAt(t, "query.format")
	if got := a.do(t, "HEAD", "/v1/audit/export", "", who.bearer()...); got.status != http.StatusOK || got.body != "" {
		t.Errorf("HEAD: %d %q", got.status, got.body)
	}
}
