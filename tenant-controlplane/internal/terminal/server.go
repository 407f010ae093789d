package terminal

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/marina-cloud/marina/internal/fault"
	"github.com/marina-cloud/marina/internal/home"
	"github.com/marina-cloud/marina/internal/runc"
)

// ErrFull says that there is no place for another terminal. The others are how reading
// from one ends whose time is over.
var (
	ErrFull = fault.New(fault.Unavailable, "terminals_full", "So many terminals are open that there is no place for another one. Try again later.")
	ErrIdle = fault.New(fault.Unavailable, "terminal_idle", "Nobody used the terminal for 20 minutes, so it was closed.")
	ErrOver = fault.New(fault.Unavailable, "terminal_over", "The terminal was open for 8 hours, the longest that one may be.")
	ErrStop = fault.New(fault.Unavailable, "terminal_stopped", "Marina starts anew, which ends terminals. Open another one in a moment.")
)

const (
	// idle is how long a terminal may show and be told nothing.
	idle = 20 * time.Minute
	// Longest is how long a terminal may be open.
	Longest = 8 * time.Hour
	// prefix begins the names of containers.
	prefix = "term-"
)

// Server runs terminals. It is safe for concurrent use.
type Server struct {
	Home home.Home
	Runc runc.Runc // its state directory is that of the home
	Root string    // the terminals' root file system, which many may share
	Log  *slog.Logger

	mu     sync.Mutex
	open   map[int]*Terminal // by number
	closed bool
}

// Options say what a terminal is for.
type Options struct {
	Cluster    string         // the cluster's name, which the prompt shows
	Socket     string         // of the cluster's API server
	From       netip.AddrPort // where the person is: what the audit log shows
	Kubeconfig []byte         // its server must be Endpoint
	// Columns and Rows are the size of the screen, in characters; 0: the usual one.
	Columns, Rows uint16
}

// Endpoint is where a terminal reaches its API server.
const Endpoint = "https://127.0.0.1:6443"

// Open starts a terminal. It lives until it is closed, its shell ends, its time is
// over, or the server is shut down, whatever becomes of ctx.
func (s *Server) Open(ctx context.Context, o Options) (*Terminal, error) {
	name := prefix + strings.ToLower(rand.Text()[:16])
	t := &Terminal{server: s, name: name, dir: filepath.Join(s.Home.Terminals(), name), done: make(chan struct{})}
	if !s.enter(t) {
		return nil, ErrFull
	}
	if err := t.start(ctx, o); err != nil {
		return nil, errors.Join(fmt.Errorf("open a terminal: %w", err), t.Close())
	}
	return t, nil
}

// enter gives t a number that no other terminal has.
func (s *Server) enter(t *Terminal) (ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	if s.open == nil {
		s.open = map[int]*Terminal{}
	}
	for n := range home.MaxTerminals {
		if s.open[n] == nil {
			s.open[n], t.number = t, n
			return true
		}
	}
	return false
}

func (s *Server) leave(t *Terminal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, t.number)
}

// Shutdown closes all terminals, and opens no more.
func (s *Server) Shutdown() {
	s.mu.Lock()
	s.closed = true
	var all sync.WaitGroup
	for _, t := range s.open {
		t.why.Store(ErrStop)
		all.Go(func() { _ = t.Close() }) // whoever comes next sweeps what is left
	}
	s.mu.Unlock()
	all.Wait()
}

// Sweep removes what terminals of an earlier process have left. Call it before Open.
func (s *Server) Sweep(ctx context.Context) error {
	all, err := s.Runc.List(ctx)
	if err != nil {
		return fmt.Errorf("find terminals: %w", err)
	}
	for _, name := range all {
		if strings.HasPrefix(name, prefix) {
			if err := s.Runc.Delete(ctx, name, true); err != nil {
				return fmt.Errorf("remove a terminal: %w", err)
			}
		}
	}
	if err := runc.RemoveCgroup(ctx, s.cgroup("")); err != nil {
		return fmt.Errorf("remove terminals: %w", err)
	}
	if err := os.RemoveAll(s.Home.Terminals()); err != nil {
		return fmt.Errorf("remove terminals: %w", err)
	}
	return nil
}

func (s *Server) cgroup(name string) string { return path.Join(s.Home.Cgroup(), "terminals", name) }
