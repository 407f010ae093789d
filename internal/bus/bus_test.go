//go:build integration

package bus_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/marina-cloud/marina/internal/bus"
	"github.com/marina-cloud/marina/internal/event"
)

const org = "org-01test"

func changed(id string) event.Event {
	return event.Event{ID: id, Kind: event.ClusterChanged, Organization: org, Cluster: "kc-1", Subject: "kc-1", At: time.Unix(1_000, 0).UTC()}
}

// embedded starts a built-in server for the test and connects to it.
func embedded(t *testing.T, dir string) (*bus.Server, *bus.Bus) {
	t.Helper()
	s, err := bus.Embedded(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	b, err := s.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return s, b
}

// external starts a NATS server such as an operator runs, with a password, on
// the given port of the loopback (-1: any), and returns it with its address.
func external(t *testing.T, dir string, port int) (*server.Server, *url.URL) {
	t.Helper()
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: port, JetStream: true, StoreDir: dir, NoSigs: true, NoLog: true, Username: "marina", Password: "secret",
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(20 * time.Second) {
		t.Fatal("NATS did not start")
	}
	return s, &url.URL{Scheme: "nats", Host: s.Addr().String(), User: url.UserPassword("marina", "secret")}
}

// subscribe passes events on to a channel until the test ends.
func subscribe(t *testing.T, b *bus.Bus, filter string) <-chan event.Event {
	t.Helper()
	c := make(chan event.Event, 1000)
	stop, err := b.Subscribe(t.Context(), filter, func(e event.Event) { c <- e })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return c
}

func await[T any](t *testing.T, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(20 * time.Second):
		t.Fatal("nothing came in 20 s")
	}
	return v
}

