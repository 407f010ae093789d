package terminal

import (
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/pires/go-proxyproto"
)

// mostConnections is how many a terminal may have to its API server.
const mostConnections = 32

// forward carries connections to the API server, in the name of the address where
// the person is, until the listener is closed.
func (t *Terminal) forward(socket string, from netip.AddrPort) {
	places := make(chan struct{}, mostConnections)
	for {
		conn, err := t.ln.Accept()
		if err != nil {
			return
		}
		places <- struct{}{}
		go func() {
			defer func() { <-places }()
			defer conn.Close()
			t.carry(conn, socket, from)
		}()
	}
}

func (t *Terminal) carry(conn net.Conn, socket string, from netip.AddrPort) {
	api, err := net.DialTimeout("unix", socket, 5*time.Second)
	if err != nil {
		return // kubectl says that the connection was closed
	}
	defer api.Close()
	header := proxyproto.HeaderProxyFromAddrs(2, net.TCPAddrFromAddrPort(from), &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 6443})
	if _, err := header.WriteTo(api); err != nil {
		return
	}
	var both sync.WaitGroup
	both.Go(func() { pipe(api, conn) })
	both.Go(func() { pipe(conn, api) })
	ended := make(chan struct{})
	go func() { both.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-t.done:
		conn.Close() //nolint:errcheck // it ends both copies
		api.Close()  //nolint:errcheck // it ends both copies
		<-ended
	}
}

// pipe copies until from has no more, and says so to the other side.
func pipe(to, from net.Conn) {
	_, _ = io.Copy(to, from) // either end may go at any time
	if half, ok := to.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite() // it may be closed already
	}
}
