// Package kube is how the fleet talks to the API servers of clusters.
package kube

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/marina-cloud/marina/internal/tenant"
)

// identity is as whom the fleet acts in a cluster.
const identity = "fleet"

// life is how long a client is used. The certificates in it live for an hour.
const life = 20 * time.Minute

// Configs says how to reach a cluster's API server with a certificate that has at
// least half an hour left.
type Configs interface {
	Client(ctx context.Context, id tenant.ClusterID, as string) (*rest.Config, error)
}

// Client is one cluster's API.
type Client struct {
	kubernetes.Interface                   // speaks protobuf
	Dynamic              dynamic.Interface // speaks JSON
}

// Clients keeps the clients of clusters, so that connections are used again. It
// is safe for concurrent use.
type Clients struct {
	Configs Configs

	mu   sync.Mutex
	kept map[tenant.ClusterID]kept
}

type kept struct {
	client Client
	http   *http.Client
	until  time.Time
}

// For returns a client of a cluster, to be used for minutes, not to be kept.
func (c *Clients) For(ctx context.Context, id tenant.ClusterID) (Client, error) {
	now := time.Now()
	if client, ok := c.present(id, now); ok {
		return client, nil
	}
	cfg, err := c.Configs.Client(ctx, id, identity)
	if err != nil {
		return Client{}, fmt.Errorf("reach the API of %s: %w", id, err)
	}
	cfg = rest.CopyConfig(cfg)
	cfg.QPS = -1 // Kubernetes' own fairness is enough
	cfg.UserAgent = "marina-fleet"
	web, err := rest.HTTPClientFor(cfg)
	if err != nil {
		return Client{}, fmt.Errorf("reach the API of %s: %w", id, err)
	}
	dyn, err := dynamic.NewForConfigAndClient(cfg, web)
	if err != nil {
		return Client{}, fmt.Errorf("reach the API of %s: %w", id, err)
	}
	cfg = rest.CopyConfig(cfg)
	cfg.ContentType = runtime.ContentTypeProtobuf
	cfg.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	set, err := kubernetes.NewForConfigAndClient(cfg, web)
	if err != nil {
		return Client{}, fmt.Errorf("reach the API of %s: %w", id, err)
	}
	return c.keep(id, kept{client: Client{Interface: set, Dynamic: dyn}, http: web, until: now.Add(life)}), nil
}

func (c *Clients) present(id tenant.ClusterID, now time.Time) (Client, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k, ok := c.kept[id]
	return k.client, ok && now.Before(k.until)
}

// keep keeps k for its cluster, and drops clients past their time, of clusters
// that may be gone.
func (c *Clients) keep(id tenant.ClusterID, k kept) Client {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kept == nil {
		c.kept = map[tenant.ClusterID]kept{}
	}
	if old, ok := c.kept[id]; ok {
		old.http.CloseIdleConnections()
	}
	c.kept[id] = k
	for other, old := range c.kept {
		if k.until.Sub(old.until) > life {
			old.http.CloseIdleConnections()
			delete(c.kept, other)
		}
	}
	return k.client
}

// Drop forgets the client of a cluster and closes its idle connections.
func (c *Clients) Drop(id tenant.ClusterID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if old, ok := c.kept[id]; ok {
		old.http.CloseIdleConnections()
		delete(c.kept, id)
	}
}

// Close closes the idle connections of all clients.
func (c *Clients) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, k := range c.kept {
		k.http.CloseIdleConnections()
		delete(c.kept, id)
	}
}
