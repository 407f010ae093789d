package client

import (
	"context"
	"encoding/json"
	"net/http"
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
