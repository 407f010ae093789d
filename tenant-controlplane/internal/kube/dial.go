package kube

import (
	"context"
	"fmt"
	"net"

	"github.com/pires/go-proxyproto"
)

// DialAPI opens a connection to an API server's socket. The header that the
// socket wants names the loopback address as the source: the audit log shows by it
// that the hosting layer asked.
func DialAPI(ctx context.Context, socket string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, fmt.Errorf("reach the API server: %w", err)
	}
	local := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 6443}
	if _, err := proxyproto.HeaderProxyFromAddrs(2, local, local).WriteTo(conn); err != nil {
		conn.Close() //nolint:errcheck // the write's error says it all
		return nil, fmt.Errorf("introduce a connection to the API server: %w", err)
	}
	return conn, nil
}
