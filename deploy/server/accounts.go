package server

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/marina-cloud/marina/deploy/accounts"
	"github.com/marina-cloud/marina/gateway"
	"github.com/marina-cloud/marina/internal/rootsocket"
	"github.com/marina-cloud/marina/migrations/pg"
)

// serveAccounts makes accounts of operators for root, until ctx ends.
func serveAccounts(ctx context.Context, c Config, db *pg.DB) error {
	ln, err := rootsocket.Listen(c.Home.Accounts())
	if err != nil {
		return err
	}
	add := func(ctx context.Context, o accounts.Operator) error {
		err := gateway.AddOperator(ctx, db, o.Email, o.Password, o.Organization)
		if errors.Is(err, gateway.ErrEmailTaken) {
			return accounts.ErrExists
		}
		return err
	}
	return serveHTTP(ctx, &http.Server{Handler: accounts.Handler(add), ReadHeaderTimeout: 10 * time.Second}, ln)
}
