package client

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// Session is what signing up and logging in answer.
type Session struct {
	User         string `json:"user_id"`
	Email        string `json:"email"`
	Organization string `json:"organization_id"`
	Name         string `json:"organization"`
	Token        struct {
		ID        string    `json:"id"`
		Secret    string    `json:"secret,omitempty"`
		ExpiresAt time.Time `json:"expires_at"`
	} `json:"token"`
}

// Cluster is a cluster as the API shows it.
type Cluster struct {
	ID         string      `json:"id"`
	Name       string      `json:"name"`
	Version    string      `json:"version"`
	Phase      string      `json:"phase"`
	Endpoint   string      `json:"endpoint"`
	Issuer     string      `json:"issuer"`
	PodCIDR    string      `json:"pod_cidr"`
	Services   string      `json:"service_cidr"`
	Networks   []string    `json:"authorized_networks"`
	Conditions []Condition `json:"conditions"`
	CreatedAt  time.Time   `json:"created_at"`
	Protected  bool        `json:"deletion_protection"`
	PurgeAt    *time.Time  `json:"purge_at,omitempty"` // of a deleted one that can be brought back
}

// ClusterChange changes a cluster; fields that are nil stay as they are.
type ClusterChange struct {
	Name      *string `json:"name,omitempty"`
	Protected *bool   `json:"deletion_protection,omitempty"`
}

// Condition is one aspect of a cluster's health.
type Condition struct {
	Type    string    `json:"type"`
	OK      bool      `json:"ok"`
	Message string    `json:"message,omitempty"`
	Since   time.Time `json:"since"`
}

// NewCluster asks for a cluster; empty fields stand for the defaults.
type NewCluster struct {
	Name     string `json:"name"`
	Version  string `json:"version,omitempty"`
	PodCIDR  string `json:"pod_cidr,omitempty"`
	Services string `json:"service_cidr,omitempty"`

	Protected bool `json:"deletion_protection,omitempty"`
}

// Pool is a node pool as the API shows it.
type Pool struct {
	ID        string            `json:"id"`
	Name      string            `json:"name"`
	Size      string            `json:"size"`
	Count     int               `json:"count"`
	Labels    map[string]string `json:"labels"`
	Taints    []Taint           `json:"taints"`
	Phase     string            `json:"phase"`
	CreatedAt time.Time         `json:"created_at"`
}

// Taint keeps pods without a matching toleration off a node.
type Taint struct {
	Key    string `json:"key"`
	Value  string `json:"value,omitempty"`
	Effect string `json:"effect"`
}

// NewPool asks for a node pool; an empty size stands for the smallest.
type NewPool struct {
	Name   string            `json:"name"`
	Size   string            `json:"size,omitempty"`
	Count  int               `json:"count"`
	Labels map[string]string `json:"labels,omitempty"`
	Taints []Taint           `json:"taints,omitempty"`
}

// Node is a node as the API shows it.
type Node struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Pool      string    `json:"pool_id"`
	Address   string    `json:"address"`
	Phase     string    `json:"phase"`
	Ready     bool      `json:"ready"`
	Message   string    `json:"message,omitempty"`
	CreatedAt time.Time `json:"created_at"`
}

// Event is something that happened to a cluster.
type Event struct {
	ID      string    `json:"id"`
	Kind    string    `json:"kind"`
	Subject string    `json:"subject"`
	Message string    `json:"message"`
	At      time.Time `json:"at"`
}

// Options is what is on offer.
type Options struct {
	Versions []struct {
		Minor   string `json:"version"`
		Full    string `json:"kubernetes_version"`
		Default bool   `json:"default"`
	} `json:"versions"`
	Sizes []struct {
		Name string `json:"name"`
	} `json:"sizes"`
}

// Options says which Kubernetes versions and node sizes are on offer.
func (c *Client) Options(ctx context.Context) (o Options, err error) {
	return o, c.Do(ctx, http.MethodGet, "/v1/options", nil, &o)
}

// LogIn gets a token for an account. Without a code, an account with a second factor
// answers with the problem second_factor_needed.
func (c *Client) LogIn(ctx context.Context, email, password, code string) (s Session, err error) {
	in := map[string]string{"email": email, "password": password}
	if code != "" {
		in["code"] = code
	}
	return s, c.Do(ctx, http.MethodPost, "/v1/login", in, &s)
}

// Account says who the token acts for.
func (c *Client) Account(ctx context.Context) (s Session, err error) {
	return s, c.Do(ctx, http.MethodGet, "/v1/account", nil, &s)
}

// Clusters returns all clusters of the organization.
func (c *Client) Clusters(ctx context.Context) ([]Cluster, error) {
	return all[Cluster](ctx, c, "/v1/clusters")
}

// DeletedClusters returns the deleted clusters that can be brought back.
func (c *Client) DeletedClusters(ctx context.Context) ([]Cluster, error) {
	return all[Cluster](ctx, c, "/v1/clusters?deleted=true")
}

