package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"github.com/pires/go-proxyproto"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/marina-cloud/marina/deploy/host"
	"github.com/marina-cloud/marina/deploy/installation"
	"github.com/marina-cloud/marina/internal/home"
	"github.com/marina-cloud/marina/internal/route"
	"github.com/marina-cloud/marina/internal/tenant"
)

// Names of ways.
const (
	wayDirect  = "direct"
	wayRouter  = "router"
	wayHAProxy = "haproxy"
)

// way is one of several to the same API server, and to a server of raw bytes.
type way struct {
	name        string
	kept, fresh *http.Client // that keeps its connection, and that makes one for each request
	dialRaw     func(context.Context) (net.Conn, error)
	rawName     string
}

// dial makes a connection on which TLS is spoken next.
type dial func(context.Context) (net.Conn, error)

// openWays opens the ways to a cluster. It is the caller's to close them.
func openWays(ctx context.Context, i *installation.Installation, cluster string) (ways []*way, closeAll func(), err error) {
	var closers []func()
	closeAll = func() {
		for n := range closers {
			closers[len(closers)-1-n]()
		}
	}
	defer func() {
		if err != nil {
			closeAll()
		}
	}()
	h, err := home.At(i.Home)
	if err != nil {
		return nil, closeAll, err
	}
	kubeconfig, err := i.Client.Kubeconfig(ctx, cluster, 0)
	if err != nil {
		return nil, closeAll, err
	}
	config, err := clientcmd.RESTConfigFromKubeConfig(kubeconfig)
	if err != nil {
		return nil, closeAll, fmt.Errorf("read kubeconfig: %w", err)
	}
	secure, err := rest.TLSConfigFor(config)
	if err != nil {
		return nil, closeAll, fmt.Errorf("use kubeconfig: %w", err)
	}
	to, ok, err := route.Find(h.Routes(), tenant.ClusterID(cluster))
	if err != nil || !ok {
		return nil, closeAll, errors.Join(fmt.Errorf("the cluster %s has no route", cluster), err)
	}
	router, ok, err := host.ServingRouter(h)
	if err != nil || !ok {
		return nil, closeAll, errors.Join(errors.New("no router runs"), err)
	}

	raw := filepath.Join(h.Run(), "raw.sock")
	stopRaw, err := serveRaw(raw)
	if err != nil {
		return nil, closeAll, err
	}
	closers = append(closers, stopRaw)
	rawID := tenant.NewClusterID()
	if err := route.Publish(h.Routes(), rawID, route.Route{API: raw}); err != nil {
		return nil, closeAll, err
	}
	closers = append(closers, func() { _ = route.Withdraw(h.Routes(), rawID) }) // the home goes with it
	rawName := string(rawID) + "." + router.Domain

	proxy, err := startHAProxy(ctx, filepath.Dir(i.Home), map[string]string{secure.ServerName: to.API, rawName: raw})
	if err != nil {
		return nil, closeAll, err
	}
	closers = append(closers, proxy.stop)

	for _, w := range []struct {
		name     string
		api, raw dial
	}{
		{wayDirect, unixSocket(to.API), unixSocket(raw)},
		{wayRouter, tcp(router.Address), tcp(router.Address)},
		{wayHAProxy, tcp(proxy.address), tcp(proxy.address)},
	} {
		kept, fresh := clientOf(w.api, secure, false), clientOf(w.api, secure, true)
		closers = append(closers, kept.CloseIdleConnections)
		ways = append(ways, &way{name: w.name, kept: kept, fresh: fresh, dialRaw: w.raw, rawName: rawName})
	}
	return ways, closeAll, nil
}

// clientOf returns a client as kubectl has it, but for compression, which would
// measure nothing but itself.
func clientOf(d dial, secure *tls.Config, fresh bool) *http.Client {
	return &http.Client{Timeout: limit, Transport: &http.Transport{
		DialContext:     func(ctx context.Context, _, _ string) (net.Conn, error) { return d(ctx) },
		TLSClientConfig: secure.Clone(), ForceAttemptHTTP2: !fresh,
		DisableKeepAlives: fresh, DisableCompression: true,
	}}
}

func tcp(address string) dial {
	return func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", address)
	}
}

// unixSocket connects as the router does: with the client's address at first.
func unixSocket(path string) dial {
	return func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		c, err := d.DialContext(ctx, "unix", path)
		if err != nil {
			return nil, err
		}
		self := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}
		if _, err := proxyproto.HeaderProxyFromAddrs(2, self, self).WriteTo(c); err != nil {
			return nil, errors.Join(err, c.Close())
		}
		return c, nil
	}
}

// serveRaw serves rawBytes of nothing to whoever sends anything.
func serveRaw(path string) (stop func(), err error) {
	ln, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("serve raw bytes: %w", err)
	}
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return // it was closed
			}
			go func() {
				defer c.Close()
				block := make([]byte, 128<<10)
				if _, err := c.Read(block); err != nil {
					return
				}
				clear(block)
				for sent := 0; sent < rawBytes; sent += len(block) {
					if _, err := c.Write(block); err != nil {
						return // the reader, who counts, tells
					}
				}
				// A close with unread input would be a reset and could overtake the rest.
				_ = c.(*net.UnixConn).CloseWrite()
				_, _ = io.Copy(io.Discard, c)
			}()
		}
	}()
	return func() { _ = ln.Close() }, nil
}

// readRaw reads what serveRaw serves. All that is TLS about it is the ClientHello.
func (w *way) readRaw(ctx context.Context) error {
	c, err := w.dialRaw(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(limit)); err != nil {
		return err
	}
	hello := &helloOnly{Conn: c}
	_ = tls.Client(hello, &tls.Config{ServerName: w.rawName}).HandshakeContext(ctx) // ends after the ClientHello
	if hello.err != nil {
		return hello.err
	}
	n, err := discard(c)
	if err == nil && n != rawBytes {
		err = fmt.Errorf("%d bytes came, not %d", n, rawBytes)
	}
	return err
}

// helloOnly ends a handshake when the client wants to hear an answer.
type helloOnly struct {
	net.Conn
	err error // of writing
}

func (h *helloOnly) Write(p []byte) (n int, err error) {
	n, err = h.Conn.Write(p)
	h.err = errors.Join(h.err, err)
	return n, err
}

func (h *helloOnly) Read([]byte) (int, error) { return 0, io.EOF }

// discard reads to the end.
func discard(r io.Reader) (n int64, err error) {
	return io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{r}, make([]byte, 128<<10))
}
