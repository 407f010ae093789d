//go:build integration

package seal_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/internal/seal"
	"github.com/marina-cloud/marina/internal/seal/sealtest"
	"github.com/marina-cloud/marina/migrations/pgtest"
)

func open(t *testing.T, db seal.Database, master string) *seal.Keystore {
	t.Helper()
	k, err := seal.Open(t.Context(), db, master)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestKeystoreIsAStore(t *testing.T) {
	db, master := pgtest.New(t), filepath.Join(t.TempDir(), "master.key")
	sealtest.Run(t, func(t *testing.T) seal.Store { return open(t, db, master) })
}

func TestMasterKeyMustFit(t *testing.T) {
	db, dir := pgtest.New(t), t.TempDir()
	master := filepath.Join(dir, "master.key")
	k := open(t, db, master)
	sealed, err := k.Seal(t.Context(), "one", []byte("secret"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(master, master+".away"); err != nil {
		t.Fatal(err)
	}
	if _, err := seal.Open(t.Context(), db, master); !errors.Is(err, seal.ErrMasterKey) {
		t.Errorf("Open without the master key of a database with keys = %v, want ErrMasterKey", err)
	}
	if _, err := os.Stat(master); err == nil {
		t.Error("a new master key was made although it can open nothing")
	}
	if err := os.WriteFile(master, bytes.Repeat([]byte{7}, 32), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := seal.Open(t.Context(), db, master); !errors.Is(err, seal.ErrMasterKey) {
		t.Errorf("Open with a wrong master key = %v, want ErrMasterKey", err)
	}
	if err := os.Rename(master+".away", master); err != nil {
		t.Fatal(err)
	}
	if got, err := open(t, db, master).Open(t.Context(), "one", sealed, nil); err != nil || string(got) != "secret" {
		t.Errorf("Open = %q, %v after the right key was restored", got, err)
	}
}

// TestKilledAtFirstStart: a key that was just being made stays nowhere, and the one
// that was made is kept.
func TestKilledAtFirstStart(t *testing.T) {
	db, dir := pgtest.New(t), t.TempDir()
	master := filepath.Join(dir, "master.key")
	for _, when := range []string{"before there was a key", "after it"} {
		left := filepath.Join(dir, ".master-123")
		if err := os.WriteFile(left, bytes.Repeat([]byte{7}, 32), 0o600); err != nil {
			t.Fatal(err)
		}
		sealed, err := open(t, db, master).Seal(t.Context(), "one", []byte("secret"), nil)
		if err != nil {
			t.Fatal(err)
		}
		if all, err := os.ReadDir(dir); err != nil || len(all) != 1 || all[0].Name() != "master.key" {
			t.Errorf("killed %s: the next start leaves %v, %v; want the master key alone", when, all, err)
		}
		if got, err := open(t, db, master).Open(t.Context(), "one", sealed, nil); err != nil || string(got) != "secret" {
			t.Errorf("killed %s: Open = %q, %v", when, got, err)
		}
	}
}

func TestRotate(t *testing.T) {
	db, master := pgtest.New(t), filepath.Join(t.TempDir(), "master.key")
	one, two := open(t, db, master), open(t, db, master)
	ctx := t.Context()
	if err := one.Rotate(ctx, "key"); !errors.Is(err, seal.ErrNoKey) {
		t.Errorf("Rotate of an absent key = %v, want ErrNoKey", err)
	}
	check := func(by *seal.Keystore, version string) []byte {
		t.Helper()
		sealed, err := by.Seal(ctx, "key", []byte("secret"), nil)
		if err != nil {
			t.Fatal(err)
		}
		if v, err := seal.Version(sealed); err != nil || v != version {
			t.Errorf("sealed under version %q, %v; want %s", v, err, version)
		}
		return sealed
	}
	old := check(one, "1")
	if got, err := two.Open(ctx, "key", old, nil); err != nil || string(got) != "secret" {
		t.Fatalf("Open = %q, %v", got, err)
	}
	if err := one.Rotate(ctx, "key"); err != nil {
		t.Fatal(err)
	}
	fresh := check(one, "2")
	for _, k := range []*seal.Keystore{one, two} { // two has version 1 in memory
		for _, sealed := range [][]byte{old, fresh} {
			if got, err := k.Open(ctx, "key", sealed, nil); err != nil || string(got) != "secret" {
				t.Errorf("Open = %q, %v; want both versions to open", got, err)
			}
		}
	}
}

func TestWrappedKeysAreBoundToTheirNames(t *testing.T) {
	db, master := pgtest.New(t), filepath.Join(t.TempDir(), "master.key")
	ctx := t.Context()
	k := open(t, db, master)
	if _, err := k.Seal(ctx, "theirs", []byte("secret"), nil); err != nil {
		t.Fatal(err)
	}
	// Somebody with access to the table alone gives a key of another name.
	if err := db.AsWorker(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "INSERT INTO keystore_keys SELECT 'mine', version, wrapped FROM keystore_keys")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Seal(ctx, "mine", []byte("secret"), nil); !errors.Is(err, seal.ErrMasterKey) {
		t.Errorf("Seal under a copied key = %v, want it refused", err)
	}
}

func TestKeystoreOutlivesADatabaseThatIsAway(t *testing.T) {
	k := open(t, pgtest.New(t), filepath.Join(t.TempDir(), "master.key"))
	ctx, cancel := context.WithCancel(t.Context())
	sealed, err := k.Seal(ctx, "warm", []byte("secret"), nil)
	if err != nil {
		t.Fatal(err)
	}
	cancel() // from here on the database answers nothing
	if got, err := k.Open(ctx, "warm", sealed, nil); err != nil || string(got) != "secret" {
		t.Errorf("Open = %q, %v; want a key in memory to serve without the database", got, err)
	}
	if _, err := k.Seal(ctx, "cold", nil, nil); err == nil {
		t.Error("Seal under a key that is not in memory worked without the database")
	}
}
