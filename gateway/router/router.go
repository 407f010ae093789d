package router

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/marina-cloud/marina/internal/route"
	"github.com/marina-cloud/marina/internal/tenant"
)

// Side is where a connection comes from.
type Side uint8

// The sides.
const (
	Public Side = iota // anywhere
	Nodes              // the network namespace of local machines
	sides              // how many there are
)

func (s Side) String() string { return [sides]string{"public", "nodes"}[s] }

// Router carries connections. Its methods are safe for concurrent use.
type Router struct {
	config   Config
	keyring  keyring
	counted  *counted
	queue    *queue
	counters counters
	pipes    pool
	use      use
	routes   route.Cache
	people   people
	retired  atomic.Bool // its sockets are another router's now

	mu       sync.Mutex
	held     sockets // what a successor is offered
	stopping bool
	cuts     map[*net.TCPConn]context.CancelFunc // one for each open connection
	carrying sync.WaitGroup                      // grows only under mu, while not stopping
}

// New returns a router that does nothing until Serve is called.
func New(c Config) (*Router, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("configuration of the router: %w", err)
	}
	if c.MaxConnections, err = affordable(c); err != nil {
		return nil, err
	}
	return &Router{
		config:  c,
		keyring: keyring{dir: c.Certificates, log: c.Log},
		counted: newCounted(c.MaxConnections, c.MaxPerName),
		queue:   newQueue(c.MaxHandshakes),
		pipes:   make(pool, poolSize),
		routes:  route.Cache{Dir: c.Routes},
		people:  people{open: map[tenant.ClusterID]*visitors{}},
		held:    sockets{},
		cuts:    map[*net.TCPConn]context.CancelFunc{},
	}, nil
}

// A connection takes at most six open files: two sockets, and for each way on which
// bytes are held up the two ends of a pipe. Some are needed for other things.
const (
	filesPerConnection = 6
	filesBesides       = 256 + 2*poolSize
)

// affordable lowers MaxConnections to what the limit of open files allows: a
// router that has run out of them carries nothing at all.
func affordable(c Config) (int, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("read limit of open files: %w", err)
	}
	need := uint64(c.MaxConnections)*filesPerConnection + filesBesides
	if limit.Cur >= need {
		return c.MaxConnections, nil
	}
	fit := int(max(limit.Cur, 2*filesBesides)-filesBesides) / filesPerConnection
	c.Log.Warn("router carries fewer connections than configured: raise the limit of open files (LimitNOFILE, ulimit -n)",
		"connections", fit, "configured", c.MaxConnections, "files", limit.Cur, "needed", need)
	return fit, nil
}

// Serve accepts connections from ln, which it closes in the end, until ctx is
// done; then it returns nil. Connections that it accepted go on until Shutdown.
// It returns an error when ln breaks.
func (r *Router) Serve(ctx context.Context, ln *net.TCPListener, side Side) error {
	stop := context.AfterFunc(ctx, func() { _ = ln.Close() })
	defer stop()
	r.config.Log.InfoContext(ctx, "router listens", "side", side.String(), "address", ln.Addr().String())
	r.config.Ready(side, ln.Addr())
	pause := firstPause
	for {
		c, err := ln.AcceptTCP()
		switch {
		case err == nil:
			pause = firstPause
			r.accept(ctx, c, side)
			continue
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("accept connections from %s: %w", side, err)
		}
		// Nearly always a lack of files or memory: it passes.
		r.config.Log.WarnContext(ctx, "router cannot accept a connection", "side", side.String(), "error", err)
		select {
		case <-time.After(pause):
			pause = min(2*pause, longPause)
		case <-ctx.Done():
			return nil
		}
	}
}

// accept starts carrying c.
func (r *Router) accept(ctx context.Context, c *net.TCPConn, side Side) {
	r.counters.accepted[side].Add(1)
	from, proxied := originOf(c.RemoteAddr(), side), r.trusts(c, side)
	// Whom a proxy speaks for, and is counted, is heard later.
	if !proxied && !r.counted.enter(from) {
		r.refuse(ctx, c, side, &refusal{reason: busy, reset: true})
		return
	}
	// Serve's end is not the connection's.
	ctx, cut := context.WithCancel(context.WithoutCancel(ctx))
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopping {
		cut()
		if !proxied {
			r.counted.leave(from)
		}
		_ = c.Close()
		return
	}
	r.cuts[c] = cut
	r.carrying.Go(func() {
		defer func() {
			cut()
			r.mu.Lock()
			defer r.mu.Unlock()
			delete(r.cuts, c)
		}()
		if proxied {
			r.handle(ctx, c, side, func() error { return r.carryProxied(ctx, c, from) })
			return
		}
		defer r.counted.leave(from)
		r.handle(ctx, c, side, func() error { return r.carry(ctx, c, from, endsOf(c)) })
	})
}

// Shutdown lets open connections end until ctx is done, then cuts the rest, and
// returns when nothing is left. Call it when Serve has returned; new connections
// are turned away from here on.
func (r *Router) Shutdown(ctx context.Context) {
	defer r.pipes.close()
	r.mu.Lock()
	r.stopping = true
	r.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		r.carrying.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return
	case <-ctx.Done():
	}
	r.mu.Lock()
	for _, cut := range r.cuts {
		cut()
	}
	r.mu.Unlock()
	<-ended
}
