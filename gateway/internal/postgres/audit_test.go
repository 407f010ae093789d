//go:build integration

package postgres_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/gateway/internal/postgres"
	"github.com/marina-cloud/marina/internal/tenant"
	"github.com/marina-cloud/marina/migrations/pg"
	"github.com/marina-cloud/marina/migrations/pgtest"
)

func TestAuditLog(t *testing.T) {
	t.Parallel()
	s := &postgres.Identity{DB: pgtest.New(t)}
	log := &postgres.AuditLog{DB: s.DB}
	ada, _ := signUp(t, s, "ada@example.com")
	eve, _ := signUp(t, s, "eve@example.com")
	ci := tokenOf(ada, "ci", time.Hour)
	if err := s.AddToken(t.Context(), by(ada), ci, hash("ci")); err != nil {
		t.Fatal(err)
	}
	// What happened long ago, and has the actions that no row here has yet.
	for i, e := range []pg.AuditEntry{
		{Actor: string(ci.ID), Action: "cluster.create", Subject: "kc-1", Address: "192.0.2.9", Detail: []byte(`{"name":"shop"}`)},
		{Actor: string(ada.ID), Action: "cluster.credential.issue", Subject: "kc-1"},
		{Actor: "marina", Action: "clusterless", Subject: "kc-2"},
	} {
		e.ID, e.Organization, e.At = fmt.Sprintf("01k9xw3e5v8m2q4r6t8y0a%04d", i), ada.Organization, now.Add(time.Duration(i)*time.Hour)
		if err := s.DB.AsTenant(t.Context(), ada.Organization, func(tx pgx.Tx) error { return pg.Audit(t.Context(), tx, e) }); err != nil {
			t.Fatal(err)
		}
	}
	long := postgres.AuditQuery{Until: now.AddDate(0, 0, 1)}
	for name, tc := range map[string]struct {
		org   tenant.OrganizationID
		q     postgres.AuditQuery
		after string
		limit int
		want  string
	}{
		"All":        {ada.Organization, postgres.AuditQuery{}, "", 10, "token.create user.login organization.create clusterless cluster.credential.issue cluster.create"},
		"Page":       {ada.Organization, long, "", 2, "clusterless cluster.credential.issue"},
		"NextPage":   {ada.Organization, long, "01k9xw3e5v8m2q4r6t8y0a0001", 2, "cluster.create"},
		"Token":      {ada.Organization, postgres.AuditQuery{Actor: string(ci.ID)}, "", 10, "cluster.create"},
		"Person":     {ada.Organization, postgres.AuditQuery{Actor: string(ada.ID), Action: "cluster"}, "", 10, "cluster.credential.issue"},
		"Email":      {ada.Organization, postgres.AuditQuery{Actor: "Ada@example.com", Action: "cluster"}, "", 10, "cluster.credential.issue cluster.create"},
		"Action":     {ada.Organization, postgres.AuditQuery{Action: "cluster.create"}, "", 10, "cluster.create"},
		"Wildcard":   {ada.Organization, postgres.AuditQuery{Action: "%"}, "", 10, ""},
		"Resource":   {ada.Organization, postgres.AuditQuery{Subject: "kc-1"}, "", 10, "cluster.credential.issue cluster.create"},
		"Since":      {ada.Organization, postgres.AuditQuery{Since: now.Add(time.Hour), Until: long.Until}, "", 10, "clusterless cluster.credential.issue"},
		"Until":      {ada.Organization, postgres.AuditQuery{Until: now.Add(time.Hour)}, "", 10, "cluster.create"},
		"Nobody":     {ada.Organization, postgres.AuditQuery{Actor: string(eve.ID)}, "", 10, ""},
		"OtherOrg":   {eve.Organization, postgres.AuditQuery{Subject: "kc-1"}, "", 10, ""},
		"OtherEmail": {eve.Organization, postgres.AuditQuery{Actor: "ada@example.com"}, "", 10, ""},
	} {
		t.Run(name, func(t *testing.T) {
			all, err := log.Entries(t.Context(), tc.org, tc.q, tc.after, tc.limit)
			if err != nil {
				t.Fatal(err)
			}
			var actions []string
			for _, e := range all {
				actions = append(actions, e.Action)
			}
			if got := strings.Join(actions, " "); got != tc.want {
				t.Errorf("actions %q, want %q", got, tc.want)
			}
		})
	}
	all, err := log.Entries(t.Context(), ada.Organization, postgres.AuditQuery{Action: "cluster.create"}, "", 1)
	if err != nil || len(all) != 1 {
		t.Fatal(all, err)
	}
	if e := all[0]; e.Email != "ada@example.com" || e.Actor != string(ci.ID) || e.Subject != "kc-1" || e.Address != "192.0.2.9" || fmt.Sprint(e.Detail) != "map[name:shop]" || !e.At.Equal(now) {
		t.Errorf("the line is %+v", e)
	}
}

// TestAuditLogIsAppendOnly: not even a statement that was smuggled in changes what was
// written.
func TestAuditLogIsAppendOnly(t *testing.T) {
	t.Parallel()
	s := &postgres.Identity{DB: pgtest.New(t)}
	ada, _ := signUp(t, s, "ada@example.com")
	roles := map[string]func(func(pgx.Tx) error) error{
		"owner":    func(f func(pgx.Tx) error) error { return s.DB.AsTenant(t.Context(), ada.Organization, f) },
		"worker":   func(f func(pgx.Tx) error) error { return s.DB.AsWorker(t.Context(), f) },
		"identity": func(f func(pgx.Tx) error) error { return s.DB.AsLogin(t.Context(), f) },
	}
	for role, as := range roles {
		for _, q := range []string{"UPDATE audit_log SET actor = 'marina'", "DELETE FROM audit_log", "TRUNCATE audit_log"} {
			err := as(func(tx pgx.Tx) error {
				_, err := tx.Exec(t.Context(), q)
				return err
			})
			if err == nil || !strings.Contains(err.Error(), "permission denied") {
				t.Errorf("%s may %s: %v", role, q, err)
			}
		}
	}
	err := s.DB.AsTenant(t.Context(), ada.Organization, func(tx pgx.Tx) error {
		return pg.Audit(t.Context(), tx, pg.AuditEntry{Organization: tenant.NewOrganizationID(), Actor: "x", Action: "x", Subject: "x"})
	})
	if err == nil || !strings.Contains(err.Error(), "row-level security") {
		t.Errorf("an organization writes another's log: %v", err)
	}
}
