package gateway

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/marina-cloud/marina/gateway/identity"
	"github.com/marina-cloud/marina/internal/tenant"
	fleet "github.com/marina-cloud/marina/node-fleet"
)

// Fleet is what the gateway needs of the worker nodes' context. Each call is bound
// to one organization; what belongs to another is not found.
type Fleet interface {
	CreatePool(ctx context.Context, org tenant.OrganizationID, actor, address string, cluster tenant.ClusterID, n fleet.NewPool) (fleet.Pool, error)
	Pools(ctx context.Context, org tenant.OrganizationID, cluster tenant.ClusterID, after string, limit int) ([]fleet.Pool, error)
	Pool(ctx context.Context, org tenant.OrganizationID, cluster tenant.ClusterID, id tenant.PoolID) (fleet.Pool, error)
	// Resize and DeletePool ask only, which may be nil, about the pool as it is while
	// nobody else can change it, and return it as it is then.
	Resize(ctx context.Context, org tenant.OrganizationID, actor, address string, cluster tenant.ClusterID, id tenant.PoolID, count int, only fleet.Precondition) (fleet.Pool, error)
	DeletePool(ctx context.Context, org tenant.OrganizationID, actor, address string, cluster tenant.ClusterID, id tenant.PoolID, only fleet.Precondition) (fleet.Pool, error)
	Nodes(ctx context.Context, org tenant.OrganizationID, cluster tenant.ClusterID, after string, limit int) ([]fleet.Node, error)
	Node(ctx context.Context, org tenant.OrganizationID, cluster tenant.ClusterID, id tenant.NodeID) (fleet.Node, error)
	// Tally counts the nodes of all clusters.
	Tally(ctx context.Context, org tenant.OrganizationID) (map[tenant.ClusterID][]fleet.Tally, error)
}

type poolView struct {
	ID        string            `json:"id" example:"np-01k9xw3e5v8m2q4r6t8y0a1b2c"`
	Name      string            `json:"name" example:"workers"`
	Size      string            `json:"size" example:"small"`
	Count     int               `json:"count" doc:"How many nodes are wanted." example:"2"`
	Labels    map[string]string `json:"labels"`
	Taints    []taintView       `json:"taints"`
	Phase     string            `json:"phase" enum:"provisioning,running,suspended,deleting,deleted" doc:"Running when as many nodes are ready as wanted. Suspended while the cluster is deleted and can be brought back."`
	CreatedAt time.Time         `json:"created_at"`
}

type taintView struct {
	Key    string `json:"key" example:"dedicated"`
	Value  string `json:"value,omitempty" example:"batch"`
	Effect string `json:"effect" doc:"NoSchedule, PreferNoSchedule or NoExecute." example:"NoSchedule"`
}

func viewPool(p fleet.Pool) poolView {
	v := poolView{
		ID: string(p.ID), Name: p.Name, Size: p.Size, Count: p.Count, Labels: p.Labels, Taints: []taintView{},
		Phase: string(p.Phase), CreatedAt: p.CreatedAt,
	}
	if v.Labels == nil {
		v.Labels = map[string]string{}
	}
	for _, t := range p.Taints {
		v.Taints = append(v.Taints, taintView(t))
	}
	if p.Deleting && p.Phase != fleet.PoolDeleted {
		v.Phase = string(fleet.PoolDeleting)
	}
	return v
}

// PoolPath names the node pool that a request is about.
type PoolPath struct {
	ClusterPath
	Pool string `path:"pool_id" example:"np-01k9xw3e5v8m2q4r6t8y0a1b2c"`
}

func (p PoolPath) pool() tenant.PoolID { return tenant.PoolID(p.Pool) }

type newPoolInput struct {
	ClusterPath
	Body newPoolBody
}

type newPoolBody struct {
	Name   string            `json:"name" doc:"A DNS label of at most 30 characters, unique in the cluster." example:"workers"`
	Size   string            `json:"size,omitempty" doc:"One of the options' sizes; the smallest when absent." example:"small"`
	Count  int               `json:"count" minimum:"0" maximum:"100" doc:"How many nodes." example:"2"`
	Labels map[string]string `json:"labels,omitempty" doc:"Of the Node objects."`
	Taints []taintView       `json:"taints,omitempty" doc:"Of the Node objects."`
}

