// Package seal is the secret store: it seals small secrets under named keys that
// its callers never see, so that what is sealed may lie in a table or a backup.
//
// Store is the contract, in the manner of Vault's transit engine. Keystore is the
// built-in store: data keys in Postgres, each wrapped with a master key that is a
// file only root can read. Whoever has only one of the two has nothing.
package seal

import (
	"context"
	"errors"
)

// Store seals and opens secrets. It is safe for concurrent use.
type Store interface {
	// Seal encrypts plaintext under the named key, which is made at its first
	// use. What is sealed opens only under the same key and with the same
	// additional data, which is not part of it and need not be secret: it says
	// what the secret is for.
	Seal(ctx context.Context, key string, plaintext, additional []byte) ([]byte, error)
	// Open returns what was sealed. It returns ErrRefused when that was altered or
	// sealed for another key or purpose, and ErrNoKey when the key was destroyed.
	Open(ctx context.Context, key string, sealed, additional []byte) ([]byte, error)
	// Destroy destroys a key, and with it everything that was sealed under it. It
	// is no error that there is no such key.
	Destroy(ctx context.Context, key string) error
}

// Errors of every Store.
var (
	ErrRefused = errors.New("sealed data was refused: it was altered, or was sealed under another key or for another purpose")
	ErrNoKey   = errors.New("there is no such key: it was destroyed, or nothing was ever sealed under it")
)
