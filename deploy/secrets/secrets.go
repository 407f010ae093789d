// Package secrets is how an operator's command and a running server speak about the
// secret store: over a unix socket in the home's run directory that root alone can
// open.
//
// It is the server that seals data keys anew, and not the command: it has the
// credentials, and goes on by itself after whatever interrupts either of them.
package secrets

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/marina-cloud/marina/internal/rootsocket"
	"github.com/marina-cloud/marina/internal/seal"
	"github.com/marina-cloud/marina/internal/seal/vault"
)

// Status is what a server says about its secret store.
type Status struct {
	seal.Status
	Vault *vault.State `json:"vault,omitempty"` // nil: no Vault was named
}

// Store is what the server's side needs.
type Store interface {
	Status(ctx context.Context) (seal.Status, error)
	SetMaster(ctx context.Context, to string) error
	Rewrap(ctx context.Context) error
}

// Handler is the server's side. The state of a Vault is that of look, or nil.
func Handler(store Store, look func() *vault.State) http.Handler {
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, r *http.Request, err error) {
		var s Status
		if err == nil {
			s.Status, err = store.Status(r.Context())
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
			return
		}
		s.Vault = look()
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(s) // a client that is gone needs no answer
	}
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, r *http.Request) { answer(w, r, nil) })
	mux.HandleFunc("POST /migrate", func(w http.ResponseWriter, r *http.Request) {
		var to struct{ To string }
		err := json.NewDecoder(io.LimitReader(r.Body, 1<<10)).Decode(&to)
		if err == nil {
			err = store.SetMaster(r.Context(), to.To)
		}
		answer(w, r, err)
	})
	mux.HandleFunc("POST /rewrap", func(w http.ResponseWriter, r *http.Request) { answer(w, r, store.Rewrap(r.Context())) })
	return mux
}

// Client asks the server at a socket.
type Client struct{ Socket string }

// Status says how the secret store is.
func (c Client) Status(ctx context.Context) (Status, error) {
	return c.ask(ctx, http.MethodGet, "/status", nil)
}

// Migrate has everything sealed by another store: seal.InFile or seal.InVault.
func (c Client) Migrate(ctx context.Context, to string) (Status, error) {
	return c.ask(ctx, http.MethodPost, "/migrate", map[string]string{"to": to})
}

// Rewrap has everything sealed anew by the same store.
func (c Client) Rewrap(ctx context.Context) (Status, error) {
	return c.ask(ctx, http.MethodPost, "/rewrap", nil)
}

func (c Client) ask(ctx context.Context, method, path string, body any) (s Status, err error) {
	if err = rootsocket.Ask(ctx, c.Socket, method, path, body, &s); err != nil {
		return s, fmt.Errorf("the secret store: %w", err)
	}
	return s, nil
}
