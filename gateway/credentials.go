package gateway

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/marina-cloud/marina/gateway/identity"
	"github.com/marina-cloud/marina/internal/fault"
	"github.com/marina-cloud/marina/internal/tenant"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

type credentialView struct {
	ID         string     `json:"id" example:"cred-01k9xw3e5v8m2q4r6t8y0a1b2c"`
	User       string     `json:"user" doc:"Whose it is, as Kubernetes calls them." example:"ada@example.com"`
	UserID     string     `json:"user_id" example:"usr-01k9xw3e5v8m2q4r6t8y0a1b2c"`
	Groups     []string   `json:"groups" doc:"What they are to Kubernetes." example:"[\"marina:admins\"]"`
	IssuedBy   string     `json:"issued_by" doc:"The person or the token that asked for it." example:"tok-01k9xw3e5v8m2q4r6t8y0a1b2c"`
	Kind       string     `json:"kind" enum:"kubeconfig,exec,terminal" doc:"kubeconfig: it lies in a file. exec: the command line got it for kubectl, and renews it. terminal: a terminal in the browser has it."`
	IssuedAt   time.Time  `json:"issued_at"`
	ExpiresAt  time.Time  `json:"expires_at"`
	LastUsedAt *time.Time `json:"last_used_at" doc:"To the minute; null when it was never used."`
	RevokedAt  *time.Time `json:"revoked_at" doc:"Null when it is good."`
}

func viewCredential(c controlplane.Credential) credentialView {
	return credentialView{
		ID: string(c.ID), User: c.User, UserID: string(c.Holder), Groups: c.Groups, IssuedBy: c.IssuedBy, Kind: string(c.Kind),
		IssuedAt: c.IssuedAt, ExpiresAt: c.ExpiresAt, LastUsedAt: c.LastUsedAt, RevokedAt: c.RevokedAt,
	}
}

// execCredential is what kubectl wants of a credential plugin
// (client.authentication.k8s.io/v1). In spec it has what belongs into a kubeconfig
// beside the plugin.
type execCredential struct {
	APIVersion string     `json:"apiVersion" enum:"client.authentication.k8s.io/v1"`
	Kind       string     `json:"kind" enum:"ExecCredential"`
	Spec       execSpec   `json:"spec"`
	Status     execStatus `json:"status"`
}

type execSpec struct {
	Cluster     execCluster `json:"cluster"`
	Interactive bool        `json:"interactive"`
}

type execCluster struct {
	Server     string `json:"server" example:"https://203.0.113.7:6443"`
	ServerName string `json:"tls-server-name" doc:"The name in the certificate of the API server."`
	Authority  []byte `json:"certificate-authority-data" doc:"PEM, in base64: who signed that certificate."`
}

type execStatus struct {
	Expires     time.Time `json:"expirationTimestamp"`
	Certificate string    `json:"clientCertificateData" doc:"PEM."`
	Key         string    `json:"clientKeyData" doc:"PEM. It is not kept."`
}

type kubeconfigInput struct {
	ClusterPath
	ExpiresIn int64 `query:"expires_in_seconds" minimum:"600" maximum:"2592000" default:"28800" doc:"From 10 minutes to 30 days; 8 hours when absent."`
}

type credentialPath struct {
	ClusterPath
	Credential string `path:"credential_id"`
}

func (s *server) registerCredentials(api huma.API) {
	const path, tag = "/v1/clusters/{cluster_id}", "Credentials"
	use := func(op huma.Operation) huma.Operation { return needs(identity.ClustersUse, op) }
	huma.Register(api, documented(use(operation("getKubeconfig", http.MethodGet, path+"/kubeconfig", tag,
		"Get a kubeconfig with a fresh client certificate", http.StatusOK, 401, 404, 409)), "application/yaml", &huma.Schema{Type: huma.TypeString}), s.kubeconfig)
	huma.Register(api, use(operation("createCredential", http.MethodPost, path+"/credentials", tag,
		"Get a client certificate for an hour, as an ExecCredential for kubectl", http.StatusCreated, 401, 404, 409)), s.createCredential)
	huma.Register(api, use(operation("listCredentials", http.MethodGet, path+"/credentials", tag,
		"List the credentials for a cluster's Kubernetes API that have not ended", http.StatusOK, 401, 404)), s.listCredentials)
	huma.Register(api, use(operation("revokeCredential", http.MethodDelete, path+"/credentials/{credential_id}", tag,
		"Revoke a credential at once, and end what is open with it", http.StatusNoContent, 401, 404)), s.revokeCredential)
}

