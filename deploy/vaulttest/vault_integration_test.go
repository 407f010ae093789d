//go:build integration

package vaulttest_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/deploy/vaulttest"
	"github.com/marina-cloud/marina/internal/seal"
	"github.com/marina-cloud/marina/internal/seal/sealtest"
	"github.com/marina-cloud/marina/internal/seal/vault"
	"github.com/marina-cloud/marina/migrations/pg"
	"github.com/marina-cloud/marina/migrations/pgtest"
)

// TestVault gives one Vault server everything that can happen to it. The steps run
// one after the other: some of them seal it.
func TestVault(t *testing.T) {
	s := vaulttest.New(t)
	t.Run("IsAStore", func(t *testing.T) {
		db, v := pgtest.New(t), connect(t, s.AppRole("store", time.Hour, time.Hour))
		sealtest.Run(t, func(t *testing.T) seal.Store { return open(t, db, filepath.Join(t.TempDir(), "none"), v) })
		if n := count(t, db, "SELECT count(*) FROM keystore_keys WHERE master <> 'vault' OR wrapped NOT LIKE 'vault:v1:%'"); n != 0 {
			t.Errorf("%d data keys are not Vault's", n)
		}
	})
	t.Run("TokenIsRenewed", func(t *testing.T) { testRenewal(t, s) })
	t.Run("LogsInAgain", func(t *testing.T) { testLoginAgain(t, s) })
	t.Run("TakesANewToken", func(t *testing.T) { testNewToken(t, s) })
	t.Run("SaysWhatIsWrong", func(t *testing.T) { testExplanations(t, s) })
	t.Run("KeyRotation", func(t *testing.T) { testRotation(t, s) })
	t.Run("Switch", func(t *testing.T) { testSwitch(t, s) })
	t.Run("SealedAndAway", func(t *testing.T) { testSealed(t, s) })
}

