package client

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// Credential is a credential for a cluster's Kubernetes API that was issued.
type Credential struct {
	ID         string     `json:"id"`
	User       string     `json:"user"`
	UserID     string     `json:"user_id"`
	Groups     []string   `json:"groups"`
	Kind       string     `json:"kind"`
	IssuedAt   time.Time  `json:"issued_at"`
	ExpiresAt  time.Time  `json:"expires_at"`
	LastUsedAt *time.Time `json:"last_used_at"`
	RevokedAt  *time.Time `json:"revoked_at"`
}

// ExecCredential is a fresh credential in the words of kubectl's credential plugins
// (client.authentication.k8s.io/v1), with where to use it.
type ExecCredential struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Spec       struct {
		Cluster struct {
			Server     string `json:"server"`
			ServerName string `json:"tls-server-name"`
			Authority  []byte `json:"certificate-authority-data"`
		} `json:"cluster"`
		Interactive bool `json:"interactive"`
	} `json:"spec"`
	Status struct {
		Expires     time.Time `json:"expirationTimestamp"`
		Certificate string    `json:"clientCertificateData"`
		Key         string    `json:"clientKeyData"`
	} `json:"status"`
}

// Kubeconfig returns a kubeconfig with a fresh client certificate, which is good for
// life; 0: for as long as the API finds right.
func (c *Client) Kubeconfig(ctx context.Context, id string, life time.Duration) (data []byte, err error) {
	path := clusterPath(id) + "/kubeconfig"
	if life != 0 {
		path += fmt.Sprintf("?expires_in_seconds=%d", int64(life/time.Second))
	}
	return data, c.Do(ctx, http.MethodGet, path, nil, &data)
}

// CreateCredential returns a fresh credential for an hour.
func (c *Client) CreateCredential(ctx context.Context, cluster string) (x ExecCredential, err error) {
	return x, c.Do(ctx, http.MethodPost, clusterPath(cluster)+"/credentials", nil, &x)
}

// Credentials returns the credentials of a cluster that have not ended.
func (c *Client) Credentials(ctx context.Context, cluster string) ([]Credential, error) {
	return all[Credential](ctx, c, clusterPath(cluster)+"/credentials")
}

// RevokeCredential revokes one at once.
func (c *Client) RevokeCredential(ctx context.Context, cluster, id string) error {
	return c.Do(ctx, http.MethodDelete, clusterPath(cluster)+"/credentials/"+url.PathEscape(id), nil, nil)
}
