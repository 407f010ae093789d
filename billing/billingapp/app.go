// Package billingapp is the door to billing.
package billingapp

import (
	"context"
	"time"

	"github.com/marina-cloud/marina/billing"
	"github.com/marina-cloud/marina/billing/internal/postgres"
	"github.com/marina-cloud/marina/migrations/pg"
)

// Currency is the one that Marina's first price book is in.
const Currency = "EUR"

// App is billing. It is safe for concurrent use.
type App struct{ books postgres.Books }

// New returns billing on a database.
func New(db *pg.DB) *App { return &App{books: postgres.Books{DB: db}} }

// Prices returns what things cost now.
func (a *App) Prices(ctx context.Context) (billing.Book, error) {
	return a.books.At(ctx, Currency, time.Now())
}
