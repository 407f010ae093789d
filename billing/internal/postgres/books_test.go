//go:build integration

package postgres_test

import (
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/billing"
	"github.com/marina-cloud/marina/billing/internal/postgres"
	"github.com/marina-cloud/marina/migrations/pgtest"
)

func TestBookAt(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	books := postgres.Books{DB: db}
	add := func(id, currency, from, price string) error {
		return db.AsWorker(t.Context(), func(tx pgx.Tx) error {
			if _, err := tx.Exec(t.Context(), "INSERT INTO price_books (id, currency, valid_from) VALUES ($1, $2, $3)", id, currency, from); err != nil {
				return err
			}
			_, err := tx.Exec(t.Context(), "INSERT INTO prices (book_id, meter, item, per_hour) VALUES ($1, 'node', 'small', $2::text::numeric)", id, price)
			return err
		})
	}
	for _, b := range [][4]string{
		{"pb-old", "CHF", "2026-01-01T00:00:00Z", "0.010000001"}, {"pb-new", "CHF", "2026-07-01T00:00:00Z", "0.020000000"}, {"pb-usd", "USD", "2026-01-01T00:00:00Z", "0.030000000"},
	} {
		if err := add(b[0], b[1], b[2], b[3]); err != nil {
			t.Fatal(err)
		}
	}
	for at, want := range map[string]struct{ currency, book, price string }{
		"2026-01-01T00:00:00Z": {"CHF", "pb-old", "0.010000001"}, // to the moment, and to the last digit
		"2026-06-30T23:59:59Z": {"CHF", "pb-old", "0.010000001"},
		"2026-07-01T00:00:00Z": {"CHF", "pb-new", "0.020000000"},
		"2030-01-01T00:00:00Z": {"USD", "pb-usd", "0.030000000"},
	} {
		when, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		b, err := books.At(t.Context(), want.currency, when)
		p, ok := b.Price(billing.Node, "small")
		if err != nil || b.ID != want.book || !ok || p.PerHour.Text('f') != want.price {
			t.Errorf("%s in %s: %s with %s, %v; want %s with %s", at, want.currency, b.ID, p.PerHour, err, want.book, want.price)
		}
	}
	if _, err := books.At(t.Context(), "CHF", time.Date(2025, 12, 31, 0, 0, 0, 0, time.UTC)); !errors.Is(err, postgres.ErrNoBook) {
		t.Errorf("before the first book: %v, want ErrNoBook", err)
	}
	if err := add("pb-twice", "CHF", "2026-07-01T00:00:00Z", "1"); err == nil {
		t.Error("two books hold from the same moment")
	}
	for _, change := range []string{"UPDATE prices SET per_hour = 0", "DELETE FROM prices", "UPDATE price_books SET valid_from = now()", "DELETE FROM price_books"} {
		err := db.AsWorker(t.Context(), func(tx pgx.Tx) error {
			_, err := tx.Exec(t.Context(), change)
			return err
		})
		if err == nil {
			t.Errorf("%s: a book can be changed", change)
		}
	}
}
