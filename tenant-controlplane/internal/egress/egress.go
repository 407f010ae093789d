package egress

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/marina-cloud/marina/internal/tenant"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/reconcile"
)

// World is what a Server needs of the machine that it runs on.
type World struct {
	// Resolve returns the addresses of a name of the DNS, given without a dot at
	// its end.
	Resolve func(ctx context.Context, name string) ([]netip.Addr, error)
	// Dial opens a TCP connection.
	Dial func(ctx context.Context, to netip.AddrPort) (net.Conn, error)
	// Own returns the addresses of this machine.
	Own func() (Own, error)
}

// Machine is the World that is really there.
func Machine() World {
	var dialer net.Dialer
	return World{
		Resolve: func(ctx context.Context, name string) ([]netip.Addr, error) {
			// With the dot it is complete: no search domain of this machine's is tried.
			return net.DefaultResolver.LookupNetIP(ctx, "ip", name+".")
		},
		Dial: func(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
			return dialer.DialContext(ctx, "tcp", to.String())
		},
		Own: func() (own Own, err error) {
			addrs, err := net.InterfaceAddrs()
			for _, a := range addrs {
				if n, ok := a.(*net.IPNet); ok {
					if ip, ok := netip.AddrFromSlice(n.IP); ok {
						own = append(own, ip.Unmap())
					}
				}
			}
			return own, err
		},
	}
}

// What a request may look like; an API server's is one short line.
const (
	maxHeader     = 8 << 10
	headerTimeout = 5 * time.Second
)

// Server is the way out of any number of clusters. It is safe for concurrent use.
type Server struct {
	allowed Allowed
	world   World
	socket  func(tenant.ClusterID) string
	limits  Limits
	log     *slog.Logger
	counted *prometheus.CounterVec

	mu      sync.Mutex
	serving map[tenant.ClusterID]*served
}

// served is what serves one cluster.
type served struct {
	http *http.Server
	out  *way
}

var _ reconcile.Egress = (*Server)(nil)

// New returns a server that serves nobody yet. The path of a cluster's socket comes
// from socket; its directory must keep all but the cluster's stack out.
func New(allowed Allowed, world World, limits Limits, socket func(tenant.ClusterID) string, log *slog.Logger) *Server {
	return &Server{allowed: allowed, world: world, socket: socket, limits: limits, log: log, counted: newMetrics(), serving: map[tenant.ClusterID]*served{}}
}

// Serve opens the cluster's socket, in a directory that exists, for the group gid
// and serves it in the background until Close. It does nothing when the cluster is
// served already, and replaces a socket that a former process left.
func (s *Server) Serve(ctx context.Context, id tenant.ClusterID, gid int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.is(id) {
		return nil
	}
	s.stop(id) // one whose socket was removed is of no use
	ln, err := listen(ctx, s.socket(id), gid)
	if err != nil {
		return fmt.Errorf("serve the way out of %s: %w", id, err)
	}
	log := s.log.With("cluster", id)
	out := newWay(s.allowed, s.world, s.limits, s.counted, log)
	one := &served{out: out, http: &http.Server{
		Handler: out, ReadHeaderTimeout: headerTimeout, IdleTimeout: headerTimeout, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0), // what a tenant sends is no news
	}}
	s.serving[id] = one
	go func() {
		// Otherwise Serving must not claim that somebody is there.
		if err := one.http.Serve(out.admit(ln)); !errors.Is(err, http.ErrServerClosed) {
			log.Error("egress socket ended", "error", err)
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.serving[id] == one {
				s.stop(id)
			}
		}
	}()
	return nil
}

// Serving reports whether Serve has been called and the socket is there.
func (s *Server) Serving(id tenant.ClusterID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.is(id)
}

func (s *Server) is(id tenant.ClusterID) bool {
	if s.serving[id] == nil {
		return false
	}
	info, err := os.Stat(s.socket(id))
	return err == nil && info.Mode()&fs.ModeSocket != 0
}

// Close cuts a cluster's connections and removes its socket. It returns when the
// last has ended; it is no error that the cluster was not served.
func (s *Server) Close(id tenant.ClusterID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stop(id)
	if err := os.Remove(s.socket(id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("close the way out of %s: %w", id, err)
	}
	return nil
}

// Shutdown cuts the connections of all clusters; they can be served again later.
func (s *Server) Shutdown() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range s.serving {
		s.stop(id)
	}
}

func (s *Server) stop(id tenant.ClusterID) {
	if one := s.serving[id]; one != nil {
		one.http.Close() //nolint:errcheck // there is nothing left to be done about it
		one.out.close()
		delete(s.serving, id)
	}
}

// listen opens a socket that root and one group may connect to.
func listen(ctx context.Context, path string, gid int) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("remove the old socket: %w", err)
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	// Group first: until then only root may connect.
	if err := errors.Join(os.Chown(path, 0, gid), os.Chmod(path, 0o660)); err != nil {
		return nil, errors.Join(err, ln.Close())
	}
	return ln, nil
}
