//go:build integration

package postgres_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/gateway/identity"
	"github.com/marina-cloud/marina/gateway/internal/postgres"
	"github.com/marina-cloud/marina/internal/tenant"
	"github.com/marina-cloud/marina/migrations/pg"
	"github.com/marina-cloud/marina/migrations/pgtest"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func hash(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

func person(email string) identity.User {
	return identity.User{ID: tenant.NewUserID(), Organization: tenant.NewOrganizationID(), Email: email, CreatedAt: now}
}

func sessionOf(u identity.User) identity.Session {
	return identity.Session{ID: tenant.NewSessionID(), User: u.ID, Device: "curl", Address: "192.0.2.7", CreatedAt: now, LastUsedAt: now, ExpiresAt: now.Add(identity.SessionLife)}
}

func tokenOf(u identity.User, name string, life time.Duration) identity.Token {
	return identity.Token{ID: tenant.NewTokenID(), Organization: u.Organization, User: u.ID, Name: name, CreatedAt: now, ExpiresAt: now.Add(life)}
}

// signUp adds a person whose session's secret is the address.
func signUp(t *testing.T, s *postgres.Identity, email string) (identity.User, identity.Session) {
	t.Helper()
	u := person(email)
	x := sessionOf(u)
	if err := s.SignUp(t.Context(), asked(t, s, email), u, "hash of "+email, "Acme", x, hash(email), nil); err != nil {
		t.Fatal(err)
	}
	return u, x
}

// asked is a link that was sent to an address.
func asked(t *testing.T, s *postgres.Identity, email string) []byte {
	t.Helper()
	link := hash(string(tenant.NewUserID()))
	err := s.DB.AsLogin(t.Context(), func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "INSERT INTO signups (hash, email, created_at, expires_at) VALUES ($1, $2, $3, $4)", link, email, now, now.Add(time.Hour))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return link
}

// asks is a request with a secret at a time.
func asks(secret string, at time.Time) postgres.Request {
	return postgres.Request{Secret: hash(secret), Address: "192.0.2.9", At: at}
}

func by(u identity.User) postgres.By {
	return postgres.By{Organization: u.Organization, Actor: string(u.ID), Address: "192.0.2.7"}
}

func count(t *testing.T, db *pg.DB, query string) (n int) {
	t.Helper()
	err := db.AsWorker(t.Context(), func(tx pgx.Tx) error { return tx.QueryRow(t.Context(), query).Scan(&n) })
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestSignUp(t *testing.T) {
	t.Parallel()
	s := &postgres.Identity{DB: pgtest.New(t)}
	u, x := signUp(t, s, "ada@example.com")
	got, passwordHash, ok, err := s.ByEmail(t.Context(), "ada@example.com")
	if err != nil || !ok || got.ID != u.ID || got.Organization != u.Organization || !got.CreatedAt.Equal(now) || passwordHash != "hash of ada@example.com" {
		t.Errorf("ByEmail = %+v, %q, %v, %v; want %+v", got, passwordHash, ok, err, u)
	}
	for _, unknown := range []string{"eve@example.com", "", "\x00", "ADA@example.com"} {
		if _, _, ok, err := s.ByEmail(t.Context(), unknown); ok || err != nil {
			t.Errorf("ByEmail(%q) = %v, %v; want none", unknown, ok, err)
		}
	}
	c, err := s.Authenticate(t.Context(), asks("ada@example.com", now))
	want := identity.Caller{User: u.ID, Email: u.Email, Organization: u.Organization, Role: identity.Owner, Permissions: identity.Owner.Permissions(nil), Session: x.ID}
	if err != nil || !reflect.DeepEqual(c, want) {
		t.Errorf("Authenticate = %+v, %v; want %+v", c, err, want)
	}
	a, err := s.Account(t.Context(), c.User)
	if err != nil || a.Email != u.Email || len(a.Memberships) != 1 || a.Memberships[0] != (identity.Membership{Organization: u.Organization, Name: "Acme", Role: identity.Owner}) {
		t.Errorf("Account = %+v, %v", a, err)
	}
}

func TestSignUpOnce(t *testing.T) {
	t.Parallel()
	s := &postgres.Identity{DB: pgtest.New(t)}
	var all sync.WaitGroup
	results := make(chan error, 8)
	for i := range cap(results) {
		link := asked(t, s, "ada@example.com")
		all.Go(func() {
			u := person("ada@example.com")
			results <- s.SignUp(t.Context(), link, u, "x", "Acme", sessionOf(u), hash(fmt.Sprint(i)), nil)
		})
	}
	all.Wait()
	close(results)
	made := 0
	for err := range results {
		switch {
		case err == nil:
			made++
		case !errors.Is(err, identity.ErrEmailTaken) && !errors.Is(err, identity.ErrBadLink):
			t.Errorf("SignUp: %v, want ErrEmailTaken, or ErrBadLink where the first was done", err)
		}
	}
	if made != 1 {
		t.Errorf("%d people have one address", made)
	}
	// What was refused left nothing behind.
	for table, want := range map[string]int{"organizations": 1, "users": 1, "memberships": 1, "sessions": 1, "audit_log": 2} {
		if n := count(t, s.DB, "SELECT count(*) FROM "+table); n != want {
			t.Errorf("%s has %d rows, want %d", table, n, want)
		}
	}
}

// member adds a person to an organization.
func member(t *testing.T, db *pg.DB, org tenant.OrganizationID, u tenant.UserID, role identity.Role) {
	t.Helper()
	err := db.AsLogin(t.Context(), func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "INSERT INTO memberships (organization_id, user_id, role) VALUES ($1, $2, $3)", org, u, role)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAuthenticate(t *testing.T) {
	t.Parallel()
	s := &postgres.Identity{DB: pgtest.New(t)}
	u, _ := signUp(t, s, "ada@example.com")
	if err := s.AddToken(t.Context(), by(u), tokenOf(u, "ci", time.Hour), hash("token")); err != nil {
		t.Fatal(err)
	}
	const idle = identity.SessionIdle
	for _, tc := range []struct {
		why, secret string
		at          time.Time
		ok          bool
	}{
		{"a token is good", "token", now, true},
		{"a token is good to its last moment", "token", now.Add(time.Hour - time.Microsecond), true},
		{"a token's time is over, to the instant", "token", now.Add(time.Hour), false},
		{"a token has been over for long", "token", now.Add(time.Hour * 1e4), false},
		{"nobody has such a secret", "eve@example.com", now, false},
		{"a hash's beginning is not a secret", "", now, false},
		{"a session is good", "ada@example.com", now, true},
		{"a session that is used goes on", "ada@example.com", now.Add(idle - time.Second), true},
		{"and on", "ada@example.com", now.Add(2*idle - time.Minute), true},
		{"one that was not used has ended", "ada@example.com", now.Add(3 * idle), false},
	} {
		_, err := s.Authenticate(t.Context(), asks(tc.secret, tc.at))
		if tc.ok && err != nil || !tc.ok && !errors.Is(err, identity.ErrBadToken) {
			t.Errorf("Authenticate: %v: %s", err, tc.why)
		}
	}
	if err := s.LogIn(t.Context(), sessionOf(u), hash("used"), nil); err != nil {
		t.Fatal(err)
	}
	for at := now; at.Before(now.Add(identity.SessionLife)); at = at.Add(idle / 2) {
		if _, err := s.Authenticate(t.Context(), asks("used", at)); err != nil {
			t.Errorf("a session that is used, after %s: %v", at.Sub(now), err)
		}
	}
	if _, err := s.Authenticate(t.Context(), asks("used", now.Add(identity.SessionLife))); !errors.Is(err, identity.ErrBadToken) {
		t.Errorf("a session that is used past its end: %v", err)
	}
}

// TestCurrentOrganization: the one that is named, else the one chosen last, else the
// oldest; and never one of which the person is not a member.
func TestCurrentOrganization(t *testing.T) {
	t.Parallel()
	s := &postgres.Identity{DB: pgtest.New(t)}
	ada, _ := signUp(t, s, "ada@example.com")
	eve, _ := signUp(t, s, "eve@example.com")
	bob, _ := signUp(t, s, "bob@example.com")
	member(t, s.DB, eve.Organization, ada.ID, identity.Viewer)
	if err := s.AddToken(t.Context(), by(ada), tokenOf(ada, "ci", time.Hour), hash("token")); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		secret      string
		named, want tenant.OrganizationID
		role        identity.Role
		why         string
	}{
		{"ada@example.com", "", ada.Organization, identity.Owner, "her own at first"},
		{"ada@example.com", eve.Organization, eve.Organization, identity.Viewer, "the one that is named, in her role there"},
		{"ada@example.com", "", eve.Organization, identity.Viewer, "which is the one chosen last"},
		{"ada@example.com", bob.Organization, "", "", "not one of which she is no member"},
		{"ada@example.com", "org-nowhere", "", "", "nor one that does not exist"},
		{"ada@example.com", "", eve.Organization, identity.Viewer, "and a wrong name changes nothing"},
		{"token", "", ada.Organization, identity.Owner, "a token stays in its organization"},
		{"token", ada.Organization, ada.Organization, identity.Owner, "which may be named"},
		{"token", eve.Organization, "", "", "and no other"},
	} {
		r := asks(tc.secret, now)
		r.Organization = tc.named
		c, err := s.Authenticate(t.Context(), r)
		if tc.want == "" {
			if !errors.Is(err, identity.ErrNoOrganization) || c.User != "" {
				t.Errorf("in %s: %+v, %v; want ErrNoOrganization and nobody: %s", tc.named, c, err, tc.why)
			}
			continue
		}
		if err != nil || c.Organization != tc.want || c.Role != tc.role {
			t.Errorf("in %q: %+v, %v; want %s as %s: %s", tc.named, c, err, tc.want, tc.role, tc.why)
		}
	}
	x := sessionOf(ada)
	if err := s.LogIn(t.Context(), x, hash("again"), hash("ada@example.com")); err != nil {
		t.Fatal(err)
	}
	if c, err := s.Authenticate(t.Context(), asks("again", now)); err != nil || c.Organization != eve.Organization {
		t.Errorf("the next log-in begins in %s, %v; want the one chosen last, %s", c.Organization, err, eve.Organization)
	}
	if _, err := s.Authenticate(t.Context(), asks("ada@example.com", now)); !errors.Is(err, identity.ErrBadToken) {
		t.Errorf("the session before in the same browser: %v, want that it ended", err)
	}
	// Who is thrown out of all is nobody's member, and still somebody.
	err := s.DB.AsTenant(t.Context(), eve.Organization, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "DELETE FROM memberships WHERE user_id = $1", ada.ID)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if c, err := s.Authenticate(t.Context(), asks("again", now)); err != nil || c.Organization != ada.Organization {
		t.Errorf("after leaving the one chosen last: %+v, %v; want the other one", c, err)
	}
	err = s.DB.AsTenant(t.Context(), ada.Organization, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "DELETE FROM memberships WHERE user_id = $1", ada.ID)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if c, err := s.Authenticate(t.Context(), asks("again", now)); err != nil || c.User != ada.ID || c.Organization != "" || len(c.Permissions) > 0 {
		t.Errorf("a member of nothing: %+v, %v", c, err)
	}
	if _, err := s.Authenticate(t.Context(), asks("token", now)); !errors.Is(err, identity.ErrBadToken) {
		t.Errorf("the token of somebody who left: %v, want ErrBadToken", err)
	}
}

func TestLastUse(t *testing.T) {
	t.Parallel()
	s := &postgres.Identity{DB: pgtest.New(t)}
	u, _ := signUp(t, s, "ada@example.com")
	if err := s.AddToken(t.Context(), by(u), tokenOf(u, "ci", time.Hour), hash("token")); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		at, want time.Duration
		why      string
	}{
		{0, 0, "the first use is noted"},
		{time.Minute, 0, "what is busy is not written at every request"},
		{time.Minute + time.Second, time.Minute + time.Second, "after a minute it is"},
	} {
		for _, secret := range []string{"token", "ada@example.com"} {
			if _, err := s.Authenticate(t.Context(), asks(secret, now.Add(tc.at))); err != nil {
				t.Fatal(err)
			}
		}
		tokens, err := s.Tokens(t.Context(), u.Organization, "", "", 10)
		if err != nil || len(tokens) != 1 || tokens[0].LastUsedAt == nil || !tokens[0].LastUsedAt.Equal(now.Add(tc.want)) {
			t.Errorf("used at %s: %+v, %v: %s", tc.at, tokens, err, tc.why)
		}
		sessions, err := s.Sessions(t.Context(), u.ID, now.Add(tc.at), "", 10)
		if err != nil || len(sessions) != 1 || !sessions[0].LastUsedAt.Equal(now.Add(tc.want)) || (sessions[0].Address == "192.0.2.9") != (tc.want > 0) {
			t.Errorf("used at %s: %+v, %v: %s", tc.at, sessions, err, tc.why)
		}
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	s := &postgres.Identity{DB: pgtest.New(t)}
	ada, _ := signUp(t, s, "ada@example.com")
	eve, _ := signUp(t, s, "eve@example.com")
	member(t, s.DB, ada.Organization, eve.ID, identity.Developer)
	scoped := tokenOf(ada, "scoped", time.Hour)
	scoped.Scopes = []identity.Permission{identity.ClustersRead}
	hers := identity.Token{ID: tenant.NewTokenID(), Organization: ada.Organization, User: eve.ID, Name: "hers", CreatedAt: now, ExpiresAt: now.Add(time.Hour)}
	own := tokenOf(eve, "own", time.Hour)
	for _, x := range []identity.Token{scoped, hers, tokenOf(ada, "late", time.Hour)} {
		if err := s.AddToken(t.Context(), by(ada), x, hash(x.Name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.AddToken(t.Context(), by(eve), own, hash("own")); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		org   tenant.OrganizationID
		of    tenant.UserID
		after string
		limit int
		want  string
	}{
		{ada.Organization, "", "", 10, "[scoped hers late]"},
		{ada.Organization, "", "", 2, "[scoped hers]"},
		{ada.Organization, "", string(hers.ID), 10, "[late]"},
		{ada.Organization, eve.ID, "", 10, "[hers]"},
		{eve.Organization, "", "", 10, "[own]"},
	} {
		tokens, err := s.Tokens(t.Context(), tc.org, tc.of, tc.after, tc.limit)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, x := range tokens {
			names = append(names, x.Name)
			if (x.Name == "scoped") != (len(x.Scopes) == 1) || (x.Name != "scoped") != (x.Scopes == nil) {
				t.Errorf("%s has the scopes %v", x.Name, x.Scopes)
			}
		}
		if got := fmt.Sprint(names); got != tc.want {
			t.Errorf("Tokens of %q after %q, %d: %s, want %s", tc.of, tc.after, tc.limit, got, tc.want)
		}
	}
	if c, err := s.Authenticate(t.Context(), asks("scoped", now)); err != nil || fmt.Sprint(c.Permissions) != "[clusters:read]" || !c.Scoped || c.Role != identity.Owner {
		t.Errorf("a scoped token: %+v, %v", c, err)
	}
	for why, err := range map[string]error{
		"another organization's token":          s.RevokeToken(t.Context(), by(ada), "", own.ID),
		"somebody else's, where only one's own": s.RevokeToken(t.Context(), by(ada), eve.ID, scoped.ID),
	} {
		if !errors.Is(err, identity.ErrNoToken) {
			t.Errorf("%s: %v, want ErrNoToken", why, err)
		}
	}
	if err := s.RevokeToken(t.Context(), by(ada), "", hers.ID); err != nil {
		t.Fatal(err)
	}
	if err := s.RevokeToken(t.Context(), by(ada), "", hers.ID); !errors.Is(err, identity.ErrNoToken) {
		t.Errorf("revoked twice: %v, want ErrNoToken", err)
	}
	if _, err := s.Authenticate(t.Context(), asks("hers", now)); !errors.Is(err, identity.ErrBadToken) {
		t.Errorf("a revoked token: %v, want ErrBadToken", err)
	}
	if n := count(t, s.DB, "SELECT count(*) FROM audit_log WHERE action IN ('organization.create', 'token.create', 'user.login', 'token.revoke')"); n != 2+4+2+1 {
		t.Errorf("%d audit entries, want 2 organizations, 4 tokens, 2 log-ins and a revocation", n)
	}
}

func TestSessions(t *testing.T) {
	t.Parallel()
	s := &postgres.Identity{DB: pgtest.New(t)}
	ada, first := signUp(t, s, "ada@example.com")
	eve, hers := signUp(t, s, "eve@example.com")
	second := sessionOf(ada)
	if err := s.LogIn(t.Context(), second, hash("second"), nil); err != nil {
		t.Fatal(err)
	}
	ids := func(at time.Time) string {
		all, err := s.Sessions(t.Context(), ada.ID, at, "", 10)
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, x := range all {
			ids = append(ids, string(x.ID))
		}
		return strings.Join(ids, " ")
	}
	if got, want := ids(now), string(first.ID+" "+second.ID); got != want {
		t.Errorf("sessions %s, want %s", got, want)
	}
	if got := ids(now.Add(identity.SessionIdle)); got != "" {
		t.Errorf("what ended by itself is listed: %s", got)
	}
	if err := s.EndSession(t.Context(), by(ada), ada.ID, hers.ID); !errors.Is(err, identity.ErrNoSession) {
		t.Errorf("somebody else's session: %v, want ErrNoSession", err)
	}
	if err := s.EndSession(t.Context(), by(ada), ada.ID, first.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Authenticate(t.Context(), asks("ada@example.com", now)); !errors.Is(err, identity.ErrBadToken) {
		t.Errorf("an ended session: %v, want ErrBadToken", err)
	}
	if c, err := s.Authenticate(t.Context(), asks("eve@example.com", now)); err != nil || c.User != eve.ID {
		t.Errorf("somebody else's session: %+v, %v", c, err)
	}
}
