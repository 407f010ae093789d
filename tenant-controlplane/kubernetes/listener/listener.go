// Package listener makes the API server listen in two places at once: on loopback
// for the controllers of its own process, and on a unix socket for everyone else.
//
// A tenant's API server has no network but loopback, and the components beside it
// speak TCP only. Everyone else comes through the router, which cannot speak for
// itself here: a connection on the unix socket has to begin with a PROXY protocol
// v2 header that says whose it is, or audit events would name no source address
// and a forgotten header would go unnoticed.
package listener

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"sync"
	"time"

	"github.com/pires/go-proxyproto"
)

// headerTimeout bounds how long a connection may take to say whose it is. The
// router sends the header with its first write.
const headerTimeout = 5 * time.Second

// acceptPause is how long to wait after an Accept that failed for a passing
// reason, such as no free file descriptor.
const acceptPause = 50 * time.Millisecond

// Unix listens on a socket at path. What is left there of an earlier process is
// removed first. The file's mode follows the process's umask.
func Unix(path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("remove old socket: %w", err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	return l, nil
}

// RequireProxy makes connections of l begin with a PROXY protocol v2 header of a
// TCP connection. Their RemoteAddr is the header's source; reading from one that
// does not begin so fails, and the TLS server on top closes it.
func RequireProxy(l net.Listener) net.Listener {
	return &proxyproto.Listener{
		Listener:          l,
		ReadHeaderTimeout: headerTimeout,
		ConnPolicy:        func(proxyproto.ConnPolicyOptions) (proxyproto.Policy, error) { return proxyproto.REQUIRE, nil },
		ValidateHeader:    validate,
	}
}

func validate(h *proxyproto.Header) error {
	if h.Version != 2 {
		return fmt.Errorf("PROXY protocol version %d: want 2", h.Version)
	}
	if _, _, ok := h.TCPAddrs(); !ok || !h.Command.IsProxy() {
		return errors.New("PROXY protocol header without the addresses of a TCP connection")
	}
	return nil
}

// Merge makes one listener of two; it owns both. Its address is that of tcp, which
// kube-apiserver takes its port from. Closing it closes both, and the error of
// either ends Accept.
func Merge(tcp *net.TCPListener, other net.Listener) net.Listener {
	m := &merged{
		tcp:    tcp,
		other:  other,
		conns:  make(chan net.Conn),
		failed: make(chan error, 2),
		closed: make(chan struct{}),
	}
	go m.accept(tcp)
	go m.accept(other)
	return m
}

type merged struct {
	tcp    *net.TCPListener
	other  net.Listener
	conns  chan net.Conn
	failed chan error // holds the error of each listener: accept never blocks on it
	closed chan struct{}
	once   sync.Once
	err    error // of Close
}

func (m *merged) accept(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			if !passing(err) {
				m.failed <- err
				return
			}
			select {
			case <-time.After(acceptPause):
				continue
			case <-m.closed:
				return
			}
		}
		select {
		case m.conns <- conn:
		case <-m.closed:
			_ = conn.Close()
			return
		}
	}
}

// passing tells an error that the next Accept may not have.
func passing(err error) bool {
	var temporary interface{ Temporary() bool }
	return errors.As(err, &temporary) && temporary.Temporary()
}

// Accept returns the next connection of either listener.
func (m *merged) Accept() (net.Conn, error) {
	select {
	case conn := <-m.conns:
		return conn, nil
	case <-m.closed:
		return nil, net.ErrClosed
	case err := <-m.failed:
		_ = m.Close()
		return nil, err
	}
}

// Close closes both listeners. Connections that Accept has returned stay open.
func (m *merged) Close() error {
	m.once.Do(func() {
		close(m.closed)
		m.err = errors.Join(m.tcp.Close(), m.other.Close())
	})
	return m.err
}

// Addr is the address of the TCP listener.
func (m *merged) Addr() net.Addr { return m.tcp.Addr() }