func (b *newPoolBody) wanted() fleet.NewPool {
	n := fleet.NewPool{Name: b.Name, Size: cmp.Or(b.Size, fleet.Sizes[0].Name), Count: b.Count, Labels: b.Labels}
	for _, t := range b.Taints {
		n.Taints = append(n.Taints, fleet.Taint(t))
	}
	return n
}

// Resolve names the wrong fields that the schema cannot name.
func (b *newPoolBody) Resolve(huma.Context) []error { return detailsOf(b.wanted().Validate()) }

type resizeInput struct {
	PoolPath
	Preconditions
	Body resizeBody
}

type resizeBody struct {
	Count int `json:"count" minimum:"0" maximum:"100" doc:"How many nodes." example:"3"`
}

// Resolve names the wrong fields that the schema cannot name.
func (b *resizeBody) Resolve(huma.Context) []error { return detailsOf(fleet.ValidateCount(b.Count)) }

func (s *server) registerPools(api huma.API) {
	const pools, pool = "/v1/clusters/{cluster_id}/node-pools", "/v1/clusters/{cluster_id}/node-pools/{pool_id}"
	huma.Register(api, needs(identity.ClustersRead, operation("listNodePools", http.MethodGet, pools, "Node pools", "List a cluster's node pools", http.StatusOK, 401, 404)), s.listPools)
	huma.Register(api, s.repeatable(needs(identity.ClustersWrite, operation("createNodePool", http.MethodPost, pools, "Node pools", "Create a node pool", http.StatusCreated, 401, 403, 404, 409))), s.createPool)
	huma.Register(api, needs(identity.ClustersRead, conditional(operation("getNodePool", http.MethodGet, pool, "Node pools", "Show a node pool", http.StatusOK, 401, 404))), s.getPool)
	huma.Register(api, needs(identity.ClustersWrite, conditional(operation("resizeNodePool", http.MethodPatch, pool, "Node pools", "Change how many nodes a pool has", http.StatusOK, 401, 403, 404, 409))), s.resizePool)
	huma.Register(api, needs(identity.ClustersWrite, conditional(operation("deleteNodePool", http.MethodDelete, pool, "Node pools", "Drain and delete a pool's nodes, then the pool", http.StatusAccepted, 401, 404))), s.deletePool)
}

func (s *server) listPools(ctx context.Context, in *struct {
	ClusterPath
	PageInput
}) (*pageOutput[poolView], error) {
	after, err := in.after()
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	pools, err := s.Fleet.Pools(ctx, caller(ctx).Organization, in.cluster(), after, in.Limit+1)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return pageOf(pools, in.Limit, func(p fleet.Pool) string { return string(p.ID) }, viewPool), nil
}

func (s *server) createPool(ctx context.Context, in *newPoolInput) (*tagged[poolView], error) {
	who := caller(ctx)
	p, err := s.Fleet.CreatePool(ctx, who.Organization, who.Actor(), address(ctx), in.cluster(), in.Body.wanted())
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return withTag(viewPool(p)), nil
}

func (s *server) getPool(ctx context.Context, in *struct {
	PoolPath
	Preconditions
}) (*shown[poolView], error) {
	p, err := s.Fleet.Pool(ctx, caller(ctx).Organization, in.cluster(), in.pool())
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return read(ctx, s, in.Preconditions, viewPool(p))
}

func (s *server) resizePool(ctx context.Context, in *resizeInput) (*tagged[poolView], error) {
	who := caller(ctx)
	p, err := s.Fleet.Resize(ctx, who.Organization, who.Actor(), address(ctx), in.cluster(), in.pool(), in.Body.Count, onlyPool(in.Preconditions))
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return withTag(viewPool(p)), nil
}

func (s *server) deletePool(ctx context.Context, in *struct {
	PoolPath
	Preconditions
}) (*tagged[poolView], error) {
	who := caller(ctx)
	p, err := s.Fleet.DeletePool(ctx, who.Organization, who.Actor(), address(ctx), in.cluster(), in.pool(), onlyPool(in.Preconditions))
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return withTag(viewPool(p)), nil
}

// onlyPool holds the conditions of a request against a pool as it would be shown.
func onlyPool(c Preconditions) fleet.Precondition {
	return func(p fleet.Pool) error { return c.allowChange(tagOf(viewPool(p))) }
}
