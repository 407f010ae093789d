package seal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
)

// ErrNoMaster says that something is needed of a master that was not named.
var ErrNoMaster = errors.New("this master was not named: start the server with the --vault- flags that it had before")

// Open opens the keystore in db with the master key at path, which is made when it
// is needed for the first time. It returns ErrMasterKey when the master key is not
// that of the database, and ErrNoMaster when keys are sealed by Vault.
func Open(ctx context.Context, db Database, path string) (*Keystore, error) {
	return OpenWithVault(ctx, db, path, nil)
}

// OpenWithVault is Open with Vault at hand (nil: it is not). A database without any
// keys gets Vault as its master; one with keys keeps the master that it has, until
// SetMaster. That Vault does not answer just now is no error.
func OpenWithVault(ctx context.Context, db Database, path string, vault Master) (*Keystore, error) {
	k := &Keystore{db: db, path: path, due: make(chan struct{}, 1), masters: map[string]Master{}, cache: map[string]entry{}}
	preferred := InFile
	if vault != nil {
		k.masters[InVault], preferred = vault, InVault
	}
	wanted, samples, err := k.begin(ctx, preferred, vault)
	if err != nil {
		return nil, fmt.Errorf("open keystore: %w", err)
	}
	_, used := samples[InFile]
	if used || wanted == InFile {
		if err := k.openFile(!used); err != nil {
			return nil, fmt.Errorf("open keystore: %w", err)
		}
	}
	if _, used := samples[InVault]; vault == nil && (used || wanted == InVault) {
		at, _, err := NeedsVault(ctx, db)
		return nil, errors.Join(fmt.Errorf("open keystore: data keys are sealed by %s: %w", at, ErrNoMaster), err)
	}
	for _, s := range samples {
		if _, err := k.unwrap(ctx, []stored{s}); err != nil && !errors.Is(err, ErrAway) {
			return nil, fmt.Errorf("open keystore: %w", err)
		}
	}
	return k, nil
}

// begin chooses a master for a database that has none, and returns which one the
// database has and one data key of each master that has wrapped any.
func (k *Keystore) begin(ctx context.Context, preferred string, vault Master) (wanted string, samples map[string]stored, err error) {
	err = k.db.AsWorker(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "INSERT INTO keystore (master) VALUES ($1) ON CONFLICT DO NOTHING", preferred); err != nil {
			return err
		}
		if vault != nil {
			if _, err := tx.Exec(ctx, "UPDATE keystore SET vault = $1", fmt.Sprint(vault)); err != nil {
				return err
			}
		}
		if err := tx.QueryRow(ctx, "SELECT master FROM keystore").Scan(&wanted); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, "SELECT DISTINCT ON (master) name, version, master, wrapped FROM keystore_keys ORDER BY master, name, version")
		if err != nil {
			return err
		}
		all, err := pgx.CollectRows(rows, scanStored)
		samples = map[string]stored{}
		for _, s := range all {
			samples[s.master] = s
		}
		return err
	})
	return wanted, samples, err
}

// NeedsVault says which Vault data keys of a database are sealed by, for people, or
// "" when there are none; and which master is to seal them all. A database that no
// server of this version has opened knows the built-in keystore alone.
func NeedsVault(ctx context.Context, db Database) (at, wanted string, err error) {
	err = db.AsWorker(ctx, func(tx pgx.Tx) error {
		at, wanted = "", InFile
		var known bool
		if err := tx.QueryRow(ctx, "SELECT to_regclass('keystore') IS NOT NULL").Scan(&known); err != nil || !known {
			return err
		}
		const q = `SELECT CASE WHEN master = 'vault' OR EXISTS (SELECT FROM keystore_keys k WHERE k.master = 'vault') THEN vault ELSE '' END, master
			FROM keystore`
		if err := tx.QueryRow(ctx, q).Scan(&at, &wanted); !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		return nil
	})
	if err != nil {
		return "", "", fmt.Errorf("find out what sealed the data keys: %w", err)
	}
	return at, wanted, nil
}

func scanStored(r pgx.CollectableRow) (s stored, err error) {
	return s, r.Scan(&s.name, &s.version, &s.master, &s.wrapped)
}

// openFile takes the master key's file into use, and makes it if it may.
func (k *Keystore) openFile(mayMake bool) error {
	b, err := readMaster(k.path)
	if errors.Is(err, fs.ErrNotExist) {
		if !mayMake {
			return fmt.Errorf("%s is missing: %w", k.path, ErrMasterKey)
		}
		if err = createMaster(k.path); err == nil {
			b, err = readMaster(k.path)
		}
	}
	if err != nil {
		return err
	}
	if err := sweepMasters(k.path); err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.masters[InFile] = file{b}
	return nil
}
