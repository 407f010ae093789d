package server

import (
	"context"
	"errors"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/marina-cloud/marina/deploy/secrets"
	"github.com/marina-cloud/marina/internal/rootsocket"
	"github.com/marina-cloud/marina/internal/seal"
	"github.com/marina-cloud/marina/internal/seal/vault"
	"github.com/marina-cloud/marina/migrations/pg"
)

// secretStore is the secret store with what keeps it going.
type secretStore struct {
	store  *seal.Keystore
	vault  *vault.Transit // nil: none was named
	socket string
}

// openSecrets opens the secret store. A Vault that is sealed or away is no error.
func openSecrets(ctx context.Context, c Config, db *pg.DB) (s secretStore, err error) {
	s.socket = c.Home.SecretsControl()
	var master seal.Master
	if c.Vault.Enabled() {
		if s.vault, err = vault.New(c.Vault, c.Log); err != nil {
			return s, err
		}
		master = s.vault
	}
	s.store, err = seal.OpenWithVault(ctx, db, c.Home.Path("master.key"), master)
	return s, err
}

// run keeps the secret store going and answers operators, until ctx ends.
func (s secretStore) run(ctx context.Context) error {
	ln, err := rootsocket.Listen(s.socket)
	if err != nil {
		return err
	}
	look := func() *vault.State { return nil }
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.store.Keep(ctx) })
	if s.vault != nil {
		look = func() *vault.State { state := s.vault.State(); return &state }
		group.Go(func() error { return s.vault.Keep(ctx) })
	}
	control := &http.Server{Handler: secrets.Handler(s.store, look), ReadHeaderTimeout: 10 * time.Second}
	group.Go(func() error { return serveHTTP(ctx, control, ln) })
	return group.Wait()
}

// healthy reports whether the secret store can be used. The built-in one is as well
// as the database, in which its keys are.
func (s secretStore) healthy(context.Context) error {
	if s.vault == nil {
		return nil
	}
	if state := s.vault.State(); !state.OK {
		return errors.New(state.Message)
	}
	return nil
}
