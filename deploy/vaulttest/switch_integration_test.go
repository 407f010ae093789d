//go:build integration

package vaulttest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/deploy/vaulttest"
	"github.com/marina-cloud/marina/internal/seal"
	"github.com/marina-cloud/marina/internal/seal/vault"
	"github.com/marina-cloud/marina/migrations/pg"
	"github.com/marina-cloud/marina/migrations/pgtest"
)

// secrets are what lies sealed somewhere, by the name of its key.
type secrets map[string][]byte

func sealSome(t *testing.T, k *seal.Keystore, n int, prefix string) secrets {
	t.Helper()
	made := secrets{}
	for i := range n {
		name := fmt.Sprintf("%s-%04d", prefix, i)
		sealed, err := k.Seal(t.Context(), name, []byte(name), []byte("purpose"))
		if err != nil {
			t.Fatal(err)
		}
		made[name] = sealed
	}
	return made
}

// opensAll opens everything in a store that has nothing in memory.
func opensAll(t *testing.T, k *seal.Keystore, all ...secrets) {
	t.Helper()
	for _, some := range all {
		for name, sealed := range some {
			if got, err := k.Open(t.Context(), name, sealed, []byte("purpose")); err != nil || string(got) != name {
				t.Fatalf("%s: Open = %q, %v", name, got, err)
			}
		}
	}
}

func testRotation(t *testing.T, s *vaulttest.Server) {
	s.Write("transit/keys/turning", nil)
	if err := s.Root.Sys().PutPolicy("turning", vault.Config{Mount: "transit", Key: "turning"}.Policy()); err != nil {
		t.Fatal(err)
	}
	c := s.AppRole("turning", time.Hour, time.Hour)
	s.Write("auth/approle/role/turning", map[string]any{"token_policies": "turning"})
	c.Key = "turning"
	db, v, master := pgtest.New(t), connect(t, c), filepath.Join(t.TempDir(), "master.key")
	k := open(t, db, master, v)
	old := sealSome(t, k, 5, "old")
	s.Write("transit/keys/turning/rotate", nil)
	fresh := sealSome(t, k, 5, "new")
	opensAll(t, open(t, db, master, v), old, fresh)
	if n := count(t, db, "SELECT count(*) FROM keystore_keys WHERE wrapped LIKE 'vault:v2:%'"); n != 5 {
		t.Errorf("%d data keys are wrapped by the new version, want the 5 new ones", n)
	}
	if err := k.Rewrap(t.Context()); err != nil {
		t.Fatal(err)
	}
	keep(t, k.Keep)
	eventually(t, "all data keys are wrapped anew", func() bool {
		st, err := k.Status(t.Context())
		return err == nil && st.Left == 0 && st.Keys == 10
	})
	s.Write("transit/keys/turning/config", map[string]any{"min_decryption_version": 2})
	opensAll(t, open(t, db, master, v), old, fresh)
	if _, err := os.Stat(master); err == nil {
		t.Error("an installation that has only ever known Vault has a master key in a file")
	}
}

// keeperConfig is what the process of TestMain is told.
type keeperConfig struct {
	DSN, Master string
	Vault       vault.Config
}

const keeperVariable = "MARINA_TEST_KEEPER"

// TestMain is also a process that seals data keys anew until it is killed.
func TestMain(m *testing.M) {
	text := os.Getenv(keeperVariable)
	if text == "" {
		os.Exit(m.Run())
	}
	fmt.Fprintln(os.Stderr, keeper(context.Background(), text))
	os.Exit(1)
}

func keeper(ctx context.Context, text string) error {
	var c keeperConfig
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		return err
	}
	db, err := pg.Open(ctx, c.DSN)
	if err != nil {
		return err
	}
	v, err := vault.New(c.Vault, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		return err
	}
	k, err := seal.OpenWithVault(ctx, db, c.Master, v)
	if err != nil {
		return err
	}
	return k.Keep(ctx)
}

// startKeeper starts that process, and returns how to kill it.
func startKeeper(t *testing.T, c keeperConfig) (kill func()) {
	t.Helper()
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0]) //nolint:noctx // it is killed
	cmd.Env = append(os.Environ(), keeperVariable+"="+string(text))
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	kill = func() {
		if !ended {
			ended = true
			_ = cmd.Process.Kill() // it may have ended: Wait tells
			_ = cmd.Wait()         // "signal: killed"
		}
	}
	t.Cleanup(kill)
	return kill
}

