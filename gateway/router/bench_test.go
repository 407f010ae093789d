package router_test

import (
	"crypto/tls"
	"net"
	"testing"
)

// BenchmarkRequest compares a line and its answer over one open TLS connection,
// through the router and straight to the same kind of server.
func BenchmarkRequest(b *testing.B) {
	eachWay(b, func(b *testing.B, dial func() *tls.Conn) {
		conn := dial()
		for b.Loop() {
			ask(b, conn, "GET /api/v1/namespaces/default/configmaps/x")
		}
	})
}

// BenchmarkConnect compares a new connection with its TLS handshake and one
// line.
func BenchmarkConnect(b *testing.B) {
	eachWay(b, func(b *testing.B, dial func() *tls.Conn) {
		for b.Loop() {
			conn := dial()
			ask(b, conn, "GET /version")
			check(b, conn.Close())
		}
	})
}

func eachWay(b *testing.B, run func(*testing.B, func() *tls.Conn)) {
	w := start(b, nil)
	c := newCluster(b).serveAPI(b, echo).publish(b, w)
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{c.ca.issue(b, certificate{dns: []string{c.name()}})}})
	check(b, err)
	b.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				echo(conn.(*tls.Conn))
			}()
		}
	}()
	for _, way := range []struct{ name, address string }{{"Direct", ln.Addr().String()}, {"Router", w.address}} {
		b.Run(way.name, func(b *testing.B) {
			var conns []net.Conn
			defer func() {
				for _, c := range conns {
					_ = c.Close()
				}
			}()
			run(b, func() *tls.Conn {
				conn, err := tls.Dial("tcp", way.address, c.client())
				check(b, err)
				conns = append(conns, conn)
				return conn
			})
		})
	}
}