// stored asks the server itself how many events the stream holds.
func stored(t *testing.T, address string) uint64 {
	t.Helper()
	conn, err := nats.Connect(address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	s, err := js.Stream(t.Context(), "MARINA")
	if err != nil {
		t.Fatal(err)
	}
	return s.CachedInfo().State.Msgs
}

func TestPublishAndSubscribe(t *testing.T) {
	s, b := embedded(t, t.TempDir())
	other, err := s.Connect(t.Context()) // such as another process
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(other.Close)
	all, twin, nodes := subscribe(t, b, bus.All), subscribe(t, other, "controlplane.cluster.*"), subscribe(t, b, "fleet.>")
	want := changed("01a")
	want.Message, want.Data = "It changed.", []byte(`{"a":1}`)
	ready := event.Event{ID: "01b", Kind: event.NodeReady, Organization: org, Subject: "nd-1"}
	for _, e := range []event.Event{want, ready} {
		if err := b.Publish(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]<-chan event.Event{"all": all, "twin": twin} {
		got := await(t, c)
		if got.ID != want.ID || got.Kind != want.Kind || got.Cluster != want.Cluster || !got.At.Equal(want.At) || got.Message != want.Message || string(got.Data) != string(want.Data) {
			t.Errorf("%s got %+v, want %+v", name, got, want)
		}
	}
	if got := await(t, all); got.ID != ready.ID {
		t.Errorf("second is %s: out of order", got.ID)
	}
	if got := await(t, nodes); got.ID != ready.ID || len(nodes) > 0 || len(twin) > 0 {
		t.Errorf("a filter let through what it should not: %s, %d and %d more", got.ID, len(nodes), len(twin))
	}
}

func TestStopEndsASubscription(t *testing.T) {
	_, b := embedded(t, t.TempDir())
	running, release := make(chan struct{}), make(chan struct{})
	ended := false // written by the subscriber before stop returns
	stop, err := b.Subscribe(t.Context(), bus.All, func(event.Event) {
		close(running)
		<-release
		ended = true
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Publish(t.Context(), changed("01a")); err != nil {
		t.Fatal(err)
	}
	await(t, running)
	stopped := make(chan struct{})
	go func() { stop(); close(stopped) }()
	close(release)
	await(t, stopped)
	if !ended {
		t.Error("stop returned while the subscriber was running")
	}
}

func TestRestartKeepsTheStream(t *testing.T) {
	dir := t.TempDir()
	s, b := embedded(t, dir)
	if err := b.Publish(t.Context(), changed("01a")); err != nil {
		t.Fatal(err)
	}
	b.Close()
	s.Close()
	// The same store, by another way, to look at it from outside.
	ns, address := external(t, dir, -1)
	defer ns.Shutdown()
	if n := stored(t, address.String()); n != 1 {
		t.Errorf("%d events after a restart, want 1", n)
	}
}

func TestUnreadableStore(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "nats")
	// A file where a directory must be: no file system lets JetStream use it.
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "jetstream"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, b := embedded(t, dir)
	if err := b.Publish(t.Context(), changed("01a")); err != nil {
		t.Errorf("publish after starting anew: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir+".broken", "jetstream")); err != nil {
		t.Errorf("the broken store was not kept: %v", err)
	}
}

func TestExternal(t *testing.T) {
	_, address := external(t, t.TempDir(), -1)
	b, err := bus.Connect(t.Context(), address.String())
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	events := subscribe(t, b, bus.All)
	for range 3 {
		if err := b.Publish(t.Context(), changed("01a")); err != nil {
			t.Fatalf("the same event again: %v", err)
		}
	}
	await(t, events)
	if n := stored(t, address.String()); n != 1 {
		t.Errorf("%d events stored, want one of three with the same id", n)
	}
	again, err := bus.Connect(t.Context(), address.String()) // the stream is there
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
}

func TestOperatorsStreamStays(t *testing.T) {
	_, address := external(t, t.TempDir(), -1)
	conn, err := nats.Connect(address.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	own := jetstream.StreamConfig{Name: "MARINA", Subjects: []string{"marina.>"}, MaxAge: 30 * 24 * time.Hour}
	if _, err := js.CreateStream(t.Context(), own); err != nil {
		t.Fatal(err)
	}
	b, err := bus.Connect(t.Context(), address.String())
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	s, err := js.Stream(t.Context(), "MARINA")
	if err != nil || s.CachedInfo().Config.MaxAge != own.MaxAge {
		t.Errorf("the operator's settings were changed, %v", err)
	}
	// What the disk lost comes back with the next event.
	if err := js.DeleteStream(t.Context(), "MARINA"); err != nil {
		t.Fatal(err)
	}
	if err := b.Publish(t.Context(), changed("01a")); err != nil {
		t.Errorf("publish after the stream was lost: %v", err)
	}
}

func TestConnectSaysWhereAndHidesThePassword(t *testing.T) {
	for why, address := range map[string]string{
		"nobody listens": "nats://u:geheim@127.0.0.1:1",
		"a list":         "nats://u:geheim@127.0.0.1:1,nats://v:geheim@127.0.0.1:2",
		"no URL":         "u:geheim@127.0.0.1:1",
	} {
		_, err := bus.Connect(t.Context(), address)
		if err == nil || strings.Contains(err.Error(), "geheim") || !strings.HasPrefix(err.Error(), "connect to NATS at ") {
			t.Errorf("%s: error = %v", why, err)
		}
	}
	_, address := external(t, t.TempDir(), -1)
	address.User = url.UserPassword("marina", "falsch")
	if _, err := bus.Connect(t.Context(), address.String()); err == nil || strings.Contains(err.Error(), "falsch") {
		t.Errorf("wrong password: error = %v", err)
	}
}

func TestPublishWithoutServer(t *testing.T) {
	s, b := embedded(t, t.TempDir())
	s.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := b.Publish(ctx, changed("01a")); err == nil || errors.Is(ctx.Err(), context.DeadlineExceeded) {
		t.Errorf("error = %v, want one soon", err)
	}
}

func ids(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("01%04d", i)
	}
	return list
}
