// Package postgres keeps price books in Postgres.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/apd/v3"
	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/billing"
	"github.com/marina-cloud/marina/migrations/pg"
)

// ErrNoBook says that there are no prices in a currency at a time.
var ErrNoBook = errors.New("there is no price book")

// Books are the price books. They are safe for concurrent use.
type Books struct{ DB *pg.DB }

// At returns the book in a currency that holds at some time, or ErrNoBook.
func (s Books) At(ctx context.Context, currency string, at time.Time) (b billing.Book, err error) {
	const (
		book   = "SELECT id, currency, valid_from FROM price_books WHERE currency = $1 AND valid_from <= $2 ORDER BY valid_from DESC LIMIT 1"
		prices = "SELECT meter, item, per_hour::text FROM prices WHERE book_id = $1 ORDER BY meter, item"
	)
	err = s.DB.AsWorker(ctx, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, book, currency, at).Scan(&b.ID, &b.Currency, &b.From)
		if errors.Is(err, pgx.ErrNoRows) {
			return fmt.Errorf("%w in %s at %s", ErrNoBook, currency, at.Format(time.RFC3339))
		}
		if err != nil {
			return fmt.Errorf("find price book: %w", err)
		}
		rows, err := tx.Query(ctx, prices, b.ID)
		if err != nil {
			return fmt.Errorf("read prices: %w", err)
		}
		b.Prices, err = pgx.CollectRows(rows, scanPrice)
		return err
	})
	return b, err
}

// scanPrice reads the amount as text: what Postgres holds exactly stays exact.
func scanPrice(row pgx.CollectableRow) (p billing.Price, err error) {
	var amount string
	if err := row.Scan(&p.Meter, &p.Item, &amount); err != nil {
		return p, err
	}
	if p.PerHour, _, err = apd.NewFromString(amount); err != nil {
		return p, fmt.Errorf("price of %s %s: %w", p.Meter, p.Item, err)
	}
	return p, nil
}
