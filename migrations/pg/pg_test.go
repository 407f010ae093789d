//go:build integration

package pg_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/marina-cloud/marina/internal/event"
	"github.com/marina-cloud/marina/internal/tenant"
	"github.com/marina-cloud/marina/migrations/pg"
	"github.com/marina-cloud/marina/migrations/pgtest"
)

// organization adds an organization and returns its id.
func organization(t *testing.T, db *pg.DB) tenant.OrganizationID {
	t.Helper()
	id := tenant.NewOrganizationID()
	err := db.AsLogin(t.Context(), func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "INSERT INTO organizations (id, name) VALUES ($1, 'Acme')", id)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// cluster adds a cluster that is due and returns its id.
func cluster(t *testing.T, db *pg.DB, org tenant.OrganizationID, slot int) tenant.ClusterID {
	t.Helper()
	id := tenant.NewClusterID()
	err := db.AsTenant(t.Context(), org, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `
			INSERT INTO clusters (id, organization_id, name, version, pod_cidr, service_cidr, issuer, uid_slot)
			VALUES ($1, $2, $1, '1.37', '10.244.0.0/16', '10.96.0.0/12', 'https://issuer.test', $3)`, id, org, slot)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func count(t *testing.T, tx pgx.Tx, table string) (n int) {
	t.Helper()
	if err := tx.QueryRow(t.Context(), "SELECT count(*) FROM "+pgx.Identifier{table}.Sanitize()).Scan(&n); err != nil {
		t.Errorf("count %s: %v", table, err)
	}
	return n
}

// TestEveryTableIsHeld reads the catalogue, so that a new table cannot be
// forgotten.
func TestEveryTableIsHeld(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	// What belongs to no organization, and why.
	platform := map[string]string{
		"goose_db_version": "the migrations' own",
		"organizations":    "its id is the organization; checked below",
		"keystore":         "one row: what seals the data keys; marina_app may not even read it",
		"price_books":      "what things cost, for all organizations; marina_app may not even read it",
		"prices":           "as price_books",
		"keystore_keys":    "data keys of the installation; marina_app may not even read it",
		"platform_keys":    "keys of the installation; marina_app may not even read it",
		"signups":          "people who are nobody yet; marina_app may not even read it",
		"password_resets":  "a person's, who may be a member of many; marina_app may not even read it",
		"totp":             "a person's, who may be a member of many; marina_app may not even read it",
		"recovery_codes":   "as totp",
		"passkeys":         "as totp",
		"challenges":       "as totp, or of somebody who is nobody yet",
		"identities":       "as totp",
		"mailbox":          "mails that are the operator's to pass on; marina_app may not even read it",
		"mails":            "a person's may be of no organization; marina_app may not even read it",
	}
	type table struct {
		name                 string
		owned, held, forced  bool
		policies             int
		readable, unfiltered bool
	}
	var tables []table
	err := db.AsWorker(t.Context(), func(tx pgx.Tx) error {
		rows, err := tx.Query(t.Context(), `
			SELECT c.relname,
				EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'organization_id' AND a.attnotnull),
				c.relrowsecurity, c.relforcerowsecurity,
				(SELECT count(*) FROM pg_policy p WHERE p.polrelid = c.oid),
				has_table_privilege('marina_app', c.oid, 'SELECT'),
				EXISTS (SELECT FROM pg_policies p WHERE p.tablename = c.relname AND 'marina_app' = ANY (p.roles)
					AND coalesce(p.qual, '') NOT LIKE '%current_setting(''app.organization''%')
			FROM pg_class c WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace`)
		if err != nil {
			return err
		}
		tables, err = pgx.CollectRows(rows, func(r pgx.CollectableRow) (x table, err error) {
			return x, r.Scan(&x.name, &x.owned, &x.held, &x.forced, &x.policies, &x.readable, &x.unfiltered)
		})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(tables) < 10 {
		t.Fatalf("only %d tables: the query misses some", len(tables))
	}
	for _, x := range tables {
		_, exempt := platform[x.name]
		switch {
		case !x.owned && !exempt:
			t.Errorf("%s has no organization_id NOT NULL; if it belongs to no organization, say why in this test", x.name)
		case (x.owned || x.name == "organizations") && (!x.held || !x.forced || x.policies == 0):
			t.Errorf("%s: row-level security %v, forced %v, %d policies", x.name, x.held, x.forced, x.policies)
		case x.unfiltered:
			t.Errorf("%s: a policy of marina_app does not look at app.organization", x.name)
		case x.readable && !x.held:
			t.Errorf("%s: marina_app may read it and nothing holds it to its rows", x.name)
		}
	}
}

// TestOrganizationsAreApart fills what an organization may write and looks at it
// as another one.
func TestOrganizationsAreApart(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	ours, theirs := organization(t, db), organization(t, db)
	kc := cluster(t, db, theirs, 0)
	np, nd, usr := tenant.NewPoolID(), tenant.NewNodeID(), tenant.NewUserID()
	err := db.AsLogin(t.Context(), func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "INSERT INTO users (id, organization_id, email, password_hash) VALUES ($1, $2, 'a@b.test', 'x')", usr, theirs)
		if err != nil {
			return err
		}
		_, err = tx.Exec(t.Context(), "INSERT INTO memberships (organization_id, user_id, role) VALUES ($1, $2, 'owner')", theirs, usr)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	err = db.AsTenant(t.Context(), theirs, func(tx pgx.Tx) error {
		for q, args := range map[string][]any{
			"INSERT INTO tokens (id, organization_id, user_id, name, hash, expires_at) VALUES ($1, $2, $3, 'ci', '\\x01', now())":                                                   {tenant.NewTokenID(), theirs, usr},
			"INSERT INTO idempotency_keys (organization_id, key, request_hash) VALUES ($1, 'k', '\\x01')":                                                                           {theirs},
			"INSERT INTO invitations (id, organization_id, email, role, hash, invited_by, created_at, expires_at) VALUES ($1, $2, 'c@b.test', 'viewer', '\\x01', $3, now(), now())": {tenant.NewInvitationID(), theirs, usr},
			"INSERT INTO pools (id, organization_id, cluster_id, name, size, count) VALUES ($1, $2, $3, 'p', 'small', 1)":                                                           {np, theirs, kc},
		} {
			if _, err := tx.Exec(t.Context(), q, args...); err != nil {
				return fmt.Errorf("%s: %w", q, err)
			}
		}
		if err := pg.Publish(t.Context(), tx, event.Event{Kind: event.ClusterChanged, Organization: theirs, Subject: string(kc)}); err != nil {
			return err
		}
		return pg.Audit(t.Context(), tx, pg.AuditEntry{Organization: theirs, Actor: string(usr), Action: "cluster.create", Subject: string(kc)})
	})
	if err != nil {
		t.Fatal(err)
	}
	err = db.AsWorker(t.Context(), func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "INSERT INTO nodes (id, organization_id, cluster_id, pool_id, name) VALUES ($1, $2, $3, $4, 'n')", nd, theirs, kc, np)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}

	tables := []string{"organizations", "users", "memberships", "invitations", "tokens", "idempotency_keys", "clusters", "pools", "nodes", "outbox", "audit_log"}
	for org, want := range map[tenant.OrganizationID]int{theirs: 1, ours: 0} {
		err := db.AsTenant(t.Context(), org, func(tx pgx.Tx) error {
			for _, table := range tables {
				want := want
				if table == "organizations" {
					want = 1 // each sees itself
				}
				if got := count(t, tx, table); got != want {
					t.Errorf("%s shows %d rows to %s, want %d", table, got, org, want)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}

	for why, f := range map[string]func(pgx.Tx) (pgconn.CommandTag, error){
		"a row cannot be given to another organization": func(tx pgx.Tx) (pgconn.CommandTag, error) {
			return tx.Exec(t.Context(), "INSERT INTO idempotency_keys (organization_id, key, request_hash) VALUES ($1, 'mine', '\\x01')", theirs)
		},
		"another organization's keys cannot be read": func(tx pgx.Tx) (pgconn.CommandTag, error) {
			return tx.Exec(t.Context(), "SELECT sealed FROM cluster_keys")
		},
		"a password's hash cannot be read": func(tx pgx.Tx) (pgconn.CommandTag, error) {
			return tx.Exec(t.Context(), "SELECT password_hash FROM users")
		},
		"a mail cannot be read": func(tx pgx.Tx) (pgconn.CommandTag, error) {
			return tx.Exec(t.Context(), "SELECT sealed FROM mails")
		},
		"a session cannot be read": func(tx pgx.Tx) (pgconn.CommandTag, error) {
			return tx.Exec(t.Context(), "SELECT hash FROM sessions")
		},
		"nobody can be made a member": func(tx pgx.Tx) (pgconn.CommandTag, error) {
			return tx.Exec(t.Context(), "INSERT INTO memberships (organization_id, user_id, role) VALUES ($1, $2, 'owner')", ours, usr)
		},
		"the installation's keys cannot be read": func(tx pgx.Tx) (pgconn.CommandTag, error) {
			return tx.Exec(t.Context(), "SELECT sealed FROM platform_keys")
		},
		"the audit log cannot be changed": func(tx pgx.Tx) (pgconn.CommandTag, error) {
			return tx.Exec(t.Context(), "DELETE FROM audit_log")
		},
	} {
		err := db.AsTenant(t.Context(), ours, func(tx pgx.Tx) error { _, err := f(tx); return err })
		if e, ok := errors.AsType[*pgconn.PgError](err); !ok || e.Code != "42501" {
			t.Errorf("error = %v, want insufficient privilege: %s", err, why)
		}
	}
	err = db.AsTenant(t.Context(), ours, func(tx pgx.Tx) error {
		tag, err := tx.Exec(t.Context(), "UPDATE clusters SET deleting = true WHERE id = $1", kc)
		if tag.RowsAffected() != 0 {
			t.Error("another organization's cluster was changed")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestRolesEndWithTheirTransaction(t *testing.T) {
	t.Parallel()
	db, err := pg.Open(t.Context(), pgtest.NewDSN(t)+" pool_max_conns=1") // so that it is the same connection
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	org := organization(t, db)
	cluster(t, db, org, 0)
	boom := errors.New("boom")
	for name, tc := range map[string]struct {
		as   func(func(pgx.Tx) error) error
		role string
		org  string
	}{
		"tenant":   {func(f func(pgx.Tx) error) error { return db.AsTenant(t.Context(), org, f) }, "marina_app", string(org)},
		"worker":   {func(f func(pgx.Tx) error) error { return db.AsWorker(t.Context(), f) }, "marina_worker", ""},
		"login":    {func(f func(pgx.Tx) error) error { return db.AsLogin(t.Context(), f) }, "marina_identity", ""},
		"operator": {func(f func(pgx.Tx) error) error { return db.AsOperator(t.Context(), f) }, "marina_operator", ""},
	} {
		for _, end := range []error{nil, boom} {
			err := tc.as(func(tx pgx.Tx) error {
				var role, org string
				if err := tx.QueryRow(t.Context(), "SELECT current_user, current_setting('app.organization')").Scan(&role, &org); err != nil {
					return err
				}
				if role != tc.role || org != tc.org {
					t.Errorf("%s runs as %q of %q", name, role, org)
				}
				return end
			})
			if !errors.Is(err, end) {
				t.Errorf("%s: error = %v, want %v", name, err, end)
			}
		}
	}
	if err := db.AsTenant(t.Context(), "", func(pgx.Tx) error { return nil }); err == nil {
		t.Error("a transaction of no organization was begun")
	}
}

func TestDeadlockIsTriedAgain(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	org := organization(t, db)
	a, b := cluster(t, db, org, 0), cluster(t, db, org, 1)
	touch := func(tx pgx.Tx, id tenant.ClusterID) error {
		_, err := tx.Exec(t.Context(), "UPDATE clusters SET wakes = wakes + 1 WHERE id = $1", id)
		return err
	}
	first := make(chan struct{}, 2) // both hold their first row, once
	barrier := make(chan struct{})
	go func() { <-first; <-first; close(barrier) }()
	results := make(chan error)
	tries := make(chan struct{}, 100)
	for _, order := range [][2]tenant.ClusterID{{a, b}, {b, a}} {
		go func() {
			mine := false
			results <- db.AsWorker(t.Context(), func(tx pgx.Tx) error {
				tries <- struct{}{}
				if err := touch(tx, order[0]); err != nil {
					return err
				}
				if !mine {
					mine = true
					first <- struct{}{}
				}
				<-barrier
				return touch(tx, order[1])
			})
		}()
	}
	for range 2 {
		if err := <-results; err != nil {
			t.Errorf("one of two that locked each other out failed: %v", err)
		}
	}
	if len(tries) < 3 {
		t.Errorf("%d tries: there was no deadlock", len(tries))
	}
	var wakes []int64
	err := db.AsWorker(t.Context(), func(tx pgx.Tx) error {
		rows, err := tx.Query(t.Context(), "SELECT wakes FROM clusters")
		if err != nil {
			return err
		}
		wakes, err = pgx.CollectRows(rows, pgx.RowTo[int64])
		return err
	})
	if err != nil || len(wakes) != 2 || wakes[0] != 2 || wakes[1] != 2 {
		t.Errorf("counts are %v, %v; want each changed twice", wakes, err)
	}
}

func TestUnavailable(t *testing.T) {
	t.Parallel()
	if _, err := pg.Open(t.Context(), "host=/nonexistent user=x dbname=x"); !errors.Is(err, pg.ErrUnavailable) {
		t.Errorf("no server: error = %v, want ErrUnavailable", err)
	}
	if _, err := pg.Open(t.Context(), "host=/x port=many"); err == nil || errors.Is(err, pg.ErrUnavailable) {
		t.Errorf("nonsense: error = %v, want one that says so", err)
	}
	db := pgtest.New(t)
	hangUp := func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "SELECT pg_terminate_backend(pg_backend_pid())")
		return err
	}
	// The role may not, its login may.
	reset := func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), "SET LOCAL ROLE NONE"); err != nil {
			return err
		}
		return hangUp(tx)
	}
	if err := db.AsWorker(t.Context(), reset); !errors.Is(err, pg.ErrUnavailable) {
		t.Errorf("server hung up: error = %v, want ErrUnavailable", err)
	}
	if err := db.AsWorker(t.Context(), func(tx pgx.Tx) error { return tx.QueryRow(t.Context(), "SELECT").Scan() }); err != nil {
		t.Errorf("the next transaction failed, too: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err := db.AsWorker(ctx, func(tx pgx.Tx) error { cancel(); return tx.QueryRow(ctx, "SELECT").Scan() })
	if errors.Is(err, pg.ErrUnavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("caller gone: error = %v, want context.Canceled", err)
	}
}

func TestRecords(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	org := organization(t, db)
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	boom := errors.New("boom")
	write := func(end error, e event.Event, a pg.AuditEntry) error {
		return db.AsTenant(t.Context(), org, func(tx pgx.Tx) error {
			return errors.Join(pg.Publish(t.Context(), tx, e), pg.Audit(t.Context(), tx, a), end)
		})
	}
	short := event.Event{Kind: event.NodeReady, Organization: org, Subject: "nd-1"}
	full := event.Event{ID: "01full", Kind: event.ClusterRunning, Organization: org, Cluster: "kc-1", Subject: "kc-1", At: at, Message: "It runs.", Data: json.RawMessage(`{"a":1}`)}
	entry := pg.AuditEntry{Organization: org, Actor: "marina", Action: "node.repair", Subject: "nd-1"}
	long := pg.AuditEntry{ID: "01long", Organization: org, Actor: "usr-1", Action: "cluster.create", Subject: "kc-1", Address: "192.0.2.7", Detail: json.RawMessage(`{"b":2}`), At: at}
	if err := write(nil, short, entry); err != nil {
		t.Fatal(err)
	}
	if err := write(nil, full, long); err != nil {
		t.Fatal(err)
	}
	if err := write(boom, short, entry); !errors.Is(err, boom) {
		t.Fatalf("error = %v", err)
	}
	if err := write(nil, event.Event{Kind: event.NodeReady, Subject: "nd-1"}, entry); err == nil {
		t.Error("an event of no organization was written")
	}
	err := db.AsTenant(t.Context(), org, func(tx pgx.Tx) error {
		if n, m := count(t, tx, "outbox"), count(t, tx, "audit_log"); n != 2 || m != 2 {
			t.Errorf("%d events and %d audit entries, want 2 each: those of a failed transaction must be gone", n, m)
		}
		var got event.Event
		var filled bool
		if err := tx.QueryRow(t.Context(), "SELECT id, kind, cluster_id, subject, at, message, data FROM outbox WHERE id = '01full'").
			Scan(&got.ID, &got.Kind, &got.Cluster, &got.Subject, &got.At, &got.Message, &got.Data); err != nil {
			return err
		}
		if got.Kind != full.Kind || got.Cluster != "kc-1" || !got.At.Equal(at) || got.Message != full.Message || string(got.Data) != `{"a": 1}` {
			t.Errorf("read back %+v", got)
		}
		if err := tx.QueryRow(t.Context(), `
			SELECT length(id) = 26 AND cluster_id IS NULL AND data IS NULL AND sent_at IS NULL AND at BETWEEN now() - interval '1 minute' AND now() + interval '1 minute'
			FROM outbox WHERE kind = $1`, event.NodeReady).Scan(&filled); err != nil {
			return err
		}
		if !filled {
			t.Error("what was left empty was not filled in")
		}
		var detail, address string
		var when time.Time
		if err := tx.QueryRow(t.Context(), "SELECT detail::text, address, at FROM audit_log WHERE id = '01long'").Scan(&detail, &address, &when); err != nil {
			return err
		}
		if detail != `{"b": 2}` || address != "192.0.2.7" || !when.Equal(at) {
			t.Errorf("audit entry reads %s from %s at %s", detail, address, when)
		}
		return tx.QueryRow(t.Context(), "SELECT detail::text FROM audit_log WHERE action = 'node.repair' AND detail = '{}'").Scan(&detail)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestListen(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	org := organization(t, db)
	ctx, cancel := context.WithCancel(t.Context())
	heard := make(chan struct{}, 10)
	ended := make(chan error)
	go func() { ended <- db.Listen(ctx, pg.Outbox, func() { heard <- struct{}{} }) }()
	await(t, heard) // ready
	if err := db.AsTenant(t.Context(), org, func(tx pgx.Tx) error {
		return pg.Publish(t.Context(), tx, event.Event{Kind: event.NodeReady, Organization: org, Subject: "nd-1"})
	}); err != nil {
		t.Fatal(err)
	}
	await(t, heard)
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Listen = %v after its context ended, want nil", err)
	}
}

func await[T any](t *testing.T, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(20 * time.Second):
		t.Fatal("nothing came in 20 s")
	}
	return v
}
