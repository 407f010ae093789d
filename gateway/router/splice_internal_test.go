package router

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// socketPair returns the two ends of a connection.
func socketPair(t *testing.T, network, address string) (a, b net.Conn) {
	t.Helper()
	ln, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if a, err = net.Dial(network, ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	if b, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return a, b
}

// TestSilentConnectionsHoldNoPipe: a watch is open for hours and says little.
func TestSilentConnectionsHoldNoPipe(t *testing.T) {
	t.Parallel()
	client, in := socketPair(t, "tcp", "127.0.0.1:0")
	out, server := socketPair(t, "unix", filepath.Join(t.TempDir(), "s"))
	pipes, done := make(pool, 4), make(chan error, 1)
	go func() {
		_, err := pipes.carry(out, in)
		done <- err
	}()
	for range 3 {
		if _, err := io.WriteString(client, "hello"); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(server, make([]byte, 5)); err != nil {
			t.Fatal(err)
		}
		// The first thing that is done about silence.
		for limit := time.Now().Add(10 * time.Second); len(pipes) != 1; time.Sleep(time.Millisecond) {
			if time.Now().After(limit) {
				t.Fatalf("%d pipes wait for work, want the one that was used", len(pipes))
			}
		}
	}
	if err := in.SetReadDeadline(time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("error = %v, want that a deadline ends the wait", err)
	}
}

// TestFullPipeIsNotUsedAgain: what one connection could not deliver must never reach
// another.
func TestFullPipeIsNotUsedAgain(t *testing.T) {
	t.Parallel()
	client, in := socketPair(t, "tcp", "127.0.0.1:0")
	out, _ := socketPair(t, "unix", filepath.Join(t.TempDir(), "s")) // whose other end reads nothing
	pipes, done := make(pool, 4), make(chan error, 1)
	go func() {
		_, err := pipes.carry(out, in)
		done <- err
	}()
	if err := client.SetWriteDeadline(time.Now().Add(300 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if n, err := client.Write(make([]byte, 64<<20)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("wrote %d bytes, %v; want that they are held up", n, err)
	}
	if err := out.SetWriteDeadline(time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("error = %v, want that a deadline ends the wait", err)
	}
	if len(pipes) != 0 {
		t.Error("a pipe with bytes in it waits for another connection")
	}
}

// TestPipeOutlivesItsConnection: short connections do not use up the pool.
func TestPipeOutlivesItsConnection(t *testing.T) {
	t.Parallel()
	pipes := make(pool, 4)
	for range 3 {
		client, in := socketPair(t, "tcp", "127.0.0.1:0")
		out, _ := socketPair(t, "unix", filepath.Join(t.TempDir(), "s"))
		if err := client.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := pipes.carry(out, in); err != nil {
			t.Fatal(err)
		}
		if len(pipes) != 1 {
			t.Fatalf("%d pipes wait for work, want one", len(pipes))
		}
	}
}
