package mailer

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/marina-cloud/marina/gateway/internal/postgres"
	"github.com/marina-cloud/marina/internal/metrics"
	"github.com/marina-cloud/marina/internal/rootsocket"
	"github.com/marina-cloud/marina/internal/seal"
	"github.com/marina-cloud/marina/migrations/pg"
)

const (
	parallel = 4                // mails at once
	longest  = 15 * time.Minute // between two attempts
	giveUp   = 24 * time.Hour   // after which nobody waits for a mail any more
	kept     = 30 * 24 * time.Hour
	tidying  = time.Hour // between two times that what is over is removed
)

// Deps is what a Mailer needs.
type Deps struct {
	DB      *pg.DB
	Secrets seal.Store
	Config
	Socket      string // where the mailbox of this installation listens; needed without a server
	Log         *slog.Logger
	Reconcilers *metrics.Reconcilers // nil: nobody counts
}

// Mailer delivers mails. Several may run, in several processes.
type Mailer struct {
	Deps
	store *postgres.MailQueue
	out   outgoing
}

// New returns a mailer, which Run sets to work.
func New(d Deps) (*Mailer, error) {
	if err := d.Validate(); err != nil {
		return nil, err
	}
	m := &Mailer{Deps: d, store: &postgres.MailQueue{DB: d.DB, Secrets: d.Secrets}, out: outgoing{Config: d.Config}}
	if !d.Enabled() {
		m.out.Address, m.out.TLS, m.out.From = "localhost:25", Plain, "Marina <marina@localhost>"
		m.out.dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", d.Socket)
		}
	}
	return m, nil
}

// Run delivers mails until ctx ends. A mail that cannot be delivered is tried again,
// less and less often, for a day.
func (m *Mailer) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	if !m.Enabled() {
		box, err := rootsocket.Listen(m.Socket)
		if err != nil {
			return err
		}
		group.Go(func() error { return newMailbox(m.store, m.Log).serve(ctx, box) })
	}
	wake := make(chan struct{}, 1)
	group.Go(func() error { return m.hear(ctx, wake) })
	group.Go(func() error { return m.tidy(ctx) })
	queue := pg.Queue{DB: m.DB, Table: "mails", Longest: longest, Log: m.Log, Metrics: m.Reconcilers}
	group.Go(func() error { return queue.Run(ctx, wake, parallel, m.deliver) })
	return group.Wait()
}

// deliver sends one mail.
func (m *Mailer) deliver(ctx context.Context, l pg.Lease) (time.Duration, error) {
	waiting, text, err := m.store.Waiting(ctx, l)
	if err != nil {
		return 0, err
	}
	err = m.out.send(ctx, waiting, text)
	if err == nil {
		return 0, m.store.Sent(ctx, l)
	}
	if _, hopeless := errors.AsType[refused](err); hopeless || time.Since(waiting.CreatedAt) > giveUp {
		m.Log.ErrorContext(ctx, "mail given up", "mail", l.ID, "error", err)
		err = errors.Join(err, m.store.GiveUp(ctx, l))
	}
	return 0, err
}

// hear wakes when mails are queued, until ctx ends.
func (m *Mailer) hear(ctx context.Context, wake chan<- struct{}) error {
	for ctx.Err() == nil {
		err := m.DB.Listen(ctx, postgres.Mails, func() {
			select {
			case wake <- struct{}{}:
			default: // it is awake
			}
		})
		if err != nil {
			m.Log.WarnContext(ctx, "not told of mails; looking for them now and then", "error", err)
			pause(ctx, time.Second)
		}
	}
	return nil
}

// tidy removes what is over, until ctx ends.
func (m *Mailer) tidy(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := m.store.Tidy(ctx, kept); err != nil && ctx.Err() == nil {
			m.Log.WarnContext(ctx, "old mails not removed", "error", err)
		}
		pause(ctx, tidying)
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

var metricMails = prometheus.NewDesc("marina_mails", "Mails of the last day, by what became of them: waiting, sent or failed.", []string{"state"}, nil)

// Metrics shows what became of mails.
func (m *Mailer) Metrics() prometheus.Collector {
	return metrics.NewSnapshot("mails", func(ctx context.Context, emit func(prometheus.Metric)) error {
		states, err := m.store.States(ctx, 24*time.Hour)
		for _, state := range []string{"waiting", "sent", "failed"} {
			emit(metrics.Gauge(metricMails, float64(states[state]), state))
		}
		return err
	}, metricMails)
}