// testSwitch moves an installation to Vault and back, with the process that does it
// killed on the way, and looks at each stop whether everything opens.
func testSwitch(t *testing.T, s *vaulttest.Server) {
	const keys, committed = 250, 200 // two batches of a hundred are done when it is killed
	dsn, master := pgtest.NewDSN(t), filepath.Join(t.TempDir(), "master.key")
	db, err := pg.Open(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	before, err := seal.Open(t.Context(), db, master)
	if err != nil {
		t.Fatal(err)
	}
	old := sealSome(t, before, keys, "old")
	if err := before.SetMaster(t.Context(), seal.InVault); !errors.Is(err, seal.ErrNoMaster) {
		t.Fatalf("SetMaster without a Vault = %v, want ErrNoMaster", err)
	}

	cfg := s.AppRole("switch", time.Hour, time.Hour)
	conf := keeperConfig{DSN: dsn, Master: master, Vault: cfg}
	unreachable := cfg
	unreachable.Address = "https://127.0.0.1:1"
	if err := open(t, db, master, connect(t, unreachable)).SetMaster(t.Context(), seal.InVault); !errors.Is(err, seal.ErrAway) {
		t.Fatalf("SetMaster to a Vault that is away = %v, want ErrAway", err)
	}
	k := open(t, db, master, connect(t, cfg))
	if n := count(t, db, "SELECT count(*) FROM keystore_keys WHERE master <> 'keystore'"); n != 0 {
		t.Fatalf("%d data keys were moved although nobody asked for it", n)
	}

	// A lock on one row of the third batch stops the process in the middle of it.
	stop, release := context.WithCancel(context.WithoutCancel(t.Context()))
	t.Cleanup(release)
	locked, released := make(chan struct{}), make(chan error, 1)
	go func() {
		released <- db.AsWorker(context.WithoutCancel(t.Context()), func(tx pgx.Tx) error {
			_, err := tx.Exec(context.WithoutCancel(t.Context()), "SELECT FROM keystore_keys WHERE name = 'old-0230' FOR UPDATE")
			close(locked)
			<-stop.Done()
			return err
		})
	}()
	<-locked
	if err := k.SetMaster(t.Context(), seal.InVault); err != nil {
		t.Fatal(err)
	}
	kill := startKeeper(t, conf)
	waiting := "SELECT count(*) FROM pg_locks WHERE NOT granted"
	moved := "SELECT count(*) FROM keystore_keys WHERE master = 'vault'"
	eventually(t, "the process hangs in the third batch", func() bool { return count(t, db, moved) == committed && count(t, db, waiting) > 0 })
	kill()
	during := sealSome(t, k, 3, "during") // by Vault at once
	release()
	if err := <-released; err != nil {
		t.Fatal(err)
	}
	st, err := k.Status(t.Context())
	if err != nil || st.Master != seal.InVault || st.Keys != keys+3 || st.Left != keys-committed {
		t.Errorf("after the kill the status is %+v, %v; want %d of %d left", st, err, keys-committed, keys+3)
	}
	opensAll(t, open(t, db, master, connect(t, cfg)), old, during)

	kill = startKeeper(t, conf)
	left := func() int {
		st, err := k.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return st.Left
	}
	eventually(t, "the next process ends the work", func() bool { return left() == 0 })
	if err := os.Rename(master, master+".old"); err != nil {
		t.Fatal(err)
	}
	opensAll(t, open(t, db, master, connect(t, cfg)), old, during)
	if _, err := seal.Open(t.Context(), db, master); !errors.Is(err, seal.ErrNoMaster) {
		t.Errorf("Open without Vault = %v, want ErrNoMaster", err)
	}
	kill()

	// And back, to a new master key.
	k = open(t, db, master, connect(t, cfg))
	if err := k.SetMaster(t.Context(), seal.InFile); err != nil {
		t.Fatal(err)
	}
	keep(t, k.Keep)
	eventually(t, "everything is under the keystore again", func() bool { return left() == 0 })
	alone, err := seal.Open(t.Context(), db, master)
	if err != nil {
		t.Fatal(err)
	}
	opensAll(t, alone, old, during)
}
