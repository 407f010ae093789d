// Package seal is the secret store: it seals small secrets under named keys that
// its callers never see, so that what is sealed may lie in a table or a backup.
//
// Store is the contract, in the manner of Vault's transit engine. Keystore fulfils
// it: each named key is a data key that lies in Postgres, wrapped by a master.
// There are two masters: a key in a file that only root can read (the built-in
// keystore), and HashiCorp Vault (package vault). Whoever has only the database or
// only the master has nothing.
//
// Vault wraps data keys and not every secret, because what is sealed lies also
// where nobody could seal it anew: in the etcds and backups of clusters. So another
// master means that every data key is wrapped anew (see SetMaster), a data key that
// is in memory serves while Vault is away, and Vault is asked once for each key and
// process, however many clusters there are.
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
	// ErrAway is what an error wraps that will pass: the master does not answer, or
	// does not let this program in. Nothing is lost; the same call works later.
	ErrAway = errors.New("the secret store does not answer")
)
