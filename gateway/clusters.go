package gateway

import (
	"context"
	"io"
	"net/http"
	"net/netip"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/gateway/identity"
	"github.com/marina-cloud/marina/internal/event"
	"github.com/marina-cloud/marina/internal/tenant"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

// Clusters is what the gateway needs of the control planes' context. Each call is
// bound to one organization; a cluster of another is controlplane.ErrNoCluster.
type Clusters interface {
	Create(ctx context.Context, org tenant.OrganizationID, actor, address string, n controlplane.NewCluster) (controlplane.Cluster, error)
	Cluster(ctx context.Context, org tenant.OrganizationID, id tenant.ClusterID) (controlplane.Cluster, error)
	// List returns those that there are, or the deleted ones that can be brought back.
	List(ctx context.Context, org tenant.OrganizationID, deleted bool, after string, limit int) ([]controlplane.Cluster, error)
	// Change and Delete ask only, which may be nil, about the cluster as it is while
	// nobody else can change it, and return it as it is then.
	Change(ctx context.Context, org tenant.OrganizationID, actor, address string, id tenant.ClusterID, change controlplane.Change, only controlplane.Precondition) (controlplane.Cluster, error)
	// Delete keeps what is needed to bring the cluster back, unless it is to be purged.
	Delete(ctx context.Context, org tenant.OrganizationID, actor, address string, id tenant.ClusterID, purge bool, only controlplane.Precondition) (controlplane.Cluster, error)
	Undelete(ctx context.Context, org tenant.OrganizationID, actor, address string, id tenant.ClusterID) (controlplane.Cluster, error)
	// SetNetworks returns when the router knows from where people may reach the cluster.
	SetNetworks(ctx context.Context, org tenant.OrganizationID, actor, address string, id tenant.ClusterID, networks []netip.Prefix) (controlplane.Cluster, error)
	Events(ctx context.Context, org tenant.OrganizationID, id tenant.ClusterID, after string, limit int) ([]event.Event, error)
	// Recent returns what happened last to any of the clusters, the newest first.
	Recent(ctx context.Context, org tenant.OrganizationID, limit int) ([]controlplane.Happening, error)
	// Kubeconfig issues a credential in a kubeconfig for the endpoint at server.
	Kubeconfig(ctx context.Context, org tenant.OrganizationID, actor, address string, id tenant.ClusterID, server string, n controlplane.NewCredential) ([]byte, error)
	IssueCredential(ctx context.Context, org tenant.OrganizationID, actor, address string, id tenant.ClusterID, n controlplane.NewCredential) (controlplane.Issued, error)
	Credentials(ctx context.Context, org tenant.OrganizationID, id tenant.ClusterID, after string, limit int) ([]controlplane.Credential, error)
	// Credential returns one of them, or controlplane.ErrNoCredential.
	Credential(ctx context.Context, org tenant.OrganizationID, cluster tenant.ClusterID, id tenant.CredentialID) (controlplane.Credential, error)
	// RevokeCredential returns when the cluster takes the credential no more.
	RevokeCredential(ctx context.Context, org tenant.OrganizationID, actor, address string, cluster tenant.ClusterID, id tenant.CredentialID) error
	// RevokeCredentialsOf revokes in tx all that a person has for the organization's
	// clusters. When tx is committed publish is called, which returns when they take it
	// no more.
	RevokeCredentialsOf(ctx context.Context, tx pgx.Tx, org tenant.OrganizationID, actor, address string, holder tenant.UserID) (publish func(context.Context), err error)
	// Any reports in tx whether the organization has clusters.
	Any(ctx context.Context, tx pgx.Tx, org tenant.OrganizationID) (bool, error)
	// SetAuthentication says whose tokens the cluster takes besides its own.
	SetAuthentication(ctx context.Context, org tenant.OrganizationID, actor, address string, id tenant.ClusterID, n controlplane.Authentication) (controlplane.Cluster, error)
	// RevokeToken returns when the cluster takes a token no more that is none of Marina's.
	RevokeToken(ctx context.Context, org tenant.OrganizationID, actor, address string, cluster tenant.ClusterID, r controlplane.RevokedToken) error
	// Metrics returns what the control plane shows, in Prometheus' text format.
	Metrics(ctx context.Context, org tenant.OrganizationID, id tenant.ClusterID) ([]byte, error)
	// Logs returns what sends a component's log to a reader. Whoever calls Logs
	// calls send, once; it returns when the log is sent or, if it is followed, when
	// ctx ends or the reader leaves.
	Logs(ctx context.Context, org tenant.OrganizationID, id tenant.ClusterID, q controlplane.LogQuery) (send func(context.Context, io.Writer) error, err error)
	// Terminal opens a shell in which the actor can use kubectl. Whoever calls it
	// closes the terminal.
	Terminal(ctx context.Context, org tenant.OrganizationID, actor string, address netip.Addr, id tenant.ClusterID, n controlplane.NewCredential, columns, rows uint16) (Terminal, error)
	// Identity returns the OpenID documents of a cluster's service accounts.
	Identity(ctx context.Context, id tenant.ClusterID) (configuration, keys []byte, err error)
}

type conditionView struct {
	Type    string    `json:"type" example:"APIServerReady"`
	OK      bool      `json:"ok"`
	Message string    `json:"message,omitempty"`
	Since   time.Time `json:"since"`
}

type clusterView struct {
	ID          string          `json:"id" example:"kc-01k9xw3e5v8m2q4r6t8y0a1b2c"`
	Name        string          `json:"name" example:"production"`
	Version     string          `json:"version" example:"1.37"`
	Phase       string          `json:"phase" enum:"provisioning,running,updating,degraded,deleting,recoverable,restoring,deleted,failed" doc:"Where the cluster stands in its life. Usable in running, updating and, mostly, degraded. Recoverable: it is deleted, and can be brought back until purge_at."`
	PodCIDR     string          `json:"pod_cidr" example:"10.244.0.0/16"`
	ServiceCIDR string          `json:"service_cidr" example:"10.96.0.0/12"`
	Endpoint    string          `json:"endpoint" doc:"Of the Kubernetes API; the kubeconfig also holds the TLS server name." example:"https://203.0.113.7:6443"`
	Issuer      string          `json:"issuer" doc:"Of service-account tokens, for workload identity."`
	Networks    []string        `json:"authorized_networks" nullable:"false" doc:"From which people reach the Kubernetes API; empty: from everywhere. Nodes and pods always do." example:"[\"203.0.113.0/24\"]"`
	Conditions  []conditionView `json:"conditions" doc:"Why the phase is what it is."`
	CreatedAt   time.Time       `json:"created_at"`

	DeletionProtection bool       `json:"deletion_protection" doc:"Whether the cluster cannot be deleted until this is taken off."`
	PurgeAt            *time.Time `json:"purge_at,omitempty" doc:"Of a deleted cluster: until when it can be brought back. Nothing of it is kept after that."`
}

func (s *server) viewCluster(c controlplane.Cluster) clusterView {
	v := clusterView{
		ID: string(c.ID), Name: c.Name, Version: c.Version, Phase: string(c.Phase), PodCIDR: c.PodCIDR, ServiceCIDR: c.ServiceCIDR,
		Endpoint: s.Kubectl(), Issuer: c.Issuer, Networks: networksOf(c), Conditions: []conditionView{}, CreatedAt: c.CreatedAt,
		DeletionProtection: c.DeletionProtection,
	}
	switch { // from the moment of asking
	case c.Phase == controlplane.Deleted:
	case c.Purge, c.Deleting && c.Phase != controlplane.Recoverable:
		v.Phase = string(controlplane.Deleting)
	case !c.Deleting && c.Leaving():
		v.Phase = string(controlplane.Restoring)
	}
	if c.Deleting && !c.Purge {
		v.PurgeAt = &c.PurgeAt
	}
	for _, x := range c.Conditions {
		v.Conditions = append(v.Conditions, conditionView(x))
	}
	return v
}

// ClusterPath names the cluster that a request is about.
type ClusterPath struct {
	ID string `path:"cluster_id" example:"kc-01k9xw3e5v8m2q4r6t8y0a1b2c"`
}

func (p ClusterPath) cluster() tenant.ClusterID { return tenant.ClusterID(p.ID) }

type newClusterInput struct {
	Body newClusterBody
}

type newClusterBody struct {
	Name        string `json:"name" doc:"A DNS label of at most 40 characters, unique in the organization." example:"production"`
	Version     string `json:"version,omitempty" doc:"One of the options' versions; the default when absent." example:"1.37"`
	PodCIDR     string `json:"pod_cidr,omitempty" doc:"Network of the pods; cannot change later." example:"10.244.0.0/16"`
	ServiceCIDR string `json:"service_cidr,omitempty" doc:"Network of the Services; cannot change later." example:"10.96.0.0/12"`

	DeletionProtection bool `json:"deletion_protection,omitempty" doc:"Keep the cluster from being deleted until this is taken off."`
}

type changeClusterInput struct {
	ClusterPath
	Preconditions
	Body changeClusterBody
}

// changeClusterBody is a JSON merge patch (RFC 7396): what is absent stays.
type changeClusterBody struct {
	Name               *string `json:"name,omitempty" nullable:"false" doc:"A DNS label of at most 40 characters, unique in the organization. Kubeconfigs go on working." example:"production"`
	DeletionProtection *bool   `json:"deletion_protection,omitempty" nullable:"false" doc:"Whether the cluster cannot be deleted until this is taken off."`
}

// Resolve names the wrong fields that the schema cannot name.
func (b *changeClusterBody) Resolve(huma.Context) []error {
	return detailsOf(controlplane.Change{Name: b.Name}.Validate())
}

func (b *newClusterBody) wanted() controlplane.NewCluster {
	return controlplane.NewCluster{
		Name: b.Name, Version: b.Version, PodCIDR: b.PodCIDR, ServiceCIDR: b.ServiceCIDR, DeletionProtection: b.DeletionProtection,
	}.WithDefaults()
}

// Resolve names the wrong fields that the schema cannot name.
func (b *newClusterBody) Resolve(huma.Context) []error { return detailsOf(b.wanted().Validate()) }

func (s *server) registerClusters(api huma.API) {
	const cluster = "/v1/clusters/{cluster_id}"
	huma.Register(api, needs(identity.ClustersRead, operation("listClusters", http.MethodGet, "/v1/clusters", "Clusters", "List clusters", http.StatusOK, 401)), s.listClusters)
	huma.Register(api, s.repeatable(needs(identity.ClustersWrite, operation("createCluster", http.MethodPost, "/v1/clusters", "Clusters", "Create a cluster", http.StatusCreated, 401, 403, 409))), s.createCluster)
	huma.Register(api, needs(identity.ClustersRead, conditional(operation("getCluster", http.MethodGet, cluster, "Clusters", "Show a cluster", http.StatusOK, 401, 404))), s.getCluster)
	huma.Register(api, needs(identity.ClustersWrite, conditional(operation("changeCluster", http.MethodPatch, cluster, "Clusters",
		"Rename a cluster, or put deletion protection on or off", http.StatusOK, 401, 404, 409))), s.changeCluster)
	huma.Register(api, needs(identity.ClustersDelete, conditional(operation("deleteCluster", http.MethodDelete, cluster, "Clusters",
		"Delete a cluster and its nodes", http.StatusAccepted, 401, 404, 409))), s.deleteCluster)
	huma.Register(api, needs(identity.ClustersDelete, operation("undeleteCluster", http.MethodPost, cluster+"/undelete", "Clusters",
		"Bring a deleted cluster back, with its endpoint, credentials, node pools and all that is in it", http.StatusAccepted, 401, 404, 409)), s.undeleteCluster)
}

func (s *server) listClusters(ctx context.Context, in *struct {
	PageInput
	Deleted bool `query:"deleted" doc:"List the deleted clusters that can be brought back, instead of those that there are."`
}) (*pageOutput[clusterView], error) {
	after, err := in.after()
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	clusters, err := s.Clusters.List(ctx, caller(ctx).Organization, in.Deleted, after, in.Limit+1)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return pageOf(clusters, in.Limit, func(c controlplane.Cluster) string { return string(c.ID) }, s.viewCluster), nil
}

func (s *server) createCluster(ctx context.Context, in *newClusterInput) (*tagged[clusterView], error) {
	who := caller(ctx)
	c, err := s.Clusters.Create(ctx, who.Organization, who.Actor(), address(ctx), in.Body.wanted())
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	knownCluster(ctx, c.ID)
	return withTag(s.viewCluster(c)), nil
}

func (s *server) getCluster(ctx context.Context, in *struct {
	ClusterPath
	Preconditions
}) (*shown[clusterView], error) {
	c, err := s.Clusters.Cluster(ctx, caller(ctx).Organization, in.cluster())
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return read(ctx, s, in.Preconditions, s.viewCluster(c))
}

func (s *server) changeCluster(ctx context.Context, in *changeClusterInput) (*tagged[clusterView], error) {
	who := caller(ctx)
	change := controlplane.Change{Name: in.Body.Name, DeletionProtection: in.Body.DeletionProtection}
	c, err := s.Clusters.Change(ctx, who.Organization, who.Actor(), address(ctx), in.cluster(), change, s.onlyCluster(in.Preconditions))
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return withTag(s.viewCluster(c)), nil
}

func (s *server) deleteCluster(ctx context.Context, in *struct {
	ClusterPath
	Preconditions
	Purge bool `query:"purge" doc:"Keep nothing: the cluster cannot be brought back. Also of a cluster that is deleted already."`
}) (*tagged[clusterView], error) {
	who := caller(ctx)
	c, err := s.Clusters.Delete(ctx, who.Organization, who.Actor(), address(ctx), in.cluster(), in.Purge, s.onlyCluster(in.Preconditions))
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return withTag(s.viewCluster(c)), nil
}

func (s *server) undeleteCluster(ctx context.Context, in *ClusterPath) (*tagged[clusterView], error) {
	who := caller(ctx)
	c, err := s.Clusters.Undelete(ctx, who.Organization, who.Actor(), address(ctx), in.cluster())
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return withTag(s.viewCluster(c)), nil
}

// onlyCluster holds the conditions of a request against a cluster as it would be shown.
func (s *server) onlyCluster(p Preconditions) controlplane.Precondition {
	return func(c controlplane.Cluster) error { return p.allowChange(tagOf(s.viewCluster(c))) }
}
