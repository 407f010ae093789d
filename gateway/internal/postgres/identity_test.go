//go:build integration

package postgres_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
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

func tokenOf(u identity.User, name string, life time.Duration) identity.Token {
	return identity.Token{ID: tenant.NewTokenID(), Organization: u.Organization, User: u.ID, Name: name, CreatedAt: now, ExpiresAt: now.Add(life)}
}

// signUp adds a person whose token's secret is the address.
func signUp(t *testing.T, s *postgres.Identity, email string) (identity.User, identity.Token) {
	t.Helper()
	u := person(email)
	tok := tokenOf(u, "signup", time.Hour)
	if err := s.SignUp(t.Context(), "Acme", u, "hash of "+email, tok, hash(email), "192.0.2.7"); err != nil {
		t.Fatal(err)
	}
	return u, tok
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
	u, tok := signUp(t, s, "ada@example.com")
	got, passwordHash, ok, err := s.ByEmail(t.Context(), "ada@example.com")
	if err != nil || !ok || got.ID != u.ID || got.Organization != u.Organization || !got.CreatedAt.Equal(now) || passwordHash != "hash of ada@example.com" {
		t.Errorf("ByEmail = %+v, %q, %v, %v; want %+v", got, passwordHash, ok, err, u)
	}
	for _, unknown := range []string{"eve@example.com", "", "\x00", "ADA@example.com"} {
		if _, _, ok, err := s.ByEmail(t.Context(), unknown); ok || err != nil {
			t.Errorf("ByEmail(%q) = %v, %v; want none", unknown, ok, err)
		}
	}
	c, err := s.Authenticate(t.Context(), hash("ada@example.com"), now)
	if want := (identity.Caller{Organization: u.Organization, User: u.ID, Token: tok.ID}); err != nil || c != want {
		t.Errorf("Authenticate = %+v, %v; want %+v", c, err, want)
	}
	me, name, err := s.Account(t.Context(), c)
	if err != nil || me.Email != u.Email || name != "Acme" {
		t.Errorf("Account = %+v, %q, %v", me, name, err)
	}
}

func TestSignUpOnce(t *testing.T) {
	t.Parallel()
	s := &postgres.Identity{DB: pgtest.New(t)}
	var all sync.WaitGroup
	results := make(chan error, 8)
	for i := range cap(results) {
		all.Go(func() {
			u := person("ada@example.com")
			results <- s.SignUp(t.Context(), "Acme", u, "x", tokenOf(u, "signup", time.Hour), hash(fmt.Sprint(i)), "")
		})
	}
	all.Wait()
	close(results)
	made := 0
	for err := range results {
		switch {
		case err == nil:
			made++
		case !errors.Is(err, identity.ErrEmailTaken):
			t.Errorf("SignUp: %v, want ErrEmailTaken", err)
		}
	}
	if made != 1 {
		t.Errorf("%d people have one address", made)
	}
	// What was refused left nothing behind.
	for _, table := range []string{"organizations", "users", "tokens", "audit_log"} {
		if n := count(t, s.DB, "SELECT count(*) FROM "+table); n != 1 {
			t.Errorf("%s has %d rows", table, n)
		}
	}
}

func TestAuthenticate(t *testing.T) {
	t.Parallel()
	s := &postgres.Identity{DB: pgtest.New(t)}
	signUp(t, s, "ada@example.com")
	for why, tc := range map[string]struct {
		secret string
		at     time.Time
		ok     bool
	}{
		"it is good":                        {"ada@example.com", now, true},
		"it is good to its last moment":     {"ada@example.com", now.Add(time.Hour - time.Microsecond), true},
		"its time is over, to the instant":  {"ada@example.com", now.Add(time.Hour), false},
		"it has been over for long":         {"ada@example.com", now.Add(time.Hour * 1e4), false},
		"nobody has such a token":           {"eve@example.com", now, false},
		"a hash's beginning is not a token": {"", now, false},
	} {
		_, err := s.Authenticate(t.Context(), hash(tc.secret), tc.at)
		if tc.ok && err != nil || !tc.ok && !errors.Is(err, identity.ErrBadToken) {
			t.Errorf("Authenticate: %v: %s", err, why)
		}
	}
}

func TestLastUse(t *testing.T) {
	t.Parallel()
	s := &postgres.Identity{DB: pgtest.New(t)}
	u, _ := signUp(t, s, "ada@example.com")
	for _, tc := range []struct {
		at, want time.Duration
		why      string
	}{
		{0, 0, "the first use is noted"},
		{time.Minute, 0, "a busy token is not written at every request"},
		{time.Minute + time.Second, time.Minute + time.Second, "after a minute it is"},
	} {
		if _, err := s.Authenticate(t.Context(), hash("ada@example.com"), now.Add(tc.at)); err != nil {
			t.Fatal(err)
		}
		tokens, err := s.Tokens(t.Context(), u.Organization, "", 10)
		if err != nil || len(tokens) != 1 || tokens[0].LastUsedAt == nil || !tokens[0].LastUsedAt.Equal(now.Add(tc.want)) {
			t.Errorf("used at %s: %+v, %v: %s", tc.at, tokens, err, tc.why)
		}
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	s := &postgres.Identity{DB: pgtest.New(t)}
	ada, first := signUp(t, s, "ada@example.com")
	eve, hers := signUp(t, s, "eve@example.com")
	c := identity.Caller{Organization: ada.Organization, User: ada.ID, Token: first.ID}
	ci := tokenOf(ada, "ci", time.Hour)
	if err := s.AddToken(t.Context(), c, ci, hash("ci"), "192.0.2.7"); err != nil {
		t.Fatal(err)
	}
	again := tokenOf(ada, "login", time.Hour)
	if err := s.LogIn(t.Context(), again, hash("login"), "192.0.2.7"); err != nil {
		t.Fatal(err)
	}
	names := func(org tenant.OrganizationID, after string, limit int) (names []string) {
		tokens, err := s.Tokens(t.Context(), org, after, limit)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range tokens {
			names = append(names, x.Name)
		}
		return names
	}
	for _, tc := range []struct {
		org   tenant.OrganizationID
		after string
		limit int
		want  string
	}{
		{ada.Organization, "", 10, "[signup ci login]"},
		{ada.Organization, "", 2, "[signup ci]"},
		{ada.Organization, string(ci.ID), 10, "[login]"},
		{eve.Organization, "", 10, "[signup]"},
	} {
		if got := fmt.Sprint(names(tc.org, tc.after, tc.limit)); got != tc.want {
			t.Errorf("Tokens after %q, %d: %s, want %s", tc.after, tc.limit, got, tc.want)
		}
	}
	if err := s.RevokeToken(t.Context(), c, hers.ID, ""); !errors.Is(err, identity.ErrNoToken) {
		t.Errorf("another organization's token: %v, want ErrNoToken", err)
	}
	if err := s.RevokeToken(t.Context(), c, ci.ID, ""); err != nil {
		t.Fatal(err)
	}
	if err := s.RevokeToken(t.Context(), c, ci.ID, ""); !errors.Is(err, identity.ErrNoToken) {
		t.Errorf("revoked twice: %v, want ErrNoToken", err)
	}
	if _, err := s.Authenticate(t.Context(), hash("ci"), now); !errors.Is(err, identity.ErrBadToken) {
		t.Errorf("a revoked token: %v, want ErrBadToken", err)
	}
	if n := count(t, s.DB, "SELECT count(*) FROM audit_log WHERE action IN ('organization.create', 'token.create', 'user.login', 'token.revoke')"); n != 5 {
		t.Errorf("%d audit entries, want 2 organizations and one of each other kind", n)
	}
}
