package router

import (
	"io"
	"net"
	"time"
)

// reason is why a connection was refused.
type reason uint8

const (
	notTLS          reason = iota // plain HTTP, a stranger's PROXY header, noise
	badHello                      // TLS, but no ClientHello that can be read
	tooSlow                       // no whole ClientHello in time
	unknownName                   // no name, or no such cluster, or no longer
	badCertificate                // a node without a valid certificate, or a removed one
	busy                          // a limit is reached
	backendDown                   // the server could not be reached
	certificateGone               // the router has no certificate of its own (yet)
	notProxied                    // a trusted proxy that does not say whom it speaks for
	outside                       // a client whom the cluster's networks do not admit
	reasons                       // how many there are
)

func (r reason) String() string {
	return [reasons]string{
		"not-tls", "bad-hello", "slow-hello", "unknown-name", "bad-certificate", "busy", "unavailable", "no-certificate", "no-proxy-header", "unauthorized-network",
	}[r]
}

// refusal is the error of a connection that was not carried.
type refusal struct {
	reason reason
	end    []byte // what the client hears last
	reset  bool   // end with a TCP reset, which clients take for "try again"
	cause  error
}

func (r *refusal) Error() string {
	if r.cause == nil {
		return r.reason.String()
	}
	return r.reason.String() + ": " + r.cause.Error()
}

func (r *refusal) Unwrap() error { return r.cause }

// plainHTTP is what kube-apiserver answers (net/http, on a TLS listener).
const plainHTTP = "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"

// unrecognizedName is a TLS record with the fatal alert 112 (RFC 6066 section 3).
// It is the whole answer to a name without a cluster, the same for one that
// never was and one that is no more; kubectl shows it as "tls: unrecognized
// name".
var unrecognizedName = []byte{21, 3, 3, 0, 2, 2, 112}

func errUnknownName() *refusal {
	return &refusal{reason: unknownName, end: unrecognizedName}
}

// accessDenied is a TLS record with the fatal alert 49 (RFC 8446 section 6.2). It says
// that there is such a cluster, to somebody who knows its id: whoever sits in the wrong
// network has to learn why. kubectl shows it as "tls: access denied".
var accessDenied = []byte{21, 3, 3, 0, 2, 2, 49}

func errOutside() *refusal {
	return &refusal{reason: outside, end: accessDenied}
}

// part ends the connection of a client that is refused.
func part(c *net.TCPConn, no *refusal) {
	defer func() { _ = c.Close() }() // nobody is left to tell
	if no.reset {
		_ = c.SetLinger(0)
		return
	}
	// A close with unread input would be a reset, and could overtake an answer.
	_ = c.SetDeadline(time.Now().Add(time.Second))
	if _, err := c.Write(no.end); err != nil {
		return
	}
	if err := c.CloseWrite(); err != nil {
		return
	}
	_, _ = io.CopyN(io.Discard, c, maxHello)
}
