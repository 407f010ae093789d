package client

import (
	"context"
	"net/http"
)

// Networks are those from which people reach a cluster's Kubernetes API.
type Networks struct {
	Networks []string `json:"networks"` // none: from everywhere
	Address  string   `json:"your_address"`
	Admitted bool     `json:"your_address_admitted"`
}

// Networks returns a cluster's authorized networks.
func (c *Client) Networks(ctx context.Context, cluster string) (n Networks, err error) {
	return n, c.Do(ctx, http.MethodGet, clusterPath(cluster)+"/authorized-networks", nil, &n)
}

// SetNetworks replaces a cluster's authorized networks; none: everybody is let in.
func (c *Client) SetNetworks(ctx context.Context, cluster string, networks []string) (n Networks, err error) {
	in := map[string][]string{"networks": append([]string{}, networks...)} // null is no list
	return n, c.Do(ctx, http.MethodPut, clusterPath(cluster)+"/authorized-networks", in, &n)
}
