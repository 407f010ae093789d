package gateway

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/marina-cloud/marina/gateway/identity"
	"github.com/marina-cloud/marina/internal/tenant"
	fleet "github.com/marina-cloud/marina/node-fleet"
)

type nodeView struct {
	ID        string    `json:"id" example:"nd-01k9xw3e5v8m2q4r6t8y0a1b2c"`
	Name      string    `json:"name" doc:"Of the Node object." example:"workers-7f3kq"`
	Pool      string    `json:"pool_id"`
	Address   string    `json:"address" doc:"Its internal address; empty until its machine exists." example:"172.30.1.2"`
	Phase     string    `json:"phase" enum:"provisioning,joining,running,draining,deleting,deleted"`
	Ready     bool      `json:"ready" doc:"As Kubernetes sees it."`
	Message   string    `json:"message,omitempty" doc:"Why it is not ready."`
	CreatedAt time.Time `json:"created_at"`
}

func viewNode(n fleet.Node) nodeView {
	return nodeView{
		ID: string(n.ID), Name: n.Name, Pool: string(n.Pool), Address: n.Address, Phase: string(n.Phase),
		Ready: n.Ready, Message: n.Message, CreatedAt: n.CreatedAt,
	}
}

func (s *server) registerNodes(api huma.API) {
	const nodes, node = "/v1/clusters/{cluster_id}/nodes", "/v1/clusters/{cluster_id}/nodes/{node_id}"
	huma.Register(api, needs(identity.ClustersRead, operation("listNodes", http.MethodGet, nodes, "Nodes", "List a cluster's nodes", http.StatusOK, 401, 404)), s.listNodes)
	huma.Register(api, needs(identity.ClustersRead, operation("getNode", http.MethodGet, node, "Nodes", "Show a node", http.StatusOK, 401, 404)), s.getNode)
}

func (s *server) listNodes(ctx context.Context, in *struct {
	ClusterPath
	PageInput
}) (*pageOutput[nodeView], error) {
	after, err := in.after()
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	nodes, err := s.Fleet.Nodes(ctx, caller(ctx).Organization, in.cluster(), after, in.Limit+1)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return pageOf(nodes, in.Limit, func(n fleet.Node) string { return string(n.ID) }, viewNode), nil
}

func (s *server) getNode(ctx context.Context, in *struct {
	ClusterPath
	Node string `path:"node_id"`
}) (*struct{ Body nodeView }, error) {
	n, err := s.Fleet.Node(ctx, caller(ctx).Organization, in.cluster(), tenant.NodeID(in.Node))
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return &struct{ Body nodeView }{viewNode(n)}, nil
}
