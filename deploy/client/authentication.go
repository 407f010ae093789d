package client

import (
	"context"
	"encoding/json"
	"net/http"
	"time"
)

// Authentication returns whose tokens a cluster takes, as a document of Kubernetes' kind
// AuthenticationConfiguration (apiserver.config.k8s.io/v1), in JSON.
func (c *Client) Authentication(ctx context.Context, cluster string) (document []byte, err error) {
	return document, c.Do(ctx, http.MethodGet, clusterPath(cluster)+"/authentication", nil, &document)
}

// SetAuthentication says whose tokens a cluster takes, with such a document, and returns
// it as it is kept.
func (c *Client) SetAuthentication(ctx context.Context, cluster string, document json.RawMessage) (kept []byte, err error) {
	return kept, c.Do(ctx, http.MethodPut, clusterPath(cluster)+"/authentication", document, &kept)
}

// RemoveAuthentication has a cluster take no tokens but its own.
func (c *Client) RemoveAuthentication(ctx context.Context, cluster string) error {
	return c.Do(ctx, http.MethodDelete, clusterPath(cluster)+"/authentication", nil, nil)
}

// RevokeToken has a cluster take a token no more, by its claim jti, for as long as it
// would be good; 0: for as long as the API finds right.
func (c *Client) RevokeToken(ctx context.Context, cluster, id string, life time.Duration) error {
	in := struct {
		ID   string `json:"token_id"`
		Life int64  `json:"expires_in_seconds,omitempty"`
	}{id, int64(life / time.Second)}
	return c.Do(ctx, http.MethodPost, clusterPath(cluster)+"/revoked-tokens", in, nil)
}
