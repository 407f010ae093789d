package router

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
)

// maxHello is how many bytes a client may send up to the end of its ClientHello.
// Go's own limit for one handshake message is the same.
const maxHello = 64 << 10

// hello is what a client says first, and the bytes in which it did: they, and
// whatever came along with them, still have to go to the server.
type hello struct {
	name      string
	protocols []string
	raw       []byte
}

var (
	errHelloRead = errors.New("hello was read") // stops a handshake that was never meant to go on
	errHelloSize = fmt.Errorf("client hello exceeds %d bytes", maxHello)
)

// readHello reads a ClientHello, however it is cut into records and packets. The
// parser is the one of crypto/tls, in a handshake that ends at that point, so
// that router and server cannot understand the same bytes differently. The
// caller sets the deadline of c.
func readHello(c net.Conn) (hello, error) {
	rec := &recorder{Conn: c}
	var h hello
	err := tls.Server(rec, &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetConfigForClient: func(info *tls.ClientHelloInfo) (*tls.Config, error) {
			h.name, h.protocols = info.ServerName, info.SupportedProtos
			return nil, errHelloRead
		},
	}).Handshake()
	if errors.Is(err, errHelloRead) {
		h.raw = rec.heard
		return h, nil
	}
	return hello{}, notHello(rec, err)
}

// notHello says why a client is refused that sent no ClientHello.
func notHello(rec *recorder, err error) error {
	if plain, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		no := &refusal{reason: notTLS, cause: err, end: rec.said}
		if looksLikeHTTP(plain.RecordHeader) {
			no.end = []byte(plainHTTP)
		}
		return no
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return &refusal{reason: tooSlow, cause: err}
	}
	return &refusal{reason: badHello, cause: err, end: rec.said}
}

// looksLikeHTTP is the guess of net/http for the same purpose.
func looksLikeHTTP(start [5]byte) bool {
	switch string(start[:]) {
	case "GET /", "HEAD ", "POST ", "PUT /", "PATCH", "DELET", "OPTIO", "CONNE", "PRI *":
		return true
	}
	return false
}

// recorder keeps what was read, and lets nothing be sent: the alert for a broken
// ClientHello is the client's concern, the one that ends readHello is not.
type recorder struct {
	net.Conn
	heard []byte
	said  []byte
}

func (r *recorder) Read(p []byte) (int, error) {
	left := maxHello - len(r.heard)
	if left <= 0 {
		return 0, errHelloSize
	}
	n, err := r.Conn.Read(p[:min(len(p), left)])
	r.heard = append(r.heard, p[:n]...)
	return n, err
}

func (r *recorder) Write(p []byte) (int, error) {
	r.said = append(r.said, p...)
	return len(p), nil
}

// replay is a connection whose first bytes have been read before.
type replay struct {
	*net.TCPConn
	first []byte
}

func (r *replay) Read(p []byte) (int, error) {
	if len(r.first) == 0 {
		return r.TCPConn.Read(p)
	}
	n := copy(p, r.first)
	r.first = r.first[n:]
	return n, nil
}