// groups are what the roles of an organization are to the Kubernetes API of its
// clusters. Who has none gets no credential.
var groups = map[identity.Role]string{
	identity.Owner:     controlplane.AdminsGroup,
	identity.Admin:     controlplane.AdminsGroup,
	identity.Developer: controlplane.DevelopersGroup,
	identity.Viewer:    controlplane.ViewersGroup,
}

// groupOf is what the caller is to Kubernetes. A program whose token may not change
// clusters does not get to change what is in them.
func groupOf(c identity.Caller) string {
	group, ok := groups[c.Role]
	if ok && !c.May(identity.ClustersWrite) {
		return controlplane.ViewersGroup
	}
	return group
}

// wanted is a credential for whoever asks.
func wanted(c identity.Caller, kind controlplane.CredentialKind, life time.Duration) controlplane.NewCredential {
	return controlplane.NewCredential{Holder: c.User, User: c.Email, Role: string(c.Role), Group: groupOf(c), Kind: kind, Life: life}
}

func (s *server) kubeconfig(ctx context.Context, in *kubeconfigInput) (*document, error) {
	who := caller(ctx)
	n := wanted(who, controlplane.ForKubeconfig, time.Duration(in.ExpiresIn)*time.Second)
	data, err := s.Clusters.Kubeconfig(ctx, who.Organization, who.Actor(), address(ctx), in.cluster(), s.Kubectl(), n)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return &document{ContentType: "application/yaml", Body: data}, nil
}

func (s *server) createCredential(ctx context.Context, in *ClusterPath) (*struct{ Body execCredential }, error) {
	who := caller(ctx)
	n := wanted(who, controlplane.ForExec, controlplane.ExecLife)
	c, err := s.Clusters.IssueCredential(ctx, who.Organization, who.Actor(), address(ctx), in.cluster(), n)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return &struct{ Body execCredential }{execCredential{
		APIVersion: "client.authentication.k8s.io/v1", Kind: "ExecCredential",
		Spec:   execSpec{Cluster: execCluster{Server: s.Kubectl(), ServerName: c.ServerName, Authority: c.Authority}},
		Status: execStatus{Expires: c.ExpiresAt, Certificate: string(c.Certificate), Key: string(c.Key)},
	}}, nil
}

func (s *server) listCredentials(ctx context.Context, in *struct {
	ClusterPath
	PageInput
}) (*pageOutput[credentialView], error) {
	after, err := in.after()
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	all, err := s.Clusters.Credentials(ctx, caller(ctx).Organization, in.cluster(), after, in.Limit+1)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return pageOf(all, in.Limit, func(c controlplane.Credential) string { return string(c.ID) }, viewCredential), nil
}

func (s *server) revokeCredential(ctx context.Context, in *credentialPath) (*struct{}, error) {
	who, id := caller(ctx), tenant.CredentialID(in.Credential)
	c, err := s.Clusters.Credential(ctx, who.Organization, in.cluster(), id)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	// A developer must not lock an admin out.
	if c.Holder != who.User && !who.May(identity.MembersWrite) {
		return nil, s.failed(ctx, errOthersCredential)
	}
	if err := s.Clusters.RevokeCredential(ctx, who.Organization, who.Actor(), address(ctx), in.cluster(), id); err != nil {
		return nil, s.failed(ctx, err)
	}
	return nil, nil
}

var errOthersCredential = fault.New(fault.Forbidden, "not_permitted",
	"The credential is another person's: to revoke it needs the permission "+string(identity.MembersWrite)+", which owners and admins have.")
