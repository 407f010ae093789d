//go:build integration

package bus_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/internal/bus"
	"github.com/marina-cloud/marina/internal/event"
	"github.com/marina-cloud/marina/migrations/pg"
	"github.com/marina-cloud/marina/migrations/pgtest"
)

func database(t *testing.T) *pg.DB {
	t.Helper()
	db := pgtest.New(t)
	err := db.AsLogin(t.Context(), func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "INSERT INTO organizations (id, name) VALUES ($1, 'Acme')", org)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// write puts events into the outbox, each in a transaction of its own.
func write(t *testing.T, db *pg.DB, events ...event.Event) {
	t.Helper()
	for _, e := range events {
		if err := db.AsTenant(t.Context(), org, func(tx pgx.Tx) error { return pg.Publish(t.Context(), tx, e) }); err != nil {
			t.Fatal(err)
		}
	}
}

func number(t *testing.T, db *pg.DB, sql string) (n int) {
	t.Helper()
	if err := db.AsWorker(t.Context(), func(tx pgx.Tx) error { return tx.QueryRow(t.Context(), sql).Scan(&n) }); err != nil {
		t.Fatal(err)
	}
	return n
}

// eventually waits until ok, and fails the test if that takes too long.
func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	limit := time.After(30 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-limit:
			t.Fatal("it did not come about in 30 s")
		case <-tick.C:
		}
	}
}

const unsent = "SELECT count(*) FROM outbox WHERE sent_at IS NULL"

// relay runs bus.Relay until stop or the test's end.
func relay(t *testing.T, db *pg.DB, b *bus.Bus) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- bus.Relay(ctx, db, b) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Relay = %v, want nil after its context ended", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// collect reads events until it has all of want, and returns the order in which
// they first came.
func collect(t *testing.T, c <-chan event.Event, want []string) (got []string) {
	t.Helper()
	for len(got) < len(want) {
		if e := await(t, c); !slices.Contains(got, e.ID) {
			got = append(got, e.ID)
		}
	}
	return got
}

func TestRelayKeepsTheOrder(t *testing.T) {
	db := database(t)
	_, b := embedded(t, t.TempDir())
	events := subscribe(t, b, bus.All)
	all := ids(250) // more than two batches
	for _, id := range all[:120] {
		write(t, db, changed(id))
	}
	relay(t, db, b)
	relay(t, db, b) // in another process: it must not disturb
	for _, id := range all[120:] {
		write(t, db, changed(id))
	}
	if got := collect(t, events, all); !slices.Equal(got, all) {
		t.Errorf("events came as %v", got)
	}
}

func TestRelayIsQuick(t *testing.T) {
	db := database(t)
	_, b := embedded(t, t.TempDir())
	events := subscribe(t, b, bus.All)
	relay(t, db, b)
	write(t, db, changed("first"))
	await(t, events)
	for _, id := range ids(5) {
		begun := time.Now()
		write(t, db, changed(id))
		await(t, events)
		if d := time.Since(begun); d > 2*time.Second {
			t.Errorf("%s from the commit to the subscriber: the notification was not heeded", d)
		}
	}
}

func TestOutageOfNATS(t *testing.T) {
	db := database(t)
	dir := t.TempDir()
	ns, address := external(t, dir, -1)
	b, err := bus.Connect(t.Context(), address.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	events := subscribe(t, b, bus.All)
	stop := relay(t, db, b)
	write(t, db, changed("before"))
	await(t, events)
	eventually(t, func() bool { return number(t, db, unsent) == 0 }) // it came before the relay knew that it did

	ns.Shutdown()
	ns.WaitForShutdown()
	all := ids(20)
	for _, id := range all {
		write(t, db, changed(id)) // customers notice nothing
	}
	if n := number(t, db, unsent); n != len(all) {
		t.Errorf("%d events wait in the outbox, want %d", n, len(all))
	}
	port := 0
	for _, c := range address.Port() {
		port = 10*port + int(c-'0')
	}
	external(t, t.TempDir(), port) // it comes back, having lost its disk
	eventually(t, func() bool { return number(t, db, unsent) == 0 })
	if n := stored(t, address.String()); n != uint64(len(all)) {
		t.Errorf("%d of %d events came after the outage", n, len(all))
	}
	stop()
}

func TestRelayAfterACrash(t *testing.T) {
	db := database(t)
	_, address := external(t, t.TempDir(), -1)
	b, err := bus.Connect(t.Context(), address.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	write(t, db, changed("01a"))
	// The relay died between publishing the event and remembering that it did.
	if err := b.Publish(t.Context(), changed("01a")); err != nil {
		t.Fatal(err)
	}
	relay(t, db, b)
	eventually(t, func() bool { return number(t, db, unsent) == 0 })
	if n, left := stored(t, address.String()), number(t, db, unsent); n != 1 || left != 0 {
		t.Errorf("stored %d times, %d left in the outbox", n, left)
	}
}

func TestRelayPassesOverWhatCannotBeSent(t *testing.T) {
	db := database(t)
	_, b := embedded(t, t.TempDir())
	events := subscribe(t, b, bus.All)
	huge := changed("huge") // NATS takes a megabyte
	huge.Message = strings.Repeat("x", 2<<20)
	write(t, db, huge, changed("after"))
	relay(t, db, b)
	if got := await(t, events); got.ID != "after" {
		t.Errorf("got %s: one event held up all others", got.ID)
	}
}

func TestRelayTidiesUp(t *testing.T) {
	db := database(t)
	_, b := embedded(t, t.TempDir())
	hint, history := changed("hint"), changed("history")
	history.Message = "It changed."
	write(t, db, hint, history, changed("recent"))
	age := func(id, by string) {
		err := db.AsWorker(t.Context(), func(tx pgx.Tx) error {
			_, err := tx.Exec(t.Context(), "UPDATE outbox SET sent_at = now() - $2::text::interval WHERE id = $1", id, by)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	age("hint", "25 hours")
	age("history", "25 hours")
	stop := relay(t, db, b)
	eventually(t, func() bool { return number(t, db, "SELECT count(*) FROM outbox WHERE id = 'hint'") == 0 })
	if n := number(t, db, "SELECT count(*) FROM outbox"); n != 2 {
		t.Errorf("%d events are left, want the recent one and the history", n)
	}
	stop()
	age("history", "31 days")
	relay(t, db, b)
	eventually(t, func() bool { return number(t, db, "SELECT count(*) FROM outbox") == 1 })
	if n := number(t, db, "SELECT count(*) FROM outbox"); n != 1 {
		t.Errorf("%d events are left, want only the recent one", n)
	}
}
