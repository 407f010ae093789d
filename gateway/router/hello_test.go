package router_test

import (
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"

	"github.com/marina-cloud/marina/gateway/router"
)

// chopper is a client's connection whose first write, the ClientHello, is cut
// into records and packets of the sizes given.
type chopper struct {
	*net.TCPConn
	record, packet int
	begun          bool
}

func (c *chopper) Write(p []byte) (int, error) {
	if c.begun {
		return c.TCPConn.Write(p)
	}
	c.begun = true
	out := records(p[5:], c.record)
	for len(out) > 0 {
		n := min(c.packet, len(out))
		if _, err := c.TCPConn.Write(out[:n]); err != nil {
			return 0, err
		}
		out = out[n:]
	}
	return len(p), nil
}

// records frames a handshake message in records of at most size bytes.
func records(message []byte, size int) (out []byte) {
	for len(message) > 0 {
		n := min(size, len(message))
		out = append(out, 22, 3, 1)
		out = binary.BigEndian.AppendUint16(out, uint16(n))
		out = append(out, message[:n]...)
		message = message[n:]
	}
	return out
}

func TestHelloInPieces(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	c := newCluster(t).serveAPI(t, echo).publish(t, w)
	const whole = 1 << 14
	for name, tc := range map[string]struct{ record, packet int }{
		"ByteByByte":        {whole, 1},
		"SmallRecords":      {100, whole},
		"OneByteRecords":    {1, whole},
		"OneByteEverything": {1, 1},
		"HeaderApart":       {whole, 5},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := tls.Client(&chopper{TCPConn: w.connect(t), record: tc.record, packet: tc.packet}, c.client())
			if got := ask(t, conn, "hello"); got != "hello" {
				t.Errorf("answer = %q, want the same line", got)
			}
		})
	}
}

// TestRefusedInput holds what a client hears that does not begin with a whole
// ClientHello. In no case does it hear of a cluster.
func TestRefusedInput(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	full := clientHello(t, c.client())
	const badRequest = "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"
	huge := make([]byte, 100<<10)
	huge[0], huge[1], huge[2], huge[3] = 1, 1, 0x90, 0 // a ClientHello of 100 KiB

	for name, tc := range map[string]struct {
		why    string
		send   []byte
		hear   string
		reason string
	}{
		"PlainHTTP":    {"a person who forgot https gets told", []byte("GET /api HTTP/1.1\r\nHost: x\r\n\r\n"), badRequest, "not-tls"},
		"PlainDelete":  {"whatever the method", []byte("DELETE /api HTTP/1.1\r\nHost: x\r\n\r\n"), badRequest, "not-tls"},
		"ProxyV1":      {"nobody outside may say whose address a connection has", append([]byte("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n"), full...), "", "not-tls"},
		"ProxyV2":      {"nor in the binary form", append([]byte("\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\x01\x02\x03\x04\x05\x06\x07\x08\x00\x01\x00\x02"), full...), "", "not-tls"},
		"Noise":        {"is not answered", []byte("\x00\x01\x02\x03\x04\x05\x06\x07"), "", "not-tls"},
		"SSLv2":        {"is told that its version is not supported (alert 70)", []byte("\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10"), "\x15\x03\x01\x00\x02\x02\x46", "not-tls"},
		"NoHello":      {"another handshake message is unexpected (alert 10)", records([]byte{20, 0, 0, 1, 0}, 100), "\x15\x03\x01\x00\x02\x02\x0a", "bad-hello"},
		"BrokenHello":  {"a hello that cannot be parsed is said to be broken (alert 50)", records([]byte{1, 0, 0, 4, 9, 9, 9, 9}, 100), "\x15\x03\x01\x00\x02\x02\x32", "bad-hello"},
		"TooLong":      {"no handshake message is that long (alert 80)", records(huge, 1<<14), "\x15\x03\x01\x00\x02\x02\x50", "bad-hello"},
		"TooManyBytes": {"short records do not buy a client more memory", records(append([]byte{1, 0, 0xff, 0}, huge[4:0xff04]...), 8), "", "bad-hello"},
		"Half":         {"half a hello is closed when its time is over", full[:len(full)/2], "", "slow-hello"},
		"Silence":      {"so is a client that says nothing", nil, "", "slow-hello"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t, func(c *router.Config) {
				if tc.reason == "slow-hello" {
					c.HandshakeTimeout = 50 * time.Millisecond
				}
			})
			conn := w.connect(t)
			if _, err := conn.Write(tc.send); err != nil && !ended(err) {
				t.Fatal(err)
			}
			heard, err := io.ReadAll(conn)
			if err != nil && !ended(err) {
				t.Fatalf("read: %v, want the connection closed: %s", err, tc.why)
			}
			if string(heard) != tc.hear {
				t.Errorf("heard %q, want %q: %s", heard, tc.hear, tc.why)
			}
			check(t, conn.Close())
			eventually(t, "the refusal is counted as "+tc.reason, func() bool { return w.Stats().Refused[tc.reason] == 1 })
		})
	}
}

// TestTrickle: the time for a hello is for all of it, not for each byte.
func TestTrickle(t *testing.T) {
	t.Parallel()
	w := start(t, func(c *router.Config) { c.HandshakeTimeout = 100 * time.Millisecond })
	c := newCluster(t).publish(t, w)
	conn := w.connect(t)
	heard := make(chan error, 1)
	go func() {
		_, err := conn.Read(make([]byte, 1))
		heard <- err
	}()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for _, b := range clientHello(t, c.client()) {
		select {
		case err := <-heard:
			if !ended(err) {
				t.Errorf("read = %v, want the connection closed", err)
			}
			return
		case <-tick.C:
			_, _ = conn.Write([]byte{b}) // a reset is heard above
		}
	}
	t.Error("the client could take as long as it liked")
}
