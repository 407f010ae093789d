package pg

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// Pairs runs a query of two columns and returns the second one by the first.
func Pairs[K comparable, V any](ctx context.Context, tx pgx.Tx, sql string, args ...any) (map[K]V, error) {
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	found := map[K]V{}
	var k K
	var v V
	_, err = pgx.ForEachRow(rows, []any{&k, &v}, func() error { found[k] = v; return nil })
	return found, err
}
