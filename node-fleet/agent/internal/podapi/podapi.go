// Package podapi carries connections from pods to their cluster's API server.
//
// Pods know the API server as the Service kubernetes, whose only endpoint is the
// address join.APIAddress on their own node. They send no server name that would
// tell the platform which cluster they mean, so each of their connections
// travels inside a TLS connection that proves which node it comes from. The
// pod's own TLS, inside, ends in the API server: nobody on the way can read it.
//
// The node itself (the kubelet, kube-proxy) goes the same way under another
// protocol: what proves which node it is also lets it in where the cluster's owner
// has limited from which networks people may come.
package podapi

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/marina-cloud/marina/node-fleet/agent/internal/enroll"
)

const (
	dialTimeout = 10 * time.Second
	// maxConnections bounds what a node's pods can make the agent hold, at about
	// 100 KiB each. More than that waits in the kernel's queue.
	maxConnections = 4096
)

// Carrier carries connections. It may be used by many goroutines.
type Carrier struct {
	Protocol   string // join.PodAPIProtocol or join.KubeletAPIProtocol
	Gateway    string // host:port
	ServerName string // of the platform's node API
	Authority  string // file; read for each connection, as the identity is
	Identity   enroll.Pair
	Log        *slog.Logger
}

// Serve carries every connection that l accepts until ctx ends, then closes l
// and all connections, and returns nil when they are gone.
func (c *Carrier) Serve(ctx context.Context, l net.Listener) error {
	var open sync.WaitGroup
	defer open.Wait()
	defer context.AfterFunc(ctx, func() { l.Close() })()
	slots := make(chan struct{}, maxConnections)
	for {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		pod, err := l.Accept()
		if ctx.Err() != nil {
			if err == nil {
				pod.Close()
			}
			return nil
		}
		if err != nil {
			<-slots
			if !temporary(err) {
				return fmt.Errorf("accept connections of pods: %w", err)
			}
			c.Log.WarnContext(ctx, "accept connection of pod", "error", err)
			continue
		}
		open.Go(func() {
			defer func() { <-slots }()
			c.carry(ctx, pod)
		})
	}
}

// temporary reports whether accepting may work again: a connection that was
// reset before it was accepted, or a moment without file descriptors.
func temporary(err error) bool { return !errors.Is(err, net.ErrClosed) }

func (c *Carrier) carry(ctx context.Context, pod net.Conn) {
	defer pod.Close()
	gateway, err := c.dial(ctx)
	if err != nil {
		c.Log.WarnContext(ctx, "carry connection of pod", "pod", pod.RemoteAddr().String(), "error", err)
		return
	}
	defer gateway.Close()
	defer context.AfterFunc(ctx, func() {
		pod.Close()
		gateway.Close()
	})()

	var both sync.WaitGroup
	both.Go(func() { pass(gateway, pod) })
	both.Go(func() { pass(pod, gateway) })
	both.Wait()
}

func (c *Carrier) dial(ctx context.Context) (*tls.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	roots, err := enroll.Roots(c.Authority)
	if err != nil {
		return nil, err
	}
	dialer := tls.Dialer{Config: &tls.Config{
		RootCAs:              roots,
		ServerName:           c.ServerName,
		NextProtos:           []string{c.Protocol},
		GetClientCertificate: c.Identity.ClientCertificate,
		MinVersion:           tls.VersionTLS13,
	}}
	conn, err := dialer.DialContext(ctx, "tcp", c.Gateway)
	if err != nil {
		return nil, fmt.Errorf("dial gateway %s: %w", c.Gateway, err)
	}
	carried := conn.(*tls.Conn)
	// A server that knows no ALPN would take the pod's bytes for something else.
	if got := carried.ConnectionState().NegotiatedProtocol; got != c.Protocol {
		conn.Close()
		return nil, fmt.Errorf("dial gateway %s: it does not speak %s", c.Gateway, c.Protocol)
	}
	return carried, nil
}

// pass copies until from ends, and tells to that nothing more will come; on an
// error it cuts both ways, since what is left would be half a conversation.
func pass(to, from net.Conn) {
	if _, err := io.Copy(to, from); err != nil {
		to.Close()
		from.Close()
		return
	}
	if half, ok := to.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		return
	}
	to.Close()
}
