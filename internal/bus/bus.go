// Package bus carries events between the contexts, and between processes, over
// NATS (https://docs.nats.io).
//
// It wakes and notifies. The truth is in Postgres: an event is written to the
// outbox in the transaction that made it true and relayed from there (Relay), so
// an outage of NATS delays it, and losing the whole stream loses nothing.
package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/marina-cloud/marina/internal/event"
)

// All is the filter that every event matches.
const All = ">"

const (
	prefix  = "marina." // and the event's kind make the subject
	timeout = 5 * time.Second
	// ackTimeout is how long the stream may take to store an event: some
	// milliseconds are usual.
	ackTimeout = 2 * time.Second
	backlog    = 1024 // events that a slow subscriber may be behind before it misses some
)

// stream keeps the events for those who read them later. Who can read it can
// always find out more in Postgres, so it is bounded and drops the oldest.
var stream = jetstream.StreamConfig{
	Name:     "MARINA",
	Subjects: []string{prefix + ">"},
	MaxAge:   7 * 24 * time.Hour,
	MaxBytes: 256 << 20,
	// How long the relay may have been dead between publishing an event and
	// remembering that it did, without the event being stored twice.
	Duplicates: time.Hour,
}

// Bus is a connection to NATS. It is safe for concurrent use and connects again
// by itself.
type Bus struct {
	conn *nats.Conn
	js   jetstream.JetStream
}

// Connect connects to the NATS server at address, a URL such as
// "nats://user:password@host:4222" or several with commas between them, and
// makes the stream MARINA unless there is one.
func Connect(ctx context.Context, address string) (*Bus, error) {
	b, err := connect(ctx, address)
	if err != nil {
		return nil, fmt.Errorf("connect to NATS at %s: %w", redacted(address), err)
	}
	return b, nil
}

func connect(ctx context.Context, address string, options ...nats.Option) (*Bus, error) {
	options = append(options,
		nats.Name("marina"),
		nats.Timeout(timeout),
		nats.MaxReconnects(-1),
		nats.ReconnectBufSize(-1), // an event that cannot be sent stays in the outbox, not in memory
		nats.DisconnectErrHandler(func(c *nats.Conn, err error) {
			if !c.IsClosed() {
				slog.Warn("connection to NATS lost", "error", err)
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) { slog.Info("connected to NATS again") }),
		nats.ErrorHandler(func(_ *nats.Conn, s *nats.Subscription, err error) {
			subject := ""
			if s != nil {
				subject = s.Subject
			}
			slog.Warn("NATS reported an error", "subject", subject, "error", err)
		}),
	)
	conn, err := nats.Connect(address, options...)
	if err != nil {
		return nil, err
	}
	js, err := jetstream.New(conn)
	if err != nil {
		conn.Close()
		return nil, err
	}
	b := &Bus{conn: conn, js: js}
	if err := b.ensureStream(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return b, nil
}

// ensureStream makes the stream, unless there is one: an operator's own settings
// for it, such as its replicas, stay.
func (b *Bus) ensureStream(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	_, err := b.js.CreateStream(ctx, stream)
	if err != nil && !errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
		return fmt.Errorf("make the stream %s: %w", stream.Name, err)
	}
	return nil
}

// Close ends the connection. Subscriptions end with it.
func (b *Bus) Close() { b.conn.Close() }

// Publish sends e and returns when the stream has stored it. An event with the
// same ID as one of the last hour is stored once, and that is no error.
func (b *Bus) Publish(ctx context.Context, e event.Event) error {
	data, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encode event %s: %w", e.ID, err)
	}
	if err := b.store(ctx, prefix+string(e.Kind), e.ID, data); err != nil {
		return fmt.Errorf("publish event %s: %w", e.ID, err)
	}
	return nil
}

// store sends one message and waits until the stream has it. A server that lost
// the stream, with its disk, gets a new one.
func (b *Bus) store(ctx context.Context, subject, id string, data []byte) error {
	send := func() error {
		ctx, cancel := context.WithTimeout(ctx, ackTimeout)
		defer cancel()
		_, err := b.js.Publish(ctx, subject, data, jetstream.WithMsgID(id))
		return err
	}
	err := send()
	// Where there are plain subscribers, too, the server cannot tell that nobody
	// will acknowledge: there is only silence.
	silent := errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil
	if !silent && !errors.Is(err, jetstream.ErrNoStreamResponse) {
		return err
	}
	if err := b.ensureStream(ctx); err != nil {
		return err
	}
	return send()
}

// Subscribe calls f for every event published from now on whose kind matches
// filter, such as "controlplane.cluster.*" or All (NATS' wildcards), one call at
// a time and in the order of publishing. Every subscriber of every process gets
// each event.
//
// Events are hints: those of a time without connection are missed, one may come
// twice, and a subscriber that is too far behind misses some. So it must find
// out by itself, now and then, what it may have missed.
//
// The subscription ends with ctx or with stop, which returns when f is no longer
// running and so must not be called by f.
func (b *Bus) Subscribe(ctx context.Context, filter string, f func(event.Event)) (stop func(), err error) {
	// A plain subscription, not a consumer of the stream: it needs no state on
	// the server and outlives the loss of the stream.
	messages := make(chan *nats.Msg, backlog)
	sub, err := b.conn.ChanSubscribe(prefix+filter, messages)
	if err != nil {
		return nil, fmt.Errorf("subscribe to %s: %w", filter, err)
	}
	// The server knows of it when Subscribe returns.
	flush, done := context.WithTimeout(ctx, timeout)
	defer done()
	if err := b.conn.FlushWithContext(flush); err != nil {
		return nil, errors.Join(fmt.Errorf("subscribe to %s: %w", filter, err), sub.Unsubscribe())
	}
	ctx, cancel := context.WithCancel(ctx)
	var reader sync.WaitGroup
	reader.Go(func() {
		defer sub.Unsubscribe() //nolint:errcheck // fails only when the connection is closed
		for {
			select {
			case <-ctx.Done():
				return
			case m := <-messages:
				var e event.Event
				if err := json.Unmarshal(m.Data, &e); err != nil {
					slog.WarnContext(ctx, "event not understood", "subject", m.Subject, "error", err)
					continue
				}
				f(e)
			}
		}
	})
	return func() { cancel(); reader.Wait() }, nil
}

// redacted is address without its passwords.
func redacted(address string) string {
	parts := strings.Split(address, ",")
	for i, p := range parts {
		u, err := url.Parse(strings.TrimSpace(p))
		if err != nil || u.Host == "" {
			return "the given address"
		}
		parts[i] = u.Redacted()
	}
	return strings.Join(parts, ",")
}
