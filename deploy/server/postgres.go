package server

import (
	"context"
	"log/slog"
	"time"

	"github.com/marina-cloud/marina/deploy/host"
	"github.com/marina-cloud/marina/migrations/pgserver"
)

// postgres is where the truth is kept: an operator's database, or a child process.
// Start, keep and stop are called in this order, one after the other.
type postgres struct {
	dsn   string
	child *pgserver.Server // nil: the operator's
	cfg   pgserver.Config
	log   *slog.Logger
}

// postgresRetry is how long to wait after a failed start.
const postgresRetry = time.Second

func startPostgres(ctx context.Context, c Config) (*postgres, error) {
	if c.Postgres != "" {
		return &postgres{dsn: string(c.Postgres)}, nil
	}
	p := &postgres{cfg: host.PostgresConfig(c.Home), log: c.Log}
	child, err := pgserver.Start(ctx, p.cfg)
	if err != nil {
		return nil, err
	}
	p.child, p.dsn = child, child.DSN()
	return p, nil
}

// keep starts the child again whenever it ends, until ctx does. What needs the
// database connects again by itself.
func (p *postgres) keep(ctx context.Context) error {
	if p.child == nil {
		<-ctx.Done()
		return nil
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-p.child.Done():
		}
		p.log.ErrorContext(ctx, "Postgres ended and is started again", "log", p.cfg.LogFile)
		child, err := pgserver.Start(ctx, p.cfg)
		if err == nil {
			p.child = child
			continue
		}
		p.log.ErrorContext(ctx, "Postgres does not start", "error", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(postgresRetry):
		}
	}
}

func (p *postgres) stop() {
	if p.child == nil {
		return
	}
	if err := p.child.Stop(); err != nil {
		p.log.Error("Postgres did not stop", "error", err)
	}
}
