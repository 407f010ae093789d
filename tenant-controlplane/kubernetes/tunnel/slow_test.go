package tunnel_test

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// TestSlowReader: a connection whose reader has stopped, as that of a paused
// `kubectl logs -f`, holds up none of the others through the same agent.
func TestSlowReader(t *testing.T) {
	ca := newAuthority(t, "konnectivity")
	c := serve(t, ca)
	echo, flood := echoServer(t), floodServer(t)
	startAgent(t, c, ca)
	slow := await(t, func() (net.Conn, error) { return dial(t, c, flood) })
	defer slow.Close()
	// A client that does not speak first may lose what comes before it has noted that
	// it is connected (konnectivity-client).
	if _, err := slow.Write([]byte("go")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(slow, make([]byte, 1)); err != nil {
		t.Fatalf("control: what is sent arrives: %v", err)
	}
	for n := range 20 { // it reads no more; others go on
		began := time.Now()
		conn, err := dial(t, c, echo)
		if err != nil {
			t.Fatalf("connection %d is not made: %v after %s", n, err, time.Since(began))
		}
		if _, err := conn.Write([]byte("ahoy")); err != nil {
			t.Fatal(err)
		}
		answered := make(chan error, 1)
		go func() {
			_, err := io.ReadFull(conn, make([]byte, 4))
			answered <- err
		}()
		select {
		case err := <-answered:
			if err != nil {
				t.Fatal(err)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("connection %d waits behind one that is not read", n)
		}
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := io.CopyN(io.Discard, slow, much-1); err != nil {
		t.Errorf("of what had been sent meanwhile %d bytes arrived, want all: %v", n, err)
	}
}

// much is more than the buffers of all parts hold, and less than is kept for one
// connection.
const much = 12 << 20

// floodServer sends much to whoever connects and says something, and then waits.
func floodServer(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil {
				continue
			}
			go func() {
				defer conn.Close()
				if _, err := io.ReadFull(conn, make([]byte, 2)); err != nil {
					return
				}
				if _, err := conn.Write(make([]byte, much)); err == nil {
					_, _ = io.Copy(io.Discard, conn)
				}
			}()
		}
	}()
	return l.Addr().String()
}
