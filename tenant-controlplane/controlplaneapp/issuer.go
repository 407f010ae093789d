package controlplaneapp

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/marina-cloud/marina/internal/tenant"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/kube"
)

// OpenIDConfiguration is what an issuer says of itself at
// <issuer>/.well-known/openid-configuration
// (https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderMetadata);
// it has the fields that Kubernetes' own has.
type OpenIDConfiguration struct {
	Issuer        string   `json:"issuer"`
	JWKS          string   `json:"jwks_uri"`
	ResponseTypes []string `json:"response_types_supported"`
	SubjectTypes  []string `json:"subject_types_supported"`
	Algorithms    []string `json:"id_token_signing_alg_values_supported"`
}

// issuer is the name by which a cluster's service accounts are known to others.
// It is chosen when the cluster is made, and stored.
func (a *App) issuer(id tenant.ClusterID) string { return a.publicURL + "/clusters/" + string(id) }

// Issuer returns what is published of a cluster's issuer of service-account
// tokens: its configuration, and its keys as a JSON Web Key Set (RFC 7517), to be
// served below the issuer's URL at /openid/v1/jwks. Anybody may read it. It
// returns ErrNoCluster when there is none.
func (a *App) Issuer(ctx context.Context, id tenant.ClusterID) (OpenIDConfiguration, []byte, error) {
	c, err := a.work.ByID(ctx, id)
	if err != nil {
		return OpenIDConfiguration{}, nil, err
	}
	issued, err := a.keys.Issued(ctx, id)
	if err != nil {
		return OpenIDConfiguration{}, nil, fmt.Errorf("look for keys: %w", err)
	}
	if !issued {
		return OpenIDConfiguration{}, nil, controlplane.ErrNoCluster // not yet, for whoever asks
	}
	key, err := a.keys.ServiceAccountKey(ctx, id)
	if err != nil {
		return OpenIDConfiguration{}, nil, fmt.Errorf("read service-account key: %w", err)
	}
	set, err := keySet(key)
	if err != nil {
		return OpenIDConfiguration{}, nil, err
	}
	return OpenIDConfiguration{
		Issuer: c.Issuer, JWKS: c.Issuer + kube.JWKSPath,
		ResponseTypes: []string{"id_token"}, SubjectTypes: []string{"public"}, Algorithms: []string{"ES256"},
	}, set, nil
}

// keySet encodes one P-256 key. Its id is Kubernetes' (keyIDFromPublicKey in
// k8s.io/kubernetes/pkg/serviceaccount), because tokens name the key by it.
func keySet(public crypto.PublicKey) ([]byte, error) {
	key, ok := public.(*ecdsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("publish service-account key: it is a %T", public)
	}
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode service-account key: %w", err)
	}
	point, err := key.Bytes() // 0x04, X, Y
	if err != nil {
		return nil, fmt.Errorf("encode service-account key: %w", err)
	}
	half := (len(point) - 1) / 2
	id := sha256.Sum256(der)
	b64 := base64.RawURLEncoding.EncodeToString
	type jwk struct {
		Use   string `json:"use"`
		Type  string `json:"kty"`
		ID    string `json:"kid"`
		Curve string `json:"crv"`
		Alg   string `json:"alg"`
		X     string `json:"x"`
		Y     string `json:"y"`
	}
	return json.Marshal(struct {
		Keys []jwk `json:"keys"`
	}{[]jwk{{"sig", "EC", b64(id[:]), "P-256", "ES256", b64(point[1 : 1+half]), b64(point[1+half:])}}})
}
