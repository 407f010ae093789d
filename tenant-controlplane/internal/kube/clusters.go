package kube

import (
	"context"
	"crypto"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/marina-cloud/marina/internal/tenant"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

// Signer is what the clients need of the clusters' authorities.
type Signer interface {
	SignClient(ctx context.Context, id tenant.ClusterID, authority string, key crypto.PublicKey, commonName string, organizations []string, ttl time.Duration) ([]byte, error)
	Certificate(ctx context.Context, id tenant.ClusterID, authority string) ([]byte, error)
}

// Clusters reaches the API servers and etcds of clusters over their sockets. It
// keeps connections open between calls, and is safe for concurrent use.
type Clusters struct {
	Signer    Signer
	Authority string                        // name of the authority that the clusters' clients belong to
	Sockets   func(tenant.ClusterID) string // directory of a cluster's sockets, on the host
	Name      func(tenant.ClusterID) string // name in the certificate of a cluster's API server
	Limits    controlplane.Limits           // of each cluster

	mu      sync.Mutex
	clients map[tenant.ClusterID]*clients
}

// clients are the open clients of one cluster.
type clients struct {
	etcd       *http.Client
	transports map[string]*Transport // by the identity's name
	own        kubernetes.Interface  // as Marina
	customer   kubernetes.Interface  // as the holder of a kubeconfig
}

// The identities of the reconciler. The second has the rights of a customer, who
// it stands for when credentials are tried.
var (
	controller = Identity{Name: "marina:controlplane", Groups: []string{"system:masters"}}
	health     = Identity{Name: "marina:health", Groups: []string{controlplane.AdminsGroup}}
)

// Config returns the configuration of a client with all rights in a cluster,
// whose user name is "marina:" and as. It holds for as long as the cluster
// exists; it cannot be used for protocols that upgrade a connection.
func (s *Clusters) Config(ctx context.Context, id tenant.ClusterID, as string) (*rest.Config, error) {
	t := s.transport(id, Identity{Name: "marina:" + as, Groups: []string{"system:masters"}})
	if err := t.Warm(ctx); err != nil {
		return nil, err
	}
	return s.config(id, t), nil
}

func (s *Clusters) config(id tenant.ClusterID, t *Transport) *rest.Config {
	return &rest.Config{
		Host:      "https://" + s.Name(id) + ":6443",
		Transport: t,
		UserAgent: "marina",
		QPS:       -1, // the server's priority and fairness decides
	}
}

// Probe asks a cluster's etcd and API server how they are.
func (s *Clusters) Probe(ctx context.Context, c controlplane.Cluster) (h controlplane.Health) {
	k, err := s.open(c.ID)
	if err != nil {
		h.API = "The API server's client could not be made."
		return h
	}
	h.EtcdAnswers, h.Etcd = etcdHealth(ctx, k.etcd)
	if h.EtcdAnswers {
		if u, err := etcdUsage(ctx, k.etcd); err == nil { // else the next look knows
			h.Limit = s.Limits.Complaint(u)
		}
	}
	if h.Etcd != "" {
		h.API = "The API server waits for etcd."
		return h
	}
	h.EtcdHealthy = true
	if h.API = ready(ctx, k.own); h.API != "" {
		return h
	}
	h.APIReady = true
	usable(ctx, k.own, k.customer, &h)
	if h.Credentials {
		tunnel(ctx, k.own, &h)
	}
	return h
}

// Bootstrap makes or repairs the objects that Marina needs in a cluster.
func (s *Clusters) Bootstrap(ctx context.Context, c controlplane.Cluster) error {
	k, err := s.open(c.ID)
	if err != nil {
		return err
	}
	return bootstrap(ctx, k.own)
}

// Forget closes a cluster's connections.
func (s *Clusters) Forget(id tenant.ClusterID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k := s.clients[id]; k != nil {
		k.close()
	}
	delete(s.clients, id)
}

func (k *clients) close() {
	k.etcd.CloseIdleConnections()
	for _, t := range k.transports {
		t.CloseIdleConnections()
	}
}

// Close closes the connections of all clusters.
func (s *Clusters) Close() {
	s.mu.Lock()
	ids := make([]tenant.ClusterID, 0, len(s.clients))
	for id := range s.clients {
		ids = append(ids, id)
	}
	s.mu.Unlock()
	for _, id := range ids {
		s.Forget(id)
	}
}

// open returns the reconciler's clients of a cluster.
func (s *Clusters) open(id tenant.ClusterID) (*clients, error) {
	own, customer := s.transport(id, controller), s.transport(id, health)
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.of(id)
	if k.own != nil {
		return k, nil
	}
	var err error
	if k.own, err = kubernetes.NewForConfig(s.config(id, own)); err != nil {
		return nil, fmt.Errorf("make a client of %s: %w", id, err)
	}
	if k.customer, err = kubernetes.NewForConfig(s.config(id, customer)); err != nil {
		return nil, fmt.Errorf("make a client of %s: %w", id, err)
	}
	return k, nil
}

func (s *Clusters) transport(id tenant.ClusterID, who Identity) *Transport {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.transportOf(s.of(id), id, who)
}

// lend returns clients to ask a cluster something once, for a caller who does not know
// whether it is still there: of one that has been forgotten, nothing is kept anew.
func (s *Clusters) lend(id tenant.ClusterID, who Identity) (etcd *http.Client, api *Transport, release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, release := s.clients[id], func() {}
	if k == nil {
		k = s.make(id)
		release = k.close
	}
	return k.etcd, s.transportOf(k, id, who), release
}

// transportOf returns the transport of an entry. The caller holds mu.
func (s *Clusters) transportOf(k *clients, id tenant.ClusterID, who Identity) *Transport {
	if t := k.transports[who.Name]; t != nil {
		return t
	}
	t := &Transport{
		Dial: func(ctx context.Context) (net.Conn, error) {
			return DialAPI(ctx, filepath.Join(s.Sockets(id), APISocket))
		},
		Sign: func(ctx context.Context, key crypto.PublicKey, ttl time.Duration) ([]byte, error) {
			return s.Signer.SignClient(ctx, id, s.Authority, key, who.Name, who.Groups, ttl)
		},
		Authority:  func(ctx context.Context) ([]byte, error) { return s.Signer.Certificate(ctx, id, s.Authority) },
		ServerName: s.Name(id), Now: time.Now,
	}
	k.transports[who.Name] = t
	return t
}

// of returns the entry of a cluster. The caller holds mu.
func (s *Clusters) of(id tenant.ClusterID) *clients {
	if s.clients == nil {
		s.clients = make(map[tenant.ClusterID]*clients)
	}
	k := s.clients[id]
	if k == nil {
		k = s.make(id)
		s.clients[id] = k
	}
	return k
}

func (s *Clusters) make(id tenant.ClusterID) *clients {
	return &clients{
		etcd:       etcdClient(filepath.Join(s.Sockets(id), EtcdSocket)),
		transports: make(map[string]*Transport),
	}
}
