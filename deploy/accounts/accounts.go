// Package accounts is how a command of root's has a running server make the first
// account: that of whoever runs the installation, to whom nobody could send a mail yet.
package accounts

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/marina-cloud/marina/internal/rootsocket"
)

// Operator is a new account.
type Operator struct {
	Email        string `json:"email"`
	Password     string `json:"password"`
	Organization string `json:"organization"` // name
}

// ErrExists is what Add of a server returns when the address has an account.
var ErrExists = errors.New("there is an account with this e-mail address already")

// Handler is the server's side.
func Handler(add func(context.Context, Operator) error) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /operators", func(w http.ResponseWriter, r *http.Request) {
		var o Operator
		err := json.NewDecoder(io.LimitReader(r.Body, 1<<12)).Decode(&o)
		if err == nil {
			err = add(r.Context(), o)
		}
		if err != nil && !errors.Is(err, ErrExists) {
			http.Error(w, err.Error(), http.StatusConflict)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]bool{"added": err == nil}) // a client that is gone needs no answer
	})
	return mux
}

// Client asks the server at a socket.
type Client struct{ Socket string }

// Add makes an operator's account; added is false when there is one with this address.
func (c Client) Add(ctx context.Context, o Operator) (added bool, err error) {
	var answer struct{ Added bool }
	err = rootsocket.Ask(ctx, c.Socket, http.MethodPost, "/operators", o, &answer)
	return answer.Added, err
}
