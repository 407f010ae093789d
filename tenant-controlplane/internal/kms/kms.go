// Package kms serves the Kubernetes KMS v2 API to clusters
// (https://kubernetes.io/docs/tasks/administer-cluster/kms-provider/), one unix
// socket each. An API server encrypts its Secrets with keys that it derives from
// a seed; what it stores of the seed is sealed here, under a key of the secret
// store that belongs to this cluster alone. Without Marina's secret store, a
// cluster's etcd data gives no Secret away.
package kms

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	kmsapi "k8s.io/kms/apis/v2"

	"github.com/marina-cloud/marina/internal/tenant"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/reconcile"
)

// Secrets is what the server needs of the secret store; see package seal.
type Secrets interface {
	Seal(ctx context.Context, key string, plaintext, additional []byte) ([]byte, error)
	Open(ctx context.Context, key string, sealed, additional []byte) ([]byte, error)
	Destroy(ctx context.Context, key string) error
}

// What a tenant's processes may send is bounded: they may be in the hands of an
// attacker. The API server sends seeds of 32 bytes.
const (
	maxMessage     = 64 << 10
	maxStreams     = 64 // at once on a connection
	connectTimeout = 5 * time.Second
)

// Server serves any number of clusters. It is safe for concurrent use.
type Server struct {
	secrets Secrets
	socket  func(tenant.ClusterID) string
	log     *slog.Logger
	metrics *prometheus.HistogramVec

	mu      sync.Mutex
	serving map[tenant.ClusterID]*grpc.Server
}

var _ reconcile.KMS = (*Server)(nil)

// New returns a server that serves nobody yet. The path of a cluster's socket
// comes from socket; its directory must keep all but the cluster's stack out.
func New(secrets Secrets, socket func(tenant.ClusterID) string, log *slog.Logger) *Server {
	return &Server{secrets: secrets, socket: socket, log: log, metrics: newMetrics(), serving: map[tenant.ClusterID]*grpc.Server{}}
}

// Serve opens the cluster's socket, in a directory that exists, for the group gid
// and serves it in the background until Close. It does nothing when the cluster
// is served already, and replaces a socket that a former process left.
func (s *Server) Serve(ctx context.Context, id tenant.ClusterID, gid int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.is(id) {
		return nil
	}
	s.stop(id) // one whose socket was removed is of no use
	ln, err := listen(ctx, s.socket(id), gid)
	if err != nil {
		return fmt.Errorf("serve KMS of %s: %w", id, err)
	}
	server := grpc.NewServer(
		grpc.ConnectionTimeout(connectTimeout),
		grpc.MaxRecvMsgSize(maxMessage),
		grpc.MaxConcurrentStreams(maxStreams),
		grpc.UnaryInterceptor(s.measure),
		grpc.WaitForHandlers(true), // after Stop nobody seals any more: see Destroy
	)
	kmsapi.RegisterKeyManagementServiceServer(server, &plugin{secrets: s.secrets, id: id})
	s.serving[id] = server
	log := s.log.With("cluster", id)
	go func() {
		// It returns nil after Stop. Otherwise Serving must not claim that
		// somebody is there.
		if err := server.Serve(ln); err != nil {
			log.Error("kms socket ended", "error", err)
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.serving[id] == server {
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

// Close stops serving a cluster and removes its socket. It returns when the last
// request has ended; it is no error that the cluster was not served.
func (s *Server) Close(id tenant.ClusterID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stop(id)
	if err := os.Remove(s.socket(id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("close KMS of %s: %w", id, err)
	}
	return nil
}

// Shutdown stops serving all clusters; they can be served again later.
func (s *Server) Shutdown() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range s.serving {
		s.stop(id)
	}
}

// Destroy closes, and destroys the cluster's data key: its Secrets can never be
// read again, from whatever copy of its data.
func (s *Server) Destroy(ctx context.Context, id tenant.ClusterID) error {
	if err := s.Close(id); err != nil {
		return err
	}
	if err := s.secrets.Destroy(ctx, keyName(id)); err != nil {
		return fmt.Errorf("destroy KMS key of %s: %w", id, err)
	}
	return nil
}

func (s *Server) stop(id tenant.ClusterID) {
	if server := s.serving[id]; server != nil {
		server.Stop()
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

func keyName(id tenant.ClusterID) string { return "kms-" + string(id) }
