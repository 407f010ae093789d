package gateway

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

// The OpenID documents of a cluster are public: whoever is shown a service-account
// token of the cluster verifies it with them (KEP-1393, OpenID Connect Discovery).

func (s *server) registerIssuer(api huma.API) {
	const cluster = "/clusters/{cluster_id}"
	schema := &huma.Schema{Type: huma.TypeObject}
	huma.Register(api, documented(operation("getOpenIDConfiguration", http.MethodGet, cluster+"/.well-known/openid-configuration", "Issuer",
		"Describe the issuer of a cluster's service-account tokens", http.StatusOK, 404), "application/json", schema), s.openIDConfiguration)
	huma.Register(api, documented(operation("getJWKS", http.MethodGet, cluster+"/openid/v1/jwks", "Issuer",
		"List the keys of a cluster's service-account tokens", http.StatusOK, 404), "application/jwk-set+json", schema), s.jwks)
}

func (s *server) openIDConfiguration(ctx context.Context, in *ClusterPath) (*document, error) {
	configuration, _, err := s.Clusters.Identity(ctx, in.cluster())
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return cacheable("application/json", configuration), nil
}

func (s *server) jwks(ctx context.Context, in *ClusterPath) (*document, error) {
	_, keys, err := s.Clusters.Identity(ctx, in.cluster())
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return cacheable("application/jwk-set+json", keys), nil
}

// cacheable is a document that anybody may keep for a while. Verifiers fetch keys
// again when they meet an unknown one.
func cacheable(mediaType string, data []byte) *document {
	return &document{ContentType: mediaType, CacheControl: "public, max-age=300", Body: data}
}