func connect(t *testing.T, c vault.Config) *vault.Transit {
	t.Helper()
	v, err := vault.New(c, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func open(t *testing.T, db *pg.DB, master string, v seal.Master) *seal.Keystore {
	t.Helper()
	k, err := seal.OpenWithVault(t.Context(), db, master, v)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// keep runs a loop until the test ends.
func keep(t *testing.T, loop func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- loop(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(30 * time.Second)
	for !holds() {
		select {
		case <-limit:
			t.Fatalf("%s: not within 30 s", what)
		case <-tick.C:
		}
	}
}

func count(t *testing.T, db *pg.DB, query string) (n int) {
	t.Helper()
	err := db.AsWorker(t.Context(), func(tx pgx.Tx) error { return tx.QueryRow(t.Context(), query).Scan(&n) })
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// works wraps and unwraps something.
func works(ctx context.Context, v *vault.Transit) error {
	b := seal.Bound{Data: []byte("0123456789abcdef0123456789abcdef"), To: []byte("test")}
	wrapped, err := v.Wrap(ctx, []seal.Bound{b})
	if err != nil {
		return err
	}
	got, err := v.Unwrap(ctx, []seal.Bound{{Data: wrapped[0], To: b.To}})
	if err == nil && string(got[0]) != string(b.Data) {
		err = errors.New("something else came back")
	}
	return err
}

// accessors is how many tokens Vault knows.
func accessors(t *testing.T, s *vaulttest.Server) int {
	t.Helper()
	list, err := s.Root.Logical().List("auth/token/accessors")
	if err != nil {
		t.Fatal(err)
	}
	keys, _ := list.Data["keys"].([]any)
	return len(keys)
}

func testRenewal(t *testing.T, s *vaulttest.Server) {
	const ttl = 2 * time.Second
	v := connect(t, s.AppRole("renewed", ttl, time.Hour))
	if err := works(t.Context(), v); err != nil {
		t.Fatal(err)
	}
	before := accessors(t, s)
	keep(t, v.Keep)
	began := time.Now()
	eventually(t, "three lives of the token are over", func() bool {
		if err := works(t.Context(), v); err != nil {
			t.Fatalf("after %s: %v", time.Since(began), err)
		}
		return time.Since(began) > 3*ttl
	})
	if now := accessors(t, s); now > before {
		t.Errorf("there are %d tokens, and there were %d: the token was replaced, not renewed", now, before)
	}
}

func testLoginAgain(t *testing.T, s *vaulttest.Server) {
	const ttl, longest = time.Second, 2 * time.Second
	c := s.AppRole("short", ttl, longest)
	v := connect(t, c)
	keep(t, v.Keep)
	began := time.Now()
	eventually(t, "the greatest age of a token is over twice", func() bool {
		if err := works(t.Context(), v); err != nil {
			t.Fatalf("after %s: %v", time.Since(began), err)
		}
		return time.Since(began) > 2*longest
	})

	// A token that somebody revokes is replaced at once.
	long := s.AppRole("revoked", time.Hour, time.Hour)
	v = connect(t, long)
	if err := works(t.Context(), v); err != nil {
		t.Fatal(err)
	}
	s.Write("sys/leases/revoke-prefix/auth/approle/", nil)
	if err := works(t.Context(), v); err != nil {
		t.Errorf("after its token was revoked: %v", err)
	}

	// A secret id that is not let in is said to be so, and a new one is taken.
	if err := os.WriteFile(long.SecretIDFile, []byte("wrong"), 0o600); err != nil {
		t.Fatal(err)
	}
	v = connect(t, long)
	if err := works(t.Context(), v); !errors.Is(err, seal.ErrAway) || !strings.Contains(err.Error(), long.SecretIDFile) {
		t.Errorf("with a wrong secret id: %v; want ErrAway that names the file", err)
	}
	keep(t, v.Keep)
	s.NewSecretID("revoked", long)
	eventually(t, "the new secret id is taken", func() bool { return works(t.Context(), v) == nil })
}

func testNewToken(t *testing.T, s *vaulttest.Server) {
	c, token := s.Token(time.Hour)
	v := connect(t, c)
	if err := works(t.Context(), v); err != nil {
		t.Fatal(err)
	}
	keep(t, v.Keep)
	s.Write("auth/token/revoke", map[string]any{"token": token})
	eventually(t, "the revoked token is noticed", func() bool { return !v.State().OK || works(t.Context(), v) != nil })
	eventually(t, "the state says it", func() bool { return !v.State().OK })
	if m := v.State().Message; !strings.Contains(m, c.TokenFile) {
		t.Errorf("the state says %q; want it to name the file", m)
	}
	s.NewToken(c, time.Hour)
	eventually(t, "the new token is taken", func() bool { return v.State().OK && works(t.Context(), v) == nil })
	if err := os.Chmod(c.TokenFile, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := works(t.Context(), connect(t, c)); !errors.Is(err, seal.ErrAway) || !strings.Contains(err.Error(), "chmod") {
		t.Errorf("with a token that others can read: %v", err)
	}
}

func testExplanations(t *testing.T, s *vaulttest.Server) {
	good := s.AppRole("explained", time.Hour, time.Hour)
	s.Write("transit/keys/other", nil)
	for _, c := range []struct {
		why    string
		change func(*vault.Config)
		says   string
	}{
		{"a key that the policy does not name", func(c *vault.Config) { c.Key = "other" }, "policy"},
		{"a mount that is not there", func(c *vault.Config) { c.Mount = "elsewhere" }, "policy"}, // Vault does not tell whom it lets in nowhere
		{"a certificate of an unknown authority", func(c *vault.Config) { c.CAFile = "" }, "certificate"},
		{"an address where nobody listens", func(c *vault.Config) { c.Address = "https://127.0.0.1:1" }, "cannot be reached"},
		{"an AppRole mount that is not there", func(c *vault.Config) { c.AppRole = "nowhere" }, "secret id"},
	} {
		cfg := good
		c.change(&cfg)
		err := works(t.Context(), connect(t, cfg))
		if !errors.Is(err, seal.ErrAway) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v; want ErrAway that says %q", c.why, err, c.says)
		}
	}
	v := connect(t, good)
	for _, data := range []string{"vault:v1:AAAA", "garbage", "", "vault:v99:" + strings.Repeat("A", 80)} {
		if _, err := v.Unwrap(t.Context(), []seal.Bound{{Data: []byte(data), To: []byte("x")}}); !errors.Is(err, seal.ErrMasterKey) {
			t.Errorf("Unwrap(%q) = %v, want ErrMasterKey", data, err)
		}
	}
	wrapped, err := v.Wrap(t.Context(), []seal.Bound{{Data: []byte("a"), To: []byte("mine")}, {Data: []byte("b"), To: []byte("mine")}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Unwrap(t.Context(), []seal.Bound{{Data: wrapped[0], To: []byte("mine")}, {Data: wrapped[1], To: []byte("yours")}}); !errors.Is(err, seal.ErrMasterKey) {
		t.Errorf("Unwrap of a key bound to something else = %v, want ErrMasterKey", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := works(ctx, v); !errors.Is(err, context.Canceled) || !v.State().OK {
		t.Errorf("with a context that has ended: %v, state %+v; want that to say nothing about Vault", err, v.State())
	}
}
