package pg

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/marina-cloud/marina/internal/fault"
)

func TestRefine(t *testing.T) {
	t.Parallel()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	own := fault.New(fault.NotFound, "no_such_thing", "There is no such thing.")
	code := func(c string) error { return fmt.Errorf("insert: %w", &pgconn.PgError{Code: c}) }
	for name, tc := range map[string]struct {
		why  string
		ctx  context.Context
		err  error
		lost bool
		want bool // ErrUnavailable
	}{
		"ConnectionLost":  {"a broken connection is the database's fault", t.Context(), errors.New("broken pipe"), true, true},
		"CallerGone":      {"who gave up is not told that the database is down", gone, context.Canceled, true, false},
		"FaultStays":      {"what the caller's function decided is the answer", t.Context(), own, true, false},
		"Shutdown":        {"Postgres says why it hung up", t.Context(), code(adminShutdown), true, true},
		"Starting":        {"Postgres is not up yet", t.Context(), code(cannotConnectNow), true, true},
		"Full":            {"there are no connections left", t.Context(), code(tooManyConnections), true, true},
		"ProtocolClass":   {"class 08 is about the connection", t.Context(), code("08006"), false, true},
		"WrongPassword":   {"trying again does not help", t.Context(), code("28P01"), true, false},
		"UniqueViolation": {"an answer is no outage", t.Context(), code("23505"), false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := errors.Is(refine(tc.ctx, tc.err, tc.lost), ErrUnavailable); got != tc.want {
				t.Errorf("unavailable = %v, want %v: %s", got, tc.want, tc.why)
			}
		})
	}
}

func TestRetry(t *testing.T) {
	t.Parallel()
	serial := fmt.Errorf("update: %w", &pgconn.PgError{Code: serializationFailure})
	for name, tc := range map[string]struct {
		why   string
		err   error
		calls int
	}{
		"Serialization": {"the database asks for another try, but not for ever", serial, attempts},
		"Deadlock":      {"the victim of a deadlock was undone", &pgconn.PgError{Code: deadlockDetected}, attempts},
		"NotBegun":      {"nothing was done yet, so a restart of Postgres may be waited out", &notBegun{ErrUnavailable.Because(errors.New("refused"))}, attempts},
		"LostOnTheWay":  {"it may have been committed", ErrUnavailable.Because(errors.New("reset")), 1},
		"Other":         {"the same call would fail the same way", errors.New("no such column"), 1},
		"Success":       {"one is enough", nil, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			calls := 0
			err := retry(t.Context(), func() error { calls++; return tc.err })
			if calls != tc.calls {
				t.Errorf("%d calls, want %d: %s", calls, tc.calls, tc.why)
			}
			if (err == nil) != (tc.err == nil) {
				t.Errorf("error = %v after %v", err, tc.err)
			}
		})
	}
}

func TestRetryEndsWithTheCaller(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	calls := 0
	err := retry(ctx, func() error { calls++; cancel(); return &pgconn.PgError{Code: deadlockDetected} })
	if calls != 1 || err == nil {
		t.Errorf("%d calls, error %v; want one call and its error", calls, err)
	}
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]time.Duration{
		0: 500 * time.Millisecond, 1: 500 * time.Millisecond, 2: time.Second, 3: 2 * time.Second,
		7: 32 * time.Second, 8: time.Minute, 9: time.Minute, 1 << 30: time.Minute,
	} {
		if got := backoff(n, time.Minute, 0.5); got != want {
			t.Errorf("backoff(%d) = %s, want %s", n, got, want)
		}
		if low, high := backoff(n, time.Minute, 0), backoff(n, time.Minute, 0.999999); low != want/2 || high <= want || high >= want*3/2 {
			t.Errorf("backoff(%d) is spread over %s … %s", n, low, high)
		}
	}
}

func TestClip(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ why, in, want string }{
		"Short":   {"most errors are short", "no route", "no route"},
		"Zero":    {"Postgres refuses a zero byte in a text", "a\x00b", "ab"},
		"NotUTF8": {"Postgres refuses what is not UTF-8", "a\xffb", "a\uFFFDb"},
		"Long":    {"a row is no log", strings.Repeat("x", 5000), strings.Repeat("x", 1000) + "…"},
		"LongUTF": {"a character is not cut in two", strings.Repeat("é", 5000) + "x", strings.Repeat("é", 500) + "…"},
		"Uneven":  {"a character is not cut in two", "x" + strings.Repeat("é", 5000), "x" + strings.Repeat("é", 499) + "…"},
	} {
		if got := clip(tc.in); got != tc.want || !utf8.ValidString(got) {
			t.Errorf("%s: clip = %.40q (%d bytes): %s", name, got, len(got), tc.why)
		}
	}
}

func TestQueueNames(t *testing.T) {
	t.Parallel()
	if err := (Queue{Table: "clusters; DROP TABLE clusters"}).Run(t.Context(), nil, 1, nil); err == nil {
		t.Error("a table that is no queue was accepted: it would be a part of the SQL")
	}
	if err := (Queue{Table: "clusters"}).Run(t.Context(), nil, 0, nil); err == nil {
		t.Error("no workers were accepted: the queue would stand still")
	}
}
