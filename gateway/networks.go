package gateway

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/marina-cloud/marina/gateway/identity"
	"github.com/marina-cloud/marina/internal/route"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

// networksView are a cluster's authorized networks, and where the caller is: whoever
// changes them should not lock themselves out.
type networksView struct {
	Networks []string `json:"networks" nullable:"false" doc:"From which people reach the Kubernetes API; empty: from everywhere." example:"[\"203.0.113.0/24\"]"`
	Address  string   `json:"your_address" doc:"Where this request came from. kubectl may come from another address, as where one of both uses IPv6." example:"203.0.113.7"`
	Admitted bool     `json:"your_address_admitted" doc:"Whether kubectl would be let in from there."`
}

type networksOutput struct{ Body networksView }

type setNetworksInput struct {
	ClusterPath
	Body setNetworksBody
}

type setNetworksBody struct {
	Networks []string `json:"networks" nullable:"false" maxItems:"64" doc:"In CIDR notation, or single addresses, of IPv4 and IPv6. Empty: everybody is let in." example:"[\"203.0.113.0/24\"]"`
}

// Resolve names the wrong entries.
func (b *setNetworksBody) Resolve(huma.Context) []error {
	_, err := controlplane.ParseNetworks(b.Networks)
	return detailsOf(err)
}

func (s *server) registerNetworks(api huma.API) {
	const path = "/v1/clusters/{cluster_id}/authorized-networks"
	huma.Register(api, needs(identity.ClustersRead, operation("getAuthorizedNetworks", http.MethodGet, path, "Clusters",
		"Show from which networks people reach a cluster's Kubernetes API", http.StatusOK, 401, 404)), s.getNetworks)
	set := needs(identity.ClustersWrite, operation("setAuthorizedNetworks", http.MethodPut, path, "Clusters",
		"Say from which networks people reach a cluster's Kubernetes API", http.StatusOK, 401, 404, 409))
	set.Description = "The list replaces the one before. It holds for kubectl and whatever else connects to the cluster's endpoint: connections from elsewhere are refused, " +
		"and those that are open are cut within two seconds. Nodes and their pods are let in by the node's certificate, and terminals in the browser by Marina."
	huma.Register(api, set, s.setNetworks)
}

func (s *server) getNetworks(ctx context.Context, in *ClusterPath) (*networksOutput, error) {
	c, err := s.Clusters.Cluster(ctx, caller(ctx).Organization, in.cluster())
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return viewNetworks(ctx, c), nil
}

func (s *server) setNetworks(ctx context.Context, in *setNetworksInput) (*networksOutput, error) {
	networks, err := controlplane.ParseNetworks(in.Body.Networks)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	who := caller(ctx)
	c, err := s.Clusters.SetNetworks(ctx, who.Organization, who.Actor(), address(ctx), in.cluster(), networks)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return viewNetworks(ctx, c), nil
}

func viewNetworks(ctx context.Context, c controlplane.Cluster) *networksOutput {
	return &networksOutput{networksView{Networks: networksOf(c), Address: address(ctx), Admitted: route.Admits(c.Networks, addressOf(ctx))}}
}

func networksOf(c controlplane.Cluster) []string {
	texts := make([]string, len(c.Networks))
	for i, n := range c.Networks {
		texts[i] = n.String()
	}
	return texts
}
