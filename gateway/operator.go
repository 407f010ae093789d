package gateway

import (
	"context"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/marina-cloud/marina/gateway/identity"
	"github.com/marina-cloud/marina/internal/tenant"
	fleet "github.com/marina-cloud/marina/node-fleet"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

// Installation is what operators see of all organizations together. A search finds
// what has it for an id, its own, its cluster's or its organization's, and names that
// hold it; an empty one finds everything.
type Installation interface {
	AllClusters(ctx context.Context, search, after string, limit int) ([]controlplane.Cluster, error)
	AllNodes(ctx context.Context, search, after string, limit int) ([]fleet.Placed, error)
	// CountClusters and CountNodes return how many of them organizations have.
	CountClusters(ctx context.Context, orgs []tenant.OrganizationID) (map[tenant.OrganizationID]int, error)
	CountNodes(ctx context.Context, orgs []tenant.OrganizationID) (map[tenant.OrganizationID]int, error)
	Health(ctx context.Context) (Health, error)
}

// SearchInput is how an operator asks for one page of what a search finds.
type SearchInput struct {
	PageInput
	Search string `query:"search" maxLength:"100" doc:"Find only what has this as an id, or in its name." example:"production"`
}

// Resolve refuses what no name holds.
func (in *SearchInput) Resolve(huma.Context) []error {
	if !utf8.ValidString(in.Search) || strings.ContainsFunc(in.Search, unicode.IsControl) {
		return []error{&huma.ErrorDetail{Location: "query.search", Message: "must be text on one line"}}
	}
	return nil
}

func (in *SearchInput) search() string { return strings.TrimSpace(in.Search) }

type organizationSummaryView struct {
	ID        string    `json:"id" example:"org-01k9xw3e5v8m2q4r6t8y0a1b2c"`
	Name      string    `json:"name" example:"Analytical Engines"`
	Owner     string    `json:"owner" doc:"E-mail address of the owner who has been one for longest." example:"ada@example.com"`
	Members   int       `json:"members"`
	Clusters  int       `json:"clusters"`
	Nodes     int       `json:"nodes"`
	CreatedAt time.Time `json:"created_at"`
}

type placedClusterView struct {
	Organization string          `json:"organization_id" example:"org-01k9xw3e5v8m2q4r6t8y0a1b2c"`
	OrgName      string          `json:"organization" doc:"The organization's name." example:"Analytical Engines"`
	ID           string          `json:"id" example:"kc-01k9xw3e5v8m2q4r6t8y0a1b2c"`
	Name         string          `json:"name" example:"production"`
	Version      string          `json:"version" example:"1.37"`
	Phase        string          `json:"phase" enum:"provisioning,running,updating,degraded,deleting,deleted,failed"`
	Conditions   []conditionView `json:"conditions" doc:"Why the phase is what it is."`
	CreatedAt    time.Time       `json:"created_at"`
}

type placedNodeView struct {
	Organization string    `json:"organization_id" example:"org-01k9xw3e5v8m2q4r6t8y0a1b2c"`
	Cluster      string    `json:"cluster_id" example:"kc-01k9xw3e5v8m2q4r6t8y0a1b2c"`
	ID           string    `json:"id" example:"nd-01k9xw3e5v8m2q4r6t8y0a1b2c"`
	Name         string    `json:"name" example:"workers-7f3kq"`
	Size         string    `json:"size" doc:"Of its machine." example:"small"`
	Provider     string    `json:"provider" doc:"Where its machine comes from." example:"local"`
	Address      string    `json:"address" doc:"Empty until its machine exists." example:"172.30.1.2"`
	Phase        string    `json:"phase" enum:"provisioning,joining,running,draining,deleting,deleted"`
	Ready        bool      `json:"ready" doc:"As Kubernetes sees it."`
	Message      string    `json:"message,omitempty" doc:"Why it is not ready."`
	CreatedAt    time.Time `json:"created_at"`
}

func (s *server) registerOperator(api huma.API) {
	op := func(id, path, summary string) huma.Operation {
		return operators(operation(id, http.MethodGet, path, "Operator", summary, http.StatusOK, 401, 404))
	}
	huma.Register(api, op("listAllOrganizations", "/v1/operator/organizations", "List the organizations of the installation"), s.allOrganizations)
	huma.Register(api, op("listAllClusters", "/v1/operator/clusters", "List the clusters of all organizations"), s.allClusters)
	huma.Register(api, op("listAllNodes", "/v1/operator/nodes", "List the nodes of all organizations"), s.allNodes)
	huma.Register(api, op("getInstallation", "/v1/operator/installation", "Say how the installation is"), s.installation)
}

func (s *server) allOrganizations(ctx context.Context, in *SearchInput) (*pageOutput[organizationSummaryView], error) {
	after, err := in.after()
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	all, err := s.identity.AllOrganizations(ctx, in.search(), after, in.Limit+1)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	ids := make([]tenant.OrganizationID, len(all))
	for i, o := range all {
		ids[i] = o.ID
	}
	clusters, err := s.Installation.CountClusters(ctx, ids)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	nodes, err := s.Installation.CountNodes(ctx, ids)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return pageOf(all, in.Limit, func(o identity.OrganizationSummary) string { return string(o.ID) }, func(o identity.OrganizationSummary) organizationSummaryView {
		return organizationSummaryView{string(o.ID), o.Name, o.Owner, o.Members, clusters[o.ID], nodes[o.ID], o.CreatedAt}
	}), nil
}

func (s *server) allClusters(ctx context.Context, in *SearchInput) (*pageOutput[placedClusterView], error) {
	after, err := in.after()
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	all, err := s.Installation.AllClusters(ctx, in.search(), after, in.Limit+1)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	ids := make([]tenant.OrganizationID, len(all))
	for i, c := range all {
		ids[i] = c.Organization
	}
	names, err := s.identity.OrganizationNames(ctx, ids)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return pageOf(all, in.Limit, func(c controlplane.Cluster) string { return string(c.ID) }, func(c controlplane.Cluster) placedClusterView {
		v := s.viewCluster(c)
		return placedClusterView{string(c.Organization), names[c.Organization], v.ID, v.Name, v.Version, v.Phase, v.Conditions, v.CreatedAt}
	}), nil
}

func (s *server) allNodes(ctx context.Context, in *SearchInput) (*pageOutput[placedNodeView], error) {
	after, err := in.after()
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	all, err := s.Installation.AllNodes(ctx, in.search(), after, in.Limit+1)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return pageOf(all, in.Limit, func(n fleet.Placed) string { return string(n.ID) }, func(n fleet.Placed) placedNodeView {
		v := viewNode(n.Node)
		return placedNodeView{string(n.Organization), string(n.Cluster), v.ID, v.Name, n.Size, n.Provider, v.Address, v.Phase, v.Ready, v.Message, v.CreatedAt}
	}), nil
}
