package router

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/marina-cloud/marina/internal/netns"
)

// namespacePoll is how often the nodes' network namespace is looked for.
const namespacePoll = time.Second

// serveNamespace listens in the nodes' network namespace until ctx is done. The
// namespace is made with the first machine, and made anew after it was deleted:
// the listener follows. It begins with the listener given, unless that is nil.
func (r *Router) serveNamespace(ctx context.Context, given *net.TCPListener) {
	address := ":" + strconv.Itoa(r.config.NodePort)
	var said string
	if given != nil {
		if in, err := namespaceOf(given); err == nil {
			r.serveWhile(ctx, given, in)
		} else {
			r.config.Log.WarnContext(ctx, "router opens its listener for nodes anew", "error", err)
			_ = given.Close()
		}
	}
	for {
		if ctx.Err() != nil {
			return
		}
		ln, opened, err := netns.Listen(ctx, r.config.NodeNamespace, address)
		switch {
		case err == nil:
			said = ""
			r.serveWhile(ctx, ln, opened)
		case errors.Is(err, fs.ErrNotExist):
			said = ""
		case err.Error() != said:
			said = err.Error()
			r.config.Log.WarnContext(ctx, "router cannot be reached by nodes", "namespace", r.config.NodeNamespace, "error", err)
		}
		select {
		case <-time.After(namespacePoll):
		case <-ctx.Done():
			return
		}
	}
}

// serveWhile serves ln for as long as the namespace that it was opened in is the
// one at its path.
func (r *Router) serveWhile(ctx context.Context, ln *net.TCPListener, opened os.FileInfo) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	r.hold(roleNodes, ln)
	defer r.hold(roleNodes, nil)
	go func() {
		tick := time.NewTicker(namespacePoll)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				if now, err := os.Stat(r.config.NodeNamespace); err != nil || !os.SameFile(now, opened) {
					stop()
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	if err := r.Serve(ctx, ln, Nodes); err != nil {
		r.config.Log.ErrorContext(ctx, "router lost its listener for nodes", "error", err)
	}
}

// namespaceOf says in which network namespace a listener was opened (SIOCGSKNS,
// since Linux 4.9).
func namespaceOf(ln *net.TCPListener) (os.FileInfo, error) {
	raw, err := ln.SyscallConn()
	if err != nil {
		return nil, err
	}
	var fd int
	fail := raw.Control(func(socket uintptr) { fd, err = unix.IoctlRetInt(int(socket), unix.SIOCGSKNS) })
	if err := errors.Join(fail, err); err != nil {
		return nil, fmt.Errorf("find the network namespace of a socket: %w", err)
	}
	f := os.NewFile(uintptr(fd), "namespace")
	defer func() { _ = f.Close() }()
	return f.Stat()
}
