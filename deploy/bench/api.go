package main

import (
	"context"
	"errors"
	"os"

	"github.com/marina-cloud/marina/deploy/installation"
)

// api measures what the API promises to whoever calls it.
func api(ctx context.Context, m *measurement) (err error) {
	i, err := installation.New(os.Stderr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, i.Close(context.WithoutCancel(ctx))) }()
	if _, err := i.Start(ctx, false); err != nil {
		return err
	}
	if err := revoking(ctx, m, i); err != nil {
		return err
	}
	return listing(ctx, m, i)
}
