package router

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

// Run serves the public address and the nodes' namespace until ctx is done, and
// then lets open connections end for the time Drain before it cuts them. With
// Handover it replaces the router that serves, and lets itself be replaced: then it
// returns nil when its last connection has ended, or was cut after the time Retire
// or when ctx was done. It returns an error when it cannot serve the public
// address, or when the router that it was to replace serves on.
func Run(ctx context.Context, c Config) error {
	r, err := New(c)
	if err != nil {
		return err
	}
	return r.Run(ctx)
}

// Run is the function Run for a router that the caller wants to ask for Stats.
func (r *Router) Run(ctx context.Context) error {
	before, s, err := r.acquire(ctx)
	if err != nil {
		return err
	}
	defer s.close() // what was not taken out
	defer r.tellingUse()()
	open, stop := context.WithCancel(ctx)
	defer stop()
	group, accepting := errgroup.WithContext(open)
	public := s[rolePublic].(*net.TCPListener)
	r.hold(rolePublic, public)
	group.Go(func() error { return r.Serve(accepting, public, Public) })
	if r.config.NodeNamespace != "" {
		nodes, _ := s[roleNodes].(*net.TCPListener)
		delete(s, roleNodes)
		group.Go(func() error {
			r.serveNamespace(accepting, nodes)
			return nil
		})
	}
	if before != nil {
		if err := before.relieve(); err != nil {
			stop()
			err = errors.Join(err, group.Wait())
			r.retire(ctx) // those that came meanwhile
			return err
		}
	}
	r.config.Serving(public.Addr())
	if ln := s[roleControl]; ln != nil {
		delete(s, roleControl)
		r.hold(roleControl, ln)
		group.Go(func() error { return r.serveControl(accepting, ln) })
	}
	var successor *net.UnixConn
	if ln := s[roleHandover]; ln != nil {
		r.hold(roleHandover, ln)
		successor = r.awaitSuccessor(accepting, ln, r.holds)
	} else {
		<-accepting.Done()
	}
	stop()
	err = group.Wait()
	if successor == nil {
		drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.config.Drain)
		defer cancel()
		r.Shutdown(drain)
		return err
	}
	r.retired.Store(true)
	r.config.Retired()
	_, failed := successor.Write([]byte(msgYours))
	if err := errors.Join(err, failed, successor.Close()); err != nil {
		r.config.Log.WarnContext(ctx, "router's successor ended", "error", err)
	}
	r.config.Log.InfoContext(ctx, "router has handed its sockets over", "open", r.counted.open())
	r.serveRetired(ctx)
	return nil
}

// serveRetired waits for the last connection's end.
func (r *Router) serveRetired(ctx context.Context) {
	if r.config.RetiredControl != "" {
		ln, err := listenUnix(ctx, "unix", r.config.RetiredControl)
		if err != nil {
			r.config.Log.WarnContext(ctx, "router that was replaced cannot be asked", "error", err)
		} else {
			ctx, stop := context.WithCancel(ctx)
			served := make(chan error, 1)
			go func() { served <- r.serveControl(ctx, ln) }()
			defer func() {
				_ = os.Remove(r.config.RetiredControl)
				stop()
				<-served
			}()
		}
	}
	r.retire(ctx)
}

// retire lets open connections end for the time Retire, or until ctx is done.
func (r *Router) retire(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, r.config.Retire)
	defer cancel()
	r.Shutdown(ctx)
}

// hold says which socket a successor is offered for a role; nil: none.
func (r *Router) hold(as role, ln listener) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if ln == nil {
		delete(r.held, as)
		return
	}
	r.held[as] = ln
}

func (r *Router) holds() sockets {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.held)
}

// acquire takes over the sockets of the router that serves and opens those that
// are missing. A router that is just ending is waited for.
func (r *Router) acquire(ctx context.Context) (*predecessor, sockets, error) {
	for end := time.Now().Add(handoverWait); ; {
		before, s, err := r.tryAcquire(ctx)
		if err == nil || r.config.Handover == "" || !passes(err) || time.Now().After(end) {
			return before, s, err
		}
		select {
		case <-time.After(longPause / 4):
		case <-ctx.Done():
			return nil, nil, errors.Join(context.Cause(ctx), err)
		}
	}
}

// passes reports whether another attempt to acquire the sockets may succeed.
func passes(err error) bool {
	return errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, errTakeOver)
}

func (r *Router) tryAcquire(ctx context.Context) (before *predecessor, s sockets, err error) {
	s = sockets{}
	defer func() {
		if err != nil {
			s.close()
			if before != nil {
				before.close()
			}
			before, s = nil, nil
		}
	}()
	if r.config.Handover != "" {
		if before, s, err = takeOver(ctx, r.config); err != nil {
			return before, s, err
		}
	}
	if s[rolePublic] == nil {
		ln, err := r.listenPublic(ctx)
		if err != nil {
			return before, s, err
		}
		s[rolePublic] = ln
	}
	for as, network := range map[role]string{roleControl: "unix", roleHandover: "unixpacket"} {
		if path := r.config.at(as); path != "" && s[as] == nil {
			ln, err := listenUnix(ctx, network, path)
			if err != nil {
				return before, s, err
			}
			s[as] = ln
		}
	}
	return before, s, nil
}

func (r *Router) listenPublic(ctx context.Context) (*net.TCPListener, error) {
	if r.config.Listener != nil {
		return r.config.Listener, nil
	}
	var config net.ListenConfig
	ln, err := config.Listen(ctx, "tcp", r.config.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen for clusters' connections: %w", err)
	}
	return ln.(*net.TCPListener), nil
}
