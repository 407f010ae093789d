//go:build integration

package pg_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/migrations/pg"
	"github.com/marina-cloud/marina/migrations/pgtest"
)

// filled returns a queue of n clusters, all due.
func filled(t *testing.T, n int) (pg.Queue, []string) {
	t.Helper()
	db := pgtest.New(t)
	org := organization(t, db)
	ids := make([]string, n)
	for i := range ids {
		ids[i] = string(cluster(t, db, org, i))
	}
	return pg.Queue{DB: db, Table: "clusters"}, ids
}

// state is a row as the queue left it.
type state struct {
	due      time.Duration // from now
	leased   bool
	attempts int
	last     string
}

func look(t *testing.T, q pg.Queue, id string) (s state) {
	t.Helper()
	err := q.DB.AsWorker(t.Context(), func(tx pgx.Tx) error {
		return tx.QueryRow(t.Context(), "SELECT due_at - now(), lease_until IS NOT NULL, attempts, last_error FROM clusters WHERE id = $1", id).
			Scan(&s.due, &s.leased, &s.attempts, &s.last)
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func exec(t *testing.T, q pg.Queue, sql string, args ...any) {
	t.Helper()
	err := q.DB.AsWorker(t.Context(), func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), sql, args...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func take(t *testing.T, q pg.Queue, n int) []pg.Lease {
	t.Helper()
	leases, err := q.Take(t.Context(), n, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return leases
}

func wake(t *testing.T, q pg.Queue, id string) {
	t.Helper()
	if err := q.DB.AsWorker(t.Context(), func(tx pgx.Tx) error { return q.Wake(t.Context(), tx, id) }); err != nil {
		t.Fatal(err)
	}
}

func TestTakeGivesEachRowOnce(t *testing.T) {
	t.Parallel()
	const rows, takers = 60, 8
	q, _ := filled(t, rows)
	var mu sync.Mutex
	got := map[string]int{}
	var wg sync.WaitGroup
	for range takers {
		wg.Go(func() {
			for {
				leases, err := q.Take(t.Context(), 7, time.Minute)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				for _, l := range leases {
					got[l.ID]++
					if l.Token != 1 || time.Until(l.Until) > time.Minute {
						t.Errorf("lease %+v", l)
					}
				}
				all := len(got) == rows
				mu.Unlock()
				if len(leases) == 0 || all {
					return
				}
			}
		})
	}
	wg.Wait()
	for id, n := range got {
		if n != 1 {
			t.Errorf("%s was taken %d times", id, n)
		}
	}
	// A taker may come away empty while others hold locks, so what is left is
	// taken now; nothing may be taken twice.
	if rest := take(t, q, rows); len(got)+len(rest) != rows {
		t.Errorf("%d and %d rows taken of %d", len(got), len(rest), rows)
	}
}

func TestTakeOrder(t *testing.T) {
	t.Parallel()
	q, ids := filled(t, 4)
	exec(t, q, "UPDATE clusters SET due_at = now() - interval '1 hour' WHERE id = $1", ids[2])
	exec(t, q, "UPDATE clusters SET due_at = now() + interval '1 hour' WHERE id = $1", ids[0])
	exec(t, q, "UPDATE clusters SET phase = 'deleted' WHERE id = $1", ids[1])
	if l := take(t, q, 1); len(l) != 1 || l[0].ID != ids[2] {
		t.Errorf("took %+v, want the one that has waited longest", l)
	}
	if l := take(t, q, 9); len(l) != 1 || l[0].ID != ids[3] {
		t.Errorf("took %+v, want neither what is not due nor what is deleted nor what is leased", l)
	}
}

func TestLeaseOfTheDead(t *testing.T) {
	t.Parallel()
	q, ids := filled(t, 1)
	dead := take(t, q, 1)[0]
	exec(t, q, "UPDATE clusters SET lease_until = now() - interval '1 second' WHERE id = $1", ids[0])
	// It is late, but nobody else came: what it does is still right.
	if err := q.DB.AsWorker(t.Context(), func(tx pgx.Tx) error { return dead.Hold(t.Context(), tx, "clusters") }); err != nil {
		t.Errorf("a lease that nobody took over: %v", err)
	}
	heir := take(t, q, 1)[0]
	if heir.Token != dead.Token+1 {
		t.Errorf("token %d after %d", heir.Token, dead.Token)
	}
	hold := func(l pg.Lease) error {
		return q.DB.AsWorker(t.Context(), func(tx pgx.Tx) error { return l.Hold(t.Context(), tx, "clusters") })
	}
	for what, err := range map[string]error{
		"done": q.Done(t.Context(), dead, 0), "failed": q.Failed(t.Context(), dead, errors.New("x")), "hold": hold(dead),
	} {
		if !errors.Is(err, pg.ErrLeaseLost) {
			t.Errorf("%s by a worker that was replaced: %v, want ErrLeaseLost", what, err)
		}
	}
	if err := hold(heir); err != nil {
		t.Errorf("hold by its successor: %v", err)
	}
	if err := q.Done(t.Context(), heir, time.Hour); err != nil {
		t.Fatal(err)
	}
	if err := hold(heir); !errors.Is(err, pg.ErrLeaseLost) {
		t.Errorf("hold after giving back: %v, want ErrLeaseLost", err)
	}
	exec(t, q, "UPDATE clusters SET due_at = now() WHERE id = $1", ids[0])
	last := take(t, q, 1)[0]
	last.ID = "kc-gone"
	if err := q.Done(t.Context(), last, 0); !errors.Is(err, pg.ErrLeaseLost) {
		t.Errorf("done on a row that is gone: %v, want ErrLeaseLost", err)
	}
}

func TestHoldKeepsOthersOut(t *testing.T) {
	t.Parallel()
	q, ids := filled(t, 1)
	l := take(t, q, 1)[0]
	exec(t, q, "UPDATE clusters SET lease_until = now() - interval '1 second' WHERE id = $1", ids[0])
	err := q.DB.AsWorker(t.Context(), func(tx pgx.Tx) error {
		if err := l.Hold(t.Context(), tx, "clusters"); err != nil {
			return err
		}
		if others := take(t, q, 1); len(others) != 0 {
			t.Error("the row was taken over while its worker was saving")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestGiveBack(t *testing.T) {
	t.Parallel()
	long := errors.New("no machine answers")
	for name, tc := range map[string]struct {
		why      string
		woken    bool
		failed   int   // times, before
		cause    error // nil: it went well
		attempts int
		min, max time.Duration // when it is due
	}{
		"Done":        {"it rests as long as the worker said", false, 0, nil, 0, 50 * time.Minute, time.Hour},
		"DoneWoken":   {"a wake while it was worked on is not lost", true, 0, nil, 0, -time.Minute, 0},
		"DoneAtLast":  {"a success forgets the failures", false, 5, nil, 0, 50 * time.Minute, time.Hour},
		"Failed":      {"the first pause is short", false, 0, long, 1, 0, 750 * time.Millisecond},
		"FailedOften": {"the pause grows", false, 9, long, 10, 25 * time.Second, 90 * time.Second},
		"FailedWoken": {"something changed, so it may go well now, but not in a busy loop", true, 9, long, 10, 0, 750 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q, ids := filled(t, 1)
			exec(t, q, "UPDATE clusters SET attempts = $1, last_error = 'old' WHERE id = $2", tc.failed, ids[0])
			l := take(t, q, 1)[0]
			if l.Attempts != tc.failed {
				t.Errorf("the lease says %d attempts, want %d", l.Attempts, tc.failed)
			}
			if tc.woken {
				wake(t, q, ids[0])
				if others := take(t, q, 1); len(others) != 0 {
					t.Error("a woken row was taken from its worker")
				}
			}
			if tc.cause != nil {
				if err := q.Failed(t.Context(), l, tc.cause); err != nil {
					t.Fatal(err)
				}
			} else if err := q.Done(t.Context(), l, time.Hour); err != nil {
				t.Fatal(err)
			}
			want := ""
			if tc.cause != nil {
				want = tc.cause.Error()
			}
			s := look(t, q, ids[0])
			if s.leased || s.attempts != tc.attempts || s.last != want || s.due < tc.min-2*time.Second || s.due > tc.max {
				t.Errorf("the row is %+v: %s", s, tc.why)
			}
		})
	}
}

// run starts q.Run and returns how to stop it and wait for it.
func run(t *testing.T, q pg.Queue, wake <-chan struct{}, parallel int, do func(context.Context, pg.Lease) (time.Duration, error)) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- q.Run(ctx, wake, parallel, do) }()
	return sync.OnceFunc(func() {
		cancel()
		if err := await(t, ended); err != nil {
			t.Errorf("Run = %v, want nil after its context ended", err)
		}
	})
}

func TestRunWorksOnAll(t *testing.T) {
	t.Parallel()
	const rows, parallel = 25, 4
	q, _ := filled(t, rows)
	var mu sync.Mutex
	now, most := 0, 0
	done := make(chan string, rows*2)
	stop := run(t, q, nil, parallel, func(_ context.Context, l pg.Lease) (time.Duration, error) {
		mu.Lock()
		now++
		most = max(most, now)
		mu.Unlock()
		done <- l.ID
		mu.Lock()
		now--
		mu.Unlock()
		return time.Hour, nil
	})
	defer stop()
	seen := map[string]bool{}
	for range rows {
		seen[await(t, done)] = true
	}
	stop()
	if len(seen) != rows || len(done) != 0 || most > parallel {
		t.Errorf("%d of %d rows, %d more, %d at once", len(seen), rows, len(done), most)
	}
}

// TestRunWorksOnFewer: Most lowers the number of rows that are worked on at once, and
// what it says later is heeded when a row is given back.
func TestRunWorksOnFewer(t *testing.T) {
	t.Parallel()
	q, _ := filled(t, 6)
	var most atomic.Int64
	most.Store(0) // which is one
	q.Most = func() int { return int(most.Load()) }
	begun, end := make(chan string, 6), make(chan struct{})
	stop := run(t, q, nil, 4, func(context.Context, pg.Lease) (time.Duration, error) {
		begun <- ""
		<-end
		return time.Hour, nil
	})
	defer stop()
	defer close(end)
	await(t, begun)
	select {
	case <-begun:
		t.Error("two at once, want one")
	case <-time.After(300 * time.Millisecond):
	}
	most.Store(99)
	end <- struct{}{}
	for range 4 { // all that Run may
		await(t, begun)
	}
	select {
	case <-begun:
		t.Error("five at once, want four")
	case <-time.After(300 * time.Millisecond):
	}
}

func TestRunWakes(t *testing.T) {
	t.Parallel()
	q, ids := filled(t, 1)
	signal := make(chan struct{}, 1)
	did := make(chan pg.Lease, 9)
	stop := run(t, q, signal, 2, func(_ context.Context, l pg.Lease) (time.Duration, error) {
		did <- l
		return time.Hour, nil
	})
	defer stop()
	await(t, did)
	for range 3 {
		begun := time.Now()
		wake(t, q, ids[0])
		signal <- struct{}{}
		await(t, did)
		if d := time.Since(begun); d > 3*time.Second {
			t.Errorf("it took %s from the wake to the work: the signal was not heeded", d)
		}
	}
}

func TestRunComesBackWhenDue(t *testing.T) {
	t.Parallel()
	q, _ := filled(t, 1)
	did := make(chan time.Time, 9)
	stop := run(t, q, nil, 1, func(context.Context, pg.Lease) (time.Duration, error) {
		did <- time.Now()
		return 300 * time.Millisecond, nil
	})
	defer stop()
	first := await(t, did)
	if d := await(t, did).Sub(first); d < 250*time.Millisecond || d > 3*time.Second {
		t.Errorf("came back after %s, want about 300 ms", d)
	}
}

func TestRunFailures(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		why  string
		do   func(context.Context) (time.Duration, error)
		want string
	}{
		"Error": {"the row shows why", func(context.Context) (time.Duration, error) { return 0, errors.New("disk full") }, "disk full"},
		"Panic": {"one row must not stop the others", func(context.Context) (time.Duration, error) { panic("nil map") }, "panic: nil map"},
		"TooSlow": {"work that hangs is broken off", func(ctx context.Context) (time.Duration, error) {
			<-ctx.Done()
			return 0, fmt.Errorf("read: %w", ctx.Err())
		}, "took longer than 200ms: read: context deadline exceeded"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q, ids := filled(t, 1)
			q.Limit = 200 * time.Millisecond
			again, release := make(chan struct{}), make(chan struct{})
			stop := run(t, q, nil, 1, func(ctx context.Context, l pg.Lease) (time.Duration, error) {
				if l.Attempts > 0 {
					again <- struct{}{}
					<-release
					return time.Hour, nil
				}
				return tc.do(ctx)
			})
			defer stop()
			defer close(release)
			await(t, again) // the second try; until it ends, the row shows how the first did
			if s := look(t, q, ids[0]); s.attempts != 1 || s.last != tc.want {
				t.Errorf("the row is %+v, want %q: %s", s, tc.want, tc.why)
			}
		})
	}
}

func TestRunRenewsItsLease(t *testing.T) {
	t.Parallel()
	q, _ := filled(t, 1)
	q.Lease = 2 * time.Second
	release := make(chan struct{})
	started, ended := make(chan time.Time, 1), make(chan error, 1)
	stop := run(t, q, nil, 1, func(ctx context.Context, l pg.Lease) (time.Duration, error) {
		started <- l.Until
		<-release
		ended <- ctx.Err()
		return time.Hour, nil
	})
	defer stop()
	letGo := sync.OnceFunc(func() { close(release) })
	defer letGo()
	for until := await(t, started).Add(q.Lease / 2); time.Now().Before(until); {
		if l := take(t, q, 1); len(l) != 0 {
			t.Fatal("the row was taken from a worker that is alive")
		}
	}
	letGo()
	if err := await(t, ended); err != nil {
		t.Errorf("the worker's context ended: %v", err)
	}
}

func TestRunStopsWhoLostItsLease(t *testing.T) {
	t.Parallel()
	q, ids := filled(t, 1)
	q.Lease = 300 * time.Millisecond
	started, ended := make(chan struct{}, 1), make(chan error, 1)
	stop := run(t, q, nil, 1, func(ctx context.Context, _ pg.Lease) (time.Duration, error) {
		started <- struct{}{}
		<-ctx.Done()
		ended <- context.Cause(ctx)
		return 0, ctx.Err()
	})
	defer stop()
	await(t, started)
	exec(t, q, "UPDATE clusters SET lease_token = lease_token + 1, lease_until = now() + interval '1 hour' WHERE id = $1", ids[0])
	if err := await(t, ended); !errors.Is(err, pg.ErrLeaseLost) {
		t.Errorf("cause = %v, want ErrLeaseLost", err)
	}
	stop()
	if s := look(t, q, ids[0]); !s.leased || s.attempts != 0 {
		t.Errorf("the row is %+v: the worker that lost it wrote on it", s)
	}
}

func TestRunStopping(t *testing.T) {
	t.Parallel()
	q, ids := filled(t, 1)
	started := make(chan struct{}, 1)
	finished := false // written before Run returns, read after: no lock needed
	stop := run(t, q, nil, 1, func(ctx context.Context, _ pg.Lease) (time.Duration, error) {
		started <- struct{}{}
		<-ctx.Done()
		finished = true
		return 0, ctx.Err()
	})
	await(t, started)
	stop()
	if !finished {
		t.Error("Run returned before its worker did")
	}
	if s := look(t, q, ids[0]); s.leased || s.attempts != 0 || s.due > 0 {
		t.Errorf("the row is %+v: the next process cannot take it at once", s)
	}
}

// TestWakeInTurn: after a start, rows are worked on in an order that the caller
// knows, however long each of them has been due.
func TestWakeInTurn(t *testing.T) {
	t.Parallel()
	q, ids := filled(t, 5)
	exec(t, q, "UPDATE clusters SET due_at = now() - interval '1 day' WHERE id = $1", ids[3])
	exec(t, q, "UPDATE clusters SET due_at = now() + interval '1 day' WHERE id = $1", ids[1])
	want := []string{ids[4], ids[1], ids[2], ids[0], ids[3]}
	if err := q.DB.AsWorker(t.Context(), func(tx pgx.Tx) error { return q.WakeInTurn(t.Context(), tx, want) }); err != nil {
		t.Fatal(err)
	}
	for n, id := range want {
		l := take(t, q, 1)
		if len(l) != 1 || l[0].ID != id {
			t.Fatalf("number %d: took %v, want %s", n, l, id)
		}
		// It was woken while nobody held it: that is no reason to do it twice.
		if err := q.Done(t.Context(), l[0], time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	if again := take(t, q, 1); len(again) != 0 {
		t.Errorf("took %v again", again)
	}
}
