package gateway

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/marina-cloud/marina/gateway/identity"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

// authentication is Kubernetes' own kind of configuration file, without what the owner
// of a cluster has no say in.
type authentication struct {
	APIVersion string `json:"apiVersion,omitempty" enum:"apiserver.config.k8s.io/v1" doc:"May be absent in a request."`
	Kind       string `json:"kind,omitempty" enum:"AuthenticationConfiguration" doc:"May be absent in a request."`
	controlplane.Authentication
}

type authenticationOutput struct{ Body authentication }

func viewAuthentication(c controlplane.Cluster) *authenticationOutput {
	v := authentication{APIVersion: "apiserver.config.k8s.io/v1", Kind: "AuthenticationConfiguration", Authentication: c.Authentication}
	if v.JWT == nil {
		v.JWT = []controlplane.JWTAuthenticator{}
	}
	return &authenticationOutput{v}
}

type authenticationInput struct {
	ClusterPath
	Body authentication
}

func (s *server) registerAuthentication(api huma.API) {
	const path, tag = "/v1/clusters/{cluster_id}/authentication", "Credentials"
	huma.Register(api, needs(identity.ClustersRead, operation("getAuthentication", http.MethodGet, path, tag,
		"Show whose tokens a cluster takes besides its own (OpenID Connect)", http.StatusOK, 401, 404)), s.getAuthentication)
	// Who names an issuer decides who is who in the cluster: that is not a developer's.
	huma.Register(api, needs(identity.MembersWrite, operation("setAuthentication", http.MethodPut, path, tag,
		"Say whose tokens a cluster takes, by Kubernetes' AuthenticationConfiguration", http.StatusOK, 401, 404, 409)), s.setAuthentication)
	huma.Register(api, needs(identity.MembersWrite, operation("deleteAuthentication", http.MethodDelete, path, tag,
		"Take no other tokens than the cluster's own any more", http.StatusNoContent, 401, 404, 409)), s.deleteAuthentication)
	huma.Register(api, needs(identity.MembersWrite, operation("revokeClusterToken", http.MethodPost, "/v1/clusters/{cluster_id}/revoked-tokens", tag,
		"Take a token of an issuer or of a service account no more, at once, and end what is open with it", http.StatusNoContent, 401, 404)), s.revokeClusterToken)
}

func (s *server) getAuthentication(ctx context.Context, in *ClusterPath) (*authenticationOutput, error) {
	c, err := s.Clusters.Cluster(ctx, caller(ctx).Organization, in.cluster())
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return viewAuthentication(c), nil
}

func (s *server) setAuthentication(ctx context.Context, in *authenticationInput) (*authenticationOutput, error) {
	who := caller(ctx)
	c, err := s.Clusters.SetAuthentication(ctx, who.Organization, who.Actor(), address(ctx), in.cluster(), in.Body.Authentication)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return viewAuthentication(c), nil
}

func (s *server) deleteAuthentication(ctx context.Context, in *ClusterPath) (*struct{}, error) {
	who := caller(ctx)
	none := controlplane.Authentication{JWT: []controlplane.JWTAuthenticator{}}
	if _, err := s.Clusters.SetAuthentication(ctx, who.Organization, who.Actor(), address(ctx), in.cluster(), none); err != nil {
		return nil, s.failed(ctx, err)
	}
	return nil, nil
}

type revokedTokenInput struct {
	ClusterPath
	Body struct {
		TokenID   string `json:"token_id" doc:"The token's claim jti. The token itself is nobody's business." example:"01k9xw3e5v8m2q4r6t8y0a1b2c"`
		ExpiresIn int64  `json:"expires_in_seconds,omitempty" doc:"For how much longer the token would be good at most; 31 days when absent." example:"86400"`
	}
}

// tokenLife is for how long a revoked token is remembered when nobody says.
const tokenLife = 31 * 24 * time.Hour

func (s *server) revokeClusterToken(ctx context.Context, in *revokedTokenInput) (*struct{}, error) {
	who, r := caller(ctx), controlplane.RevokedToken{ID: in.Body.TokenID, Life: tokenLife}
	if in.Body.ExpiresIn != 0 {
		r.Life = time.Duration(min(max(in.Body.ExpiresIn, 0), int64(2*controlplane.MaxTokenLife/time.Second))) * time.Second // more is wrong all the same
	}
	if err := s.Clusters.RevokeToken(ctx, who.Organization, who.Actor(), address(ctx), in.cluster(), r); err != nil {
		return nil, s.failed(ctx, err)
	}
	return nil, nil
}