// FindDeletedCluster returns the deleted cluster with this name or id. Several may
// have had one name.
func (c *Client) FindDeletedCluster(ctx context.Context, nameOrID string) (Cluster, error) {
	clusters, err := c.DeletedClusters(ctx)
	if err != nil {
		return Cluster{}, err
	}
	var found []Cluster
	for _, k := range clusters {
		if k.ID == nameOrID || k.Name == nameOrID {
			found = append(found, k)
		}
	}
	switch len(found) {
	case 0:
		return Cluster{}, fmt.Errorf("there is no deleted cluster %q: `marina clusters list --deleted` says which there are", nameOrID)
	case 1:
		return found[0], nil
	}
	return Cluster{}, fmt.Errorf("%d deleted clusters are called %q: name one by its id, which `marina clusters list --deleted` shows", len(found), nameOrID)
}

// Cluster returns one cluster.
func (c *Client) Cluster(ctx context.Context, id string) (k Cluster, err error) {
	return k, c.Do(ctx, http.MethodGet, clusterPath(id), nil, &k)
}

// FindCluster returns the cluster with this name or id.
func (c *Client) FindCluster(ctx context.Context, nameOrID string) (Cluster, error) {
	clusters, err := c.Clusters(ctx)
	if err != nil {
		return Cluster{}, err
	}
	for _, k := range clusters {
		if k.ID == nameOrID || k.Name == nameOrID && k.Phase != "deleted" {
			return k, nil
		}
	}
	return Cluster{}, fmt.Errorf("there is no cluster %q: `marina clusters list` says which there are", nameOrID)
}

// CreateCluster asks for a cluster.
func (c *Client) CreateCluster(ctx context.Context, n NewCluster) (k Cluster, err error) {
	return k, c.Do(ctx, http.MethodPost, "/v1/clusters", n, &k)
}

// ChangeCluster changes a cluster.
func (c *Client) ChangeCluster(ctx context.Context, id string, change ClusterChange) (k Cluster, err error) {
	return k, c.Do(ctx, http.MethodPatch, clusterPath(id), change, &k)
}

// DeleteCluster asks for a cluster and its nodes to go. It can be brought back for a
// while.
func (c *Client) DeleteCluster(ctx context.Context, id string) (k Cluster, err error) {
	return k, c.Do(ctx, http.MethodDelete, clusterPath(id), nil, &k)
}

// PurgeCluster asks for a cluster, deleted or not, to go with all that is in it, for
// good.
func (c *Client) PurgeCluster(ctx context.Context, id string) (k Cluster, err error) {
	return k, c.Do(ctx, http.MethodDelete, clusterPath(id)+"?purge=true", nil, &k)
}

// UndeleteCluster asks for a deleted cluster to come back.
func (c *Client) UndeleteCluster(ctx context.Context, id string) (k Cluster, err error) {
	return k, c.Do(ctx, http.MethodPost, clusterPath(id)+"/undelete", nil, &k)
}

// Events returns what happened to a cluster, the oldest first.
func (c *Client) Events(ctx context.Context, id string) ([]Event, error) {
	return all[Event](ctx, c, clusterPath(id)+"/events")
}

// Pools returns a cluster's node pools.
func (c *Client) Pools(ctx context.Context, cluster string) ([]Pool, error) {
	return all[Pool](ctx, c, clusterPath(cluster)+"/node-pools")
}

// FindPool returns the pool of a cluster with this name or id.
func (c *Client) FindPool(ctx context.Context, cluster, nameOrID string) (Pool, error) {
	pools, err := c.Pools(ctx, cluster)
	if err != nil {
		return Pool{}, err
	}
	for _, p := range pools {
		if p.ID == nameOrID || p.Name == nameOrID && p.Phase != "deleted" {
			return p, nil
		}
	}
	return Pool{}, fmt.Errorf("there is no node pool %q in the cluster: `marina pools list CLUSTER` says which there are", nameOrID)
}

// Pool returns one pool.
func (c *Client) Pool(ctx context.Context, cluster, id string) (p Pool, err error) {
	return p, c.Do(ctx, http.MethodGet, poolPath(cluster, id), nil, &p)
}

// CreatePool asks for a pool.
func (c *Client) CreatePool(ctx context.Context, cluster string, n NewPool) (p Pool, err error) {
	return p, c.Do(ctx, http.MethodPost, clusterPath(cluster)+"/node-pools", n, &p)
}

// ResizePool asks for another number of nodes.
func (c *Client) ResizePool(ctx context.Context, cluster, id string, count int) (p Pool, err error) {
	return p, c.Do(ctx, http.MethodPatch, poolPath(cluster, id), map[string]int{"count": count}, &p)
}

// DeletePool asks for a pool and its nodes to go.
func (c *Client) DeletePool(ctx context.Context, cluster, id string) error {
	return c.Do(ctx, http.MethodDelete, poolPath(cluster, id), nil, nil)
}

// Nodes returns a cluster's nodes.
func (c *Client) Nodes(ctx context.Context, cluster string) ([]Node, error) {
	return all[Node](ctx, c, clusterPath(cluster)+"/nodes")
}

func clusterPath(id string) string { return "/v1/clusters/" + url.PathEscape(id) }

func poolPath(cluster, id string) string {
	return clusterPath(cluster) + "/node-pools/" + url.PathEscape(id)
}
