package seal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// keepEvery is how often Keep looks for keys that are due.
	keepEvery = 5 * time.Second
	// batch is how many keys are wrapped anew in one transaction.
	batch = 100
)

// Status is how far a keystore is with what was asked of it.
type Status struct {
	Master string `json:"store"`            // what should seal all data keys: InFile or InVault
	Keys   int    `json:"keys"`             // how many there are
	Left   int    `json:"left"`             // how many of them are still to be sealed anew
	Failed string `json:"failed,omitempty"` // why that does not go on
}

// SetMaster chooses what seals the data keys from now on. Keep then wraps all of
// them anew, and goes on with it after whatever interrupts it: each key is under
// one master or the other at any time, and both open. It returns ErrNoMaster or
// ErrAway, with nothing changed, when the master cannot be used.
func (k *Keystore) SetMaster(ctx context.Context, to string) error {
	if to != InFile && to != InVault {
		return fmt.Errorf("there is no secret store %q: name %s or %s", to, InFile, InVault)
	}
	if _, err := k.master(to); to == InFile && errors.Is(err, ErrNoMaster) {
		if err := k.openFile(true); err != nil { // no key is wrapped by it: Open would have opened it
			return err
		}
	}
	if err := k.try(ctx, to); err != nil {
		return err
	}
	return k.want(ctx, "UPDATE keystore SET master = $1", to)
}

// Rewrap has every data key wrapped anew, by the newest version of the master's own
// key, after which older versions of that are not needed any more. Keep does it.
func (k *Keystore) Rewrap(ctx context.Context) error {
	return k.want(ctx, "UPDATE keystore SET rewrap_before = now()")
}

func (k *Keystore) want(ctx context.Context, statement string, args ...any) error {
	err := k.db.AsWorker(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, statement, args...)
		return err
	})
	if err != nil {
		return fmt.Errorf("choose the secret store: %w", err)
	}
	select {
	case k.due <- struct{}{}:
	default: // it is about to look anyway
	}
	return nil
}

// try sees that a master wraps and unwraps.
func (k *Keystore) try(ctx context.Context, name string) error {
	m, err := k.master(name)
	if err != nil {
		return err
	}
	probe := stored{name: "probe", version: 1, master: name}
	wrapped, err := m.Wrap(ctx, []Bound{{Data: make([]byte, keySize), To: wrapping(probe.name, probe.version)}})
	if err != nil {
		return err
	}
	probe.wrapped = wrapped[0]
	_, err = k.unwrap(ctx, []stored{probe})
	return err
}

// Keep wraps data keys anew that are due, until ctx ends.
func (k *Keystore) Keep(ctx context.Context) error {
	tick := time.NewTicker(keepEvery)
	defer tick.Stop()
	for {
		err := k.pass(ctx)
		if ctx.Err() != nil {
			return nil
		}
		k.mu.Lock()
		k.failed = ""
		if err != nil {
			k.failed = err.Error()
		}
		k.mu.Unlock()
		select {
		case <-ctx.Done():
			return nil
		case <-k.due:
		case <-tick.C:
		}
	}
}

// pass goes through all keys that are due, once. A key that does not open keeps
// the others from nothing.
func (k *Keystore) pass(ctx context.Context) error {
	var all failures
	last := stored{}
	for {
		wanted, keys, err := k.nextDue(ctx, last)
		if err != nil || len(keys) == 0 {
			return errors.Join(all.err(), err)
		}
		last = keys[len(keys)-1]
		err = k.rewrap(ctx, wanted, keys)
		if err == nil {
			continue
		}
		if errors.Is(err, ErrAway) || ctx.Err() != nil {
			return err
		}
		for _, one := range keys {
			if err := k.rewrap(ctx, wanted, []stored{one}); err != nil {
				all.add(fmt.Errorf("key %s: %w", one.name, err))
			}
		}
	}
}

// failures are of thousands of keys, maybe, and all for the same reason: a person is
// told of the first ones, and how many there are.
type failures struct {
	first []error
	more  int
}

