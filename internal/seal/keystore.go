package seal

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// Database is what a Keystore needs of the database.
type Database interface {
	AsWorker(ctx context.Context, f func(pgx.Tx) error) error
}

const (
	// cacheTime is how long an unwrapped key is used without looking at the
	// database: a key that another process destroyed may open things for so long.
	cacheTime = time.Minute
	// cacheSize bounds how many keys lie unwrapped in memory.
	cacheSize = 1024
)

// Keystore is the built-in Store: data keys in the table keystore_keys, wrapped
// with the master key. To destroy a key is to delete its rows: what was sealed
// cannot be opened any more, but by somebody who has both the master key and a
// backup of the database from before.
type Keystore struct {
	db     Database
	master *box

	mu    sync.Mutex
	cache map[string]entry
	epoch int // counts Destroy and Rotate, so that nothing read before them is cached after them
}

// entry holds all versions of one key.
type entry struct {
	versions map[int]*box
	newest   int
	until    time.Time
}

var _ Store = (*Keystore)(nil)

// Open opens the keystore in db with the master key at path, which is made when
// there is none and the database holds no keys yet. It returns ErrMasterKey when
// the master key is not that of the database.
func Open(ctx context.Context, db Database, path string) (*Keystore, error) {
	k := &Keystore{db: db, cache: map[string]entry{}}
	var name string
	var version int
	var wrapped []byte
	err := db.AsWorker(ctx, func(tx pgx.Tx) error {
		const sample = "SELECT name, version, wrapped FROM keystore_keys ORDER BY name, version LIMIT 1"
		err := tx.QueryRow(ctx, sample).Scan(&name, &version, &wrapped)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open keystore: %w", err)
	}
	if k.master, err = readMaster(path); errors.Is(err, fs.ErrNotExist) {
		if name != "" {
			return nil, fmt.Errorf("open keystore: %s is missing: %w", path, ErrMasterKey)
		}
		if err = createMaster(path); err == nil {
			k.master, err = readMaster(path)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("open keystore: %w", err)
	}
	if name != "" {
		if _, err := unwrap(k.master, name, version, wrapped); err != nil {
			return nil, fmt.Errorf("open keystore with %s: %w", path, err)
		}
	}
	return k, nil
}

// Seal encrypts plaintext under the newest version of the named key; see Store.
func (k *Keystore) Seal(ctx context.Context, key string, plaintext, additional []byte) ([]byte, error) {
	e, err := k.versions(ctx, key, false)
	if errors.Is(err, ErrNoKey) {
		if err := k.add(ctx, key, 1); err != nil {
			return nil, err
		}
		e, err = k.versions(ctx, key, true)
	}
	if err != nil {
		return nil, err
	}
	return e.versions[e.newest].seal(header(e.newest), plaintext, bound(e.newest, key, additional)), nil
}

// Open returns what was sealed, under whatever version of the key; see Store.
func (k *Keystore) Open(ctx context.Context, key string, sealed, additional []byte) ([]byte, error) {
	version, body, err := split(sealed)
	if err != nil {
		return nil, err
	}
	e, err := k.versions(ctx, key, false)
	if err != nil {
		return nil, err
	}
	if e.versions[version] == nil { // another process may have rotated the key
		if e, err = k.versions(ctx, key, true); err != nil {
			return nil, err
		}
	}
	b := e.versions[version]
	if b == nil {
		return nil, ErrRefused
	}
	return b.open(body, bound(version, key, additional))
}

// Rotate makes a new version of the key, under which everything is sealed from
// now on. What was sealed before still opens.
func (k *Keystore) Rotate(ctx context.Context, key string) error {
	e, err := k.versions(ctx, key, true)
	if err != nil {
		return err
	}
	if err := k.add(ctx, key, e.newest+1); err != nil {
		return err
	}
	k.forget(key)
	return nil
}

// Destroy deletes all versions of the key; see Store.
func (k *Keystore) Destroy(ctx context.Context, key string) error {
	err := k.db.AsWorker(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "DELETE FROM keystore_keys WHERE name = $1", key)
		return err
	})
	k.forget(key)
	if err != nil {
		return fmt.Errorf("destroy key %s: %w", key, err)
	}
	return nil
}

// add stores a fresh data key, unless somebody else has just done so.
func (k *Keystore) add(ctx context.Context, name string, version int) error {
	var key [keySize]byte
	_, _ = rand.Read(key[:]) // never fails
	wrapped := wrap(k.master, name, version, key)
	err := k.db.AsWorker(ctx, func(tx pgx.Tx) error {
		const insert = "INSERT INTO keystore_keys (name, version, wrapped) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"
		_, err := tx.Exec(ctx, insert, name, version, wrapped)
		return err
	})
	if err != nil {
		return fmt.Errorf("store key %s: %w", name, err)
	}
	return nil
}

// versions returns all versions of a key, from memory unless fresh is asked for.
func (k *Keystore) versions(ctx context.Context, name string, fresh bool) (entry, error) {
	k.mu.Lock()
	e, ok := k.cache[name]
	epoch := k.epoch
	k.mu.Unlock()
	if ok && !fresh && time.Now().Before(e.until) {
		return e, nil
	}
	e, err := k.read(ctx, name)
	if err != nil {
		return entry{}, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.epoch == epoch {
		if len(k.cache) >= cacheSize {
			clear(k.cache)
		}
		k.cache[name] = e
	}
	return e, nil
}

// read reads and unwraps all versions of a key.
func (k *Keystore) read(ctx context.Context, name string) (entry, error) {
	wrapped := map[int][]byte{}
	err := k.db.AsWorker(ctx, func(tx pgx.Tx) error {
		clear(wrapped)
		rows, err := tx.Query(ctx, "SELECT version, wrapped FROM keystore_keys WHERE name = $1", name)
		if err != nil {
			return err
		}
		var version int
		var data []byte
		_, err = pgx.ForEachRow(rows, []any{&version, &data}, func() error {
			wrapped[version], data = data, nil
			return nil
		})
		return err
	})
	if err != nil {
		return entry{}, fmt.Errorf("read key %s: %w", name, err)
	}
	if len(wrapped) == 0 {
		return entry{}, fmt.Errorf("key %s: %w", name, ErrNoKey)
	}
	e := entry{versions: map[int]*box{}, until: time.Now().Add(cacheTime)}
	for version, data := range wrapped {
		if e.versions[version], err = unwrap(k.master, name, version, data); err != nil {
			return entry{}, fmt.Errorf("key %s: %w", name, err)
		}
		e.newest = max(e.newest, version)
	}
	return e, nil
}

func (k *Keystore) forget(name string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.epoch++
	delete(k.cache, name)
}
