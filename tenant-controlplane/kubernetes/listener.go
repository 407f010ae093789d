package main

import (
	"fmt"
	"net"

	"github.com/marina-cloud/marina/tenant-controlplane/kubernetes/config"
	"github.com/marina-cloud/marina/tenant-controlplane/kubernetes/listener"
)

// listen opens both of the API server's sockets. They exist from here on:
// connections that come before the server is up wait in the kernel's queue.
func listen(c config.Listen) (net.Listener, error) {
	tcp, err := net.Listen("tcp", c.TCP)
	if err != nil {
		return nil, fmt.Errorf("listen for controllers: %w", err)
	}
	unix, err := listener.Unix(c.Unix)
	if err != nil {
		_ = tcp.Close()
		return nil, fmt.Errorf("listen for clients on %s: %w", c.Unix, err)
	}
	return listener.Merge(tcp.(*net.TCPListener), listener.RequireProxy(unix)), nil
}
