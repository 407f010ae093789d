package client

import (
	"context"
	"net/http"
	"time"
)

// OrganizationSummary is an organization as operators see it.
type OrganizationSummary struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Owner     string    `json:"owner"`
	Members   int       `json:"members"`
	Clusters  int       `json:"clusters"`
	Nodes     int       `json:"nodes"`
	CreatedAt time.Time `json:"created_at"`
}

// PlacedCluster is a cluster as operators see it.
type PlacedCluster struct {
	Organization string      `json:"organization_id"`
	OrgName      string      `json:"organization"`
	ID           string      `json:"id"`
	Name         string      `json:"name"`
	Version      string      `json:"version"`
	Phase        string      `json:"phase"`
	Conditions   []Condition `json:"conditions"`
	CreatedAt    time.Time   `json:"created_at"`
}

// PlacedNode is a node as operators see it.
type PlacedNode struct {
	Organization string    `json:"organization_id"`
	Cluster      string    `json:"cluster_id"`
	ID           string    `json:"id"`
	Name         string    `json:"name"`
	Size         string    `json:"size"`
	Provider     string    `json:"provider"`
	Address      string    `json:"address"`
	Phase        string    `json:"phase"`
	Ready        bool      `json:"ready"`
	Message      string    `json:"message,omitempty"`
	CreatedAt    time.Time `json:"created_at"`
}

// Installation is how an installation is.
type Installation struct {
	Version    string     `json:"version"`
	Ready      bool       `json:"ready"`
	Checks     []Check    `json:"checks"`
	Disks      []Disk     `json:"disks"`
	LastBackup *time.Time `json:"last_backup_at"` // nil: there never was one
}

// Check is one thing that an installation cannot do without.
type Check struct {
	Name    string `json:"name"`
	OK      bool   `json:"ok"`
	Message string `json:"message,omitempty"`
}

// Disk is a file system that an installation depends on; its figures are bytes.
type Disk struct {
	Name string `json:"name"`
	Free uint64 `json:"free_bytes"`
	Size uint64 `json:"size_bytes"`
}

// AllOrganizations lists organizations of the installation; an empty search finds all.
func (c *Client) AllOrganizations(ctx context.Context, search string) ([]OrganizationSummary, error) {
	return found[OrganizationSummary](ctx, c, "/v1/operator/organizations", search)
}

// AllClusters lists clusters of all organizations; an empty search finds all.
func (c *Client) AllClusters(ctx context.Context, search string) ([]PlacedCluster, error) {
	return found[PlacedCluster](ctx, c, "/v1/operator/clusters", search)
}

// AllNodes lists nodes of all organizations; an empty search finds all.
func (c *Client) AllNodes(ctx context.Context, search string) ([]PlacedNode, error) {
	return found[PlacedNode](ctx, c, "/v1/operator/nodes", search)
}

// Installation says how the installation is.
func (c *Client) Installation(ctx context.Context) (i Installation, err error) {
	return i, c.Do(ctx, http.MethodGet, "/v1/operator/installation", nil, &i)
}
