package pg

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/marina-cloud/marina/internal/fault"
)

// ErrUnavailable means that the database could not be reached, or was lost on
// the way. Whether a transaction that was being committed took effect is then
// not known.
var ErrUnavailable = fault.New(fault.Unavailable, "database_unavailable",
	"The service cannot reach its database at the moment. Try again in a few seconds.")

// Postgres' error codes (https://www.postgresql.org/docs/current/errcodes-appendix.html).
const (
	serializationFailure = "40001"
	deadlockDetected     = "40P01"
	adminShutdown        = "57P01"
	crashShutdown        = "57P02"
	cannotConnectNow     = "57P03"
	tooManyConnections   = "53300"
)

const (
	attempts   = 6
	firstPause = 10 * time.Millisecond // doubled each time: 0.3 s in all
)

// notBegun marks an error from before the transaction did anything.
type notBegun struct{ error }

func (e *notBegun) Unwrap() error { return e.error }

// retry calls f until it succeeds or its error is one that another try cannot
// help, at most attempts times.
func retry(ctx context.Context, f func() error) error {
	pause := firstPause
	for n := 1; ; n++ {
		err := f()
		if err == nil || n == attempts || !mayHelp(err) {
			if e, ok := err.(*notBegun); ok { //nolint:errorlint // it is the outermost or not there
				return e.error
			}
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(jitter(pause, rand.Float64())):
		}
		pause *= 2
	}
}

// mayHelp reports whether err promises that nothing was done and that a new
// transaction may fare better.
func mayHelp(err error) bool {
	if _, ok := errors.AsType[*notBegun](err); ok {
		return errors.Is(err, ErrUnavailable)
	}
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (e.Code == serializationFailure || e.Code == deadlockDetected)
}

// refine turns an error that means "no database" into ErrUnavailable. lost says
// that the connection is gone. What the caller caused by giving up stays as it is.
func refine(ctx context.Context, err error, lost bool) error {
	if ctx.Err() != nil {
		return err
	}
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch {
		case strings.HasPrefix(e.Code, "08"),
			e.Code == adminShutdown, e.Code == crashShutdown, e.Code == cannotConnectNow, e.Code == tooManyConnections:
			return ErrUnavailable.Because(err)
		}
		return err // such as a wrong password: trying again does not help
	}
	if lost {
		return ErrUnavailable.Because(err)
	}
	return err
}

// jitter spreads d over d/2 … 3d/2, so that those who failed together do not
// come back together. r is in [0, 1).
func jitter(d time.Duration, r float64) time.Duration {
	return d/2 + time.Duration(r*float64(d))
}
