package seal

import (
	"context"
	"fmt"
)

// The names of masters, as the database and operators have them.
const (
	InFile  = "keystore" // a key in a file of the installation
	InVault = "vault"    // HashiCorp Vault
)

// Master wraps data keys. It is safe for concurrent use.
type Master interface {
	// Wrap wraps keys, each bound to what it is for.
	Wrap(ctx context.Context, keys []Bound) ([][]byte, error)
	// Unwrap returns what was wrapped. It returns ErrMasterKey when that was
	// altered, wrapped by another master or bound to something else, and ErrAway
	// when the master cannot be asked just now.
	Unwrap(ctx context.Context, wrapped []Bound) ([][]byte, error)
}

// Bound is data that works only together with what it is bound to.
type Bound struct{ Data, To []byte }

// file is a Master that is a key in memory, read from a file.
type file struct{ box *box }

func (f file) Wrap(_ context.Context, keys []Bound) (wrapped [][]byte, err error) {
	for _, k := range keys {
		wrapped = append(wrapped, f.box.seal(nil, k.Data, k.To))
	}
	return wrapped, nil
}

func (f file) Unwrap(_ context.Context, wrapped []Bound) (keys [][]byte, err error) {
	for _, w := range wrapped {
		key, err := f.box.open(w.Data, w.To)
		if err != nil {
			return nil, ErrMasterKey
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// stored is a data key as the database has it.
type stored struct {
	name    string
	version int
	master  string
	wrapped []byte
}

func (s stored) bound() Bound { return Bound{Data: s.wrapped, To: wrapping(s.name, s.version)} }

// master returns a master by its name.
func (k *Keystore) master(name string) (Master, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	m, ok := k.masters[name]
	if !ok {
		return nil, fmt.Errorf("data keys are sealed by %s: %w", name, ErrNoMaster)
	}
	return m, nil
}

// unwrap opens data keys that one master wrapped.
func (k *Keystore) unwrap(ctx context.Context, keys []stored) ([][keySize]byte, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	m, err := k.master(keys[0].master)
	if err != nil {
		return nil, err
	}
	wrapped := make([]Bound, len(keys))
	for i, s := range keys {
		wrapped[i] = s.bound()
	}
	plain, err := m.Unwrap(ctx, wrapped)
	if err != nil {
		return nil, err
	}
	opened := make([][keySize]byte, len(keys))
	for i, p := range plain {
		if len(p) != keySize {
			return nil, ErrMasterKey
		}
		opened[i] = [keySize]byte(p)
	}
	return opened, nil
}
