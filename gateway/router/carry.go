package router

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"sync/atomic"
	"time"
)

// handle carries one connection to its end, which is at the latest when ctx is
// done.
func (r *Router) handle(ctx context.Context, c *net.TCPConn, side Side, carry func() error) {
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer stop()
	err := carry()
	if no, ok := errors.AsType[*refusal](err); ok {
		r.refuse(ctx, c, side, no)
		return
	}
	_ = c.Close() // both ways have ended, or were cut
	if err != nil && ctx.Err() == nil {
		r.config.Log.DebugContext(ctx, "connection broke", "side", side.String(), "client", c.RemoteAddr().String(), "error", err)
	}
}

// refuse ends a connection that is not carried. What a stranger can cause at
// will is only counted, and logged for who looks for it; what is for the
// operator to mend is a warning.
func (r *Router) refuse(ctx context.Context, c *net.TCPConn, side Side, no *refusal) {
	r.counters.refused[no.reason].Add(1)
	level := slog.LevelDebug
	if (no.reason == backendDown || no.reason == certificateGone) && ctx.Err() == nil {
		level = slog.LevelWarn
	}
	r.config.Log.Log(ctx, level, "connection refused", "side", side.String(), "client", c.RemoteAddr().String(), "error", no)
	part(c, no)
}

// carryProxied finds out whom a trusted proxy speaks for, and carries that
// connection.
func (r *Router) carryProxied(ctx context.Context, c *net.TCPConn, proxy origin) error {
	var pushed atomic.Bool
	leave := r.queue.enter(proxy, func() {
		pushed.Store(true)
		_ = c.SetDeadline(time.Unix(0, 0))
	})
	defer leave()
	if err := c.SetDeadline(time.Now().Add(r.config.HandshakeTimeout)); err != nil {
		return err
	}
	who, err := readProxied(c)
	leave()
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return madeRoom(&pushed, &refusal{reason: tooSlow, cause: err})
	case err != nil:
		return &refusal{reason: notProxied, reset: true, cause: err}
	}
	from := originOf(who.client, proxy.side)
	if !r.counted.enter(from) {
		return &refusal{reason: busy, reset: true}
	}
	defer r.counted.leave(from)
	return r.carry(ctx, c, from, who)
}

// carry finds out where a connection wants to go and brings it there.
func (r *Router) carry(ctx context.Context, c *net.TCPConn, from origin, who ends) error {
	if err := errors.Join(c.SetKeepAliveConfig(r.config.KeepAlive), c.SetDeadline(time.Now().Add(r.config.HandshakeTimeout))); err != nil {
		return err
	}
	var pushed atomic.Bool
	leave := r.queue.enter(from, func() {
		pushed.Store(true)
		_ = c.SetDeadline(time.Unix(0, 0)) // it is closed by the goroutine that reads
	})
	defer leave()
	handshaken := func() {
		leave()
		_ = c.SetDeadline(time.Time{}) // fails if it is closed: so will what follows
	}
	h, err := readHello(c)
	if err != nil {
		return madeRoom(&pushed, err)
	}
	d, ok := parse(r.config.Domain, h.name, h.protocols)
	if !ok {
		return errUnknownName()
	}
	if d.service == podAPI || d.service == kubeletAPI {
		return madeRoom(&pushed, r.carryNode(ctx, c, d.service, from, who, h, handshaken))
	}
	handshaken()
	return r.carryTo(ctx, d, c, from, who, h.raw)
}

// madeRoom replaces the error of a handshake that was pushed out of the queue.
func madeRoom(pushed *atomic.Bool, err error) error {
	if pushed.Load() && errors.Is(err, os.ErrDeadlineExceeded) {
		return &refusal{reason: busy, reset: true, cause: err}
	}
	return err
}

// carryTo joins client with the server of d, which gets first before anything
// else, and returns when both are done with each other.
func (r *Router) carryTo(ctx context.Context, d destination, client duplex, from origin, who ends, first []byte) error {
	if !r.counted.enterFor(d, from) {
		return &refusal{reason: busy, reset: true}
	}
	defer r.counted.leaveFor(d, from)
	if d.service == apiServer {
		var leave func()
		ctx, leave = r.visit(ctx, d.cluster, ipOf(who.client))
		defer leave()
	}
	server, err := r.open(ctx, d, who, first)
	if err != nil {
		return err
	}
	defer func() { _ = server.Close() }()
	stop := context.AfterFunc(ctx, func() {
		_ = server.Close()
		_ = client.Close()
	})
	defer stop()
	r.counters.carried[d.service].Add(1)
	r.use.note(d.cluster)
	in, out := join(r.pipes, client, server, r.config.Linger)
	r.counters.in.Add(in + int64(len(first)))
	r.counters.out.Add(out)
	return nil
}
