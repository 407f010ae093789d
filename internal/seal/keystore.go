package seal

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
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
	// cacheSize bounds how many keys lie unwrapped in memory, a kilobyte each: those
	// of all clusters that a home can have.
	cacheSize = 1 << 15
)

// Keystore is a Store: data keys in the table keystore_keys, each wrapped by a
// Master. To destroy a key is to delete its rows: what was sealed cannot be opened
// any more, but by somebody who has both the master and a backup of the database
// from before.
//
// A data key is unwrapped once and stays in memory for as long as the database
// holds it: what is in use goes on while the master is away.
type Keystore struct {
	db   Database
	path string // of the master key's file
	due  chan struct{}

	mu      sync.Mutex
	masters map[string]Master
	failed  string // why the last attempt to wrap a key anew failed
	cache   map[string]entry
	epoch   int // counts Destroy and Rotate, so that nothing read before them is cached after them
}

// entry holds all versions of one key.
type entry struct {
	versions map[int]opened
	newest   int
	until    time.Time
}

// opened is a version that is unwrapped. When it was made tells it from another of
// the same name and number, however often it is wrapped anew.
type opened struct {
	*box
	made time.Time
}

var _ Store = (*Keystore)(nil)

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
	if e.versions[version].box == nil { // another process may have rotated the key
		if e, err = k.versions(ctx, key, true); err != nil {
			return nil, err
		}
	}
	b := e.versions[version]
	if b.box == nil {
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
	for {
		stored, err := k.tryAdd(ctx, name, version)
		if err != nil {
			return fmt.Errorf("store key %s: %w", name, err)
		}
		if stored {
			return nil
		}
	}
}

// tryAdd is add, and reports whether it was done: not when another master was
// chosen meanwhile. Once that choice is made, nothing is wrapped by the old one.
func (k *Keystore) tryAdd(ctx context.Context, name string, version int) (done bool, err error) {
	var by string
	err = k.db.AsWorker(ctx, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, "SELECT master FROM keystore").Scan(&by)
	})
	if err != nil {
		return false, err
	}
	m, err := k.master(by)
	if err != nil {
		return false, err
	}
	key := make([]byte, keySize)
	_, _ = rand.Read(key) // never fails
	wrapped, err := m.Wrap(ctx, []Bound{{Data: key, To: wrapping(name, version)}})
	if err != nil {
		return false, err
	}
	err = k.db.AsWorker(ctx, func(tx pgx.Tx) error {
		var now string
		if err := tx.QueryRow(ctx, "SELECT master FROM keystore FOR SHARE").Scan(&now); err != nil {
			return err
		}
		if done = now == by; !done {
			return nil
		}
		const insert = "INSERT INTO keystore_keys (name, version, wrapped, master) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING"
		_, err := tx.Exec(ctx, insert, name, version, wrapped[0], by)
		return err
	})
	return done, err
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
	e, err := k.read(ctx, name, e.versions)
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

// read reads all versions of a key, and unwraps those that are not known.
func (k *Keystore) read(ctx context.Context, name string, known map[int]opened) (entry, error) {
	type row struct {
		stored
		made time.Time
	}
	var rows []row
	err := k.db.AsWorker(ctx, func(tx pgx.Tx) error {
		found, err := tx.Query(ctx, "SELECT version, master, wrapped, created_at FROM keystore_keys WHERE name = $1", name)
		if err != nil {
			return err
		}
		rows, err = pgx.CollectRows(found, func(r pgx.CollectableRow) (row, error) {
			one := row{stored: stored{name: name}}
			return one, r.Scan(&one.version, &one.master, &one.wrapped, &one.made)
		})
		return err
	})
	if err != nil {
		return entry{}, fmt.Errorf("read key %s: %w", name, err)
	}
	if len(rows) == 0 {
		return entry{}, fmt.Errorf("key %s: %w", name, ErrNoKey)
	}
	e := entry{versions: map[int]opened{}, until: time.Now().Add(cacheTime)}
	for _, r := range rows {
		e.newest = max(e.newest, r.version)
		if b := known[r.version]; b.box != nil && b.made.Equal(r.made) {
			e.versions[r.version] = b
			continue
		}
		key, err := k.unwrap(ctx, []stored{r.stored})
		if err != nil {
			return entry{}, fmt.Errorf("key %s: %w", name, err)
		}
		e.versions[r.version] = opened{newBox(key[0]), r.made}
	}
	return e, nil
}

func (k *Keystore) forget(name string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.epoch++
	delete(k.cache, name)
}
