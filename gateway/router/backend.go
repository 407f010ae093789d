package router

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/pires/go-proxyproto"

	"github.com/marina-cloud/marina/internal/route"
)

// How long to wait between two attempts to reach a backend.
const (
	firstPause = 5 * time.Millisecond
	longPause  = 200 * time.Millisecond
)

// dial connects to the server of a destination. A cluster's stack may be
// starting or being replaced: its socket is tried again, and its route read
// again, until DialTimeout has passed. A cluster without a route is refused at
// once, and so is a client whom the cluster's networks do not admit.
func (r *Router) dial(ctx context.Context, d destination, who ends) (*net.UnixConn, error) {
	ctx, cancel := context.WithTimeout(ctx, r.config.DialTimeout)
	defer cancel()
	var dialer net.Dialer
	for pause := firstPause; ; pause = min(2*pause, longPause) {
		path, err := r.socket(d, who)
		if err != nil {
			return nil, err
		}
		c, err := dialer.DialContext(ctx, "unix", path)
		if err == nil {
			return c.(*net.UnixConn), nil
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, &refusal{reason: backendDown, reset: true, cause: fmt.Errorf("connect to %s: %w", path, err)}
		}
	}
}

// socket finds the path of a destination's socket.
func (r *Router) socket(d destination, who ends) (string, error) {
	if d.service == nodeAPI {
		if r.config.NodesSocket == "" {
			return "", errUnknownName()
		}
		return r.config.NodesSocket, nil
	}
	to, ok, err := r.routes.Find(d.cluster)
	if err != nil {
		return "", &refusal{reason: backendDown, reset: true, cause: err}
	}
	if !ok {
		return "", errUnknownName()
	}
	switch {
	case d.service == tunnel:
		return to.Tunnel, nil
	case d.service == apiServer && !route.Admits(to.Networks, ipOf(who.client)):
		return "", errOutside()
	}
	return to.API, nil
}

// open connects to a destination's server on behalf of a client and sends what
// has to come before the client's further bytes: to an API server the client's
// address, and first, the bytes that were read already.
func (r *Router) open(ctx context.Context, d destination, who ends, first []byte) (*net.UnixConn, error) {
	server, err := r.dial(ctx, d, who)
	if err != nil {
		return nil, err
	}
	if err := r.begin(server, d, who, first); err != nil {
		return nil, errors.Join(&refusal{reason: backendDown, reset: true, cause: err}, server.Close())
	}
	return server, nil
}

func (r *Router) begin(server *net.UnixConn, d destination, who ends, first []byte) error {
	if d.service != tunnel && d.service != nodeAPI {
		header, err := proxyproto.HeaderProxyFromAddrs(2, who.client, who.here).Format()
		if err != nil {
			return fmt.Errorf("make PROXY header: %w", err)
		}
		first = append(header, first...)
	}
	if len(first) == 0 {
		return nil
	}
	if err := server.SetWriteDeadline(time.Now().Add(r.config.DialTimeout)); err != nil {
		return fmt.Errorf("limit time of first bytes: %w", err)
	}
	if _, err := server.Write(first); err != nil {
		return fmt.Errorf("send first bytes: %w", err)
	}
	if err := server.SetWriteDeadline(time.Time{}); err != nil {
		return fmt.Errorf("lift limit of first bytes: %w", err)
	}
	return nil
}