const toldFailures = 3

func (f *failures) add(err error) {
	if len(f.first) == toldFailures {
		f.more++
		return
	}
	f.first = append(f.first, err)
}

func (f failures) err() error {
	all := f.first
	if f.more > 0 {
		all = append(all, fmt.Errorf("and %d more keys like these", f.more))
	}
	return errors.Join(all...)
}

// nextDue returns the first keys behind last that are due and have one master.
func (k *Keystore) nextDue(ctx context.Context, last stored) (wanted string, keys []stored, err error) {
	err = k.db.AsWorker(ctx, func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, "SELECT master FROM keystore").Scan(&wanted); err != nil {
			return err
		}
		const q = `SELECT name, version, k.master, wrapped FROM keystore_keys k, keystore s
			WHERE (k.master <> s.master OR wrapped_at < rewrap_before) AND (name, version) > ($1, $2)
			ORDER BY name, version LIMIT $3`
		rows, err := tx.Query(ctx, q, last.name, last.version, batch)
		if err != nil {
			return err
		}
		keys, err = pgx.CollectRows(rows, scanStored)
		return err
	})
	if err != nil {
		return "", nil, fmt.Errorf("find data keys to seal anew: %w", err)
	}
	for i, s := range keys {
		if s.master != keys[0].master {
			return wanted, keys[:i], nil
		}
	}
	return wanted, keys, nil
}

// rewrap wraps keys anew that one master wrapped. What replaces the old is opened
// once before, so that whatever a master does, no key is lost.
func (k *Keystore) rewrap(ctx context.Context, by string, keys []stored) error {
	m, err := k.master(by)
	if err != nil {
		return err
	}
	plain, err := k.unwrap(ctx, keys)
	if err != nil {
		return err
	}
	fresh := make([]Bound, len(keys))
	for i, s := range keys {
		fresh[i] = Bound{Data: plain[i][:], To: s.bound().To}
	}
	wrapped, err := m.Wrap(ctx, fresh)
	if err != nil {
		return err
	}
	next := make([]stored, len(keys))
	for i, s := range keys {
		next[i] = stored{s.name, s.version, by, wrapped[i]}
	}
	again, err := k.unwrap(ctx, next)
	if err != nil {
		return err
	}
	for i := range plain {
		if plain[i] != again[i] {
			return fmt.Errorf("%s returned another key than was given to it: nothing was changed", by)
		}
	}
	return k.replace(ctx, keys, next)
}

// replace stores keys that were wrapped anew, but for those that changed meanwhile.
func (k *Keystore) replace(ctx context.Context, old, next []stored) error {
	err := k.db.AsWorker(ctx, func(tx pgx.Tx) error {
		batch := &pgx.Batch{}
		for i, s := range next {
			batch.Queue(`UPDATE keystore_keys SET wrapped = $1, master = $2, wrapped_at = now()
				WHERE name = $3 AND version = $4 AND wrapped = $5`, s.wrapped, s.master, s.name, s.version, old[i].wrapped)
		}
		return tx.SendBatch(ctx, batch).Close()
	})
	if err != nil {
		return fmt.Errorf("store data keys that were sealed anew: %w", err)
	}
	return nil
}

// Status says how far the keystore is.
func (k *Keystore) Status(ctx context.Context) (s Status, err error) {
	k.mu.Lock()
	s.Failed = k.failed
	k.mu.Unlock()
	err = k.db.AsWorker(ctx, func(tx pgx.Tx) error {
		const q = `SELECT s.master, count(k.name), count(k.name) FILTER (WHERE k.master <> s.master OR wrapped_at < rewrap_before)
			FROM keystore s LEFT JOIN keystore_keys k ON true GROUP BY s.master`
		return tx.QueryRow(ctx, q).Scan(&s.Master, &s.Keys, &s.Left)
	})
	if err != nil {
		return s, fmt.Errorf("look at the secret store: %w", err)
	}
	if s.Left == 0 {
		s.Failed = ""
	}
	return s, nil
}
