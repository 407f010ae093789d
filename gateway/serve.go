package gateway

import (
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/marina-cloud/marina/gateway/internal/throttle"
)

// Bounds of a connection, beside those of a body.
const (
	headerTime = 10 * time.Second
	readTime   = time.Minute
	writeTime  = time.Minute // an operation that streams has to lift it (http.ResponseController)
	idleTime   = 2 * time.Minute
	maxHeader  = 32 << 10 // bytes
	// maxConnections takes two open files each, with the client of a database.
	maxConnections = 4096
)

// Server returns a server for h that a client can hold up neither by silence nor by
// not reading.
func Server(h http.Handler) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: headerTime, ReadTimeout: readTime, WriteTimeout: writeTime, IdleTimeout: idleTime, MaxHeaderBytes: maxHeader,
	}
}

// ShareConnections returns a listener whose connections are shared out fairly between
// the addresses that they come from: whoever opens more than are left for others is
// cut off at once, so that there is one for somebody who has none.
func ShareConnections(ln net.Listener) net.Listener { return share(ln, maxConnections) }

func share(ln net.Listener, most int) net.Listener {
	return &sharing{ln, throttle.NewPlaces[netip.Prefix](most)}
}

type sharing struct {
	net.Listener
	places *throttle.Places[netip.Prefix]
}

// Accept implements net.Listener.
func (s *sharing) Accept() (net.Conn, error) {
	for {
		c, err := s.Listener.Accept()
		if err != nil {
			return nil, err
		}
		leave, ok := s.places.Enter(originOf(clientAddress(c.RemoteAddr().String(), nil, nil)))
		if ok {
			return &shared{Conn: c, leave: sync.OnceFunc(leave)}, nil
		}
		if t, ok := c.(*net.TCPConn); ok {
			_ = t.SetLinger(0) // a reset leaves nothing behind here
		}
		_ = c.Close()
	}
}

// shared is a connection with a place.
type shared struct {
	net.Conn
	leave func()
}

func (s *shared) Close() error {
	defer s.leave()
	return s.Conn.Close()
}
