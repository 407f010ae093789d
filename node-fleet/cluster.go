package fleet

import (
	"context"
	"crypto"

	"github.com/marina-cloud/marina/internal/tenant"
)

// DNSDomain is the domain of a cluster's own names, in every cluster.
const DNSDomain = "cluster.local"

// Control is what the fleet knows of a cluster's control plane.
type Control struct {
	ID                tenant.ClusterID
	Organization      tenant.OrganizationID
	Version           string // Kubernetes minor, as in "1.37"
	KubernetesVersion string // as in "v1.37.2"
	Running           bool   // its API is usable
	Deleting          bool   // the whole cluster goes, or is gone for now
	Purge             bool   // and nothing of it is kept
	ServerName        string // TLS server name of its API server
	TunnelName        string // and of its konnectivity server
	CA                []byte // PEM; the cluster's authority
	TunnelCA          []byte // PEM; the konnectivity server's authority
	PodCIDR           string
	ServiceCIDR       string
	DNS               string // address of the cluster's DNS Service
}

// ControlPlanes is what the fleet needs of the control planes besides their API
// servers. A fault of kind NotFound means that there is no such cluster any more,
// one of kind Conflict that it is too new to have what is asked for.
type ControlPlanes interface {
	Control(ctx context.Context, id tenant.ClusterID) (Control, error)
	// IssueNodeBootstrap returns a certificate (PEM) that lives for minutes, for
	// the user marina:bootstrap:<nodeName> of group system:bootstrappers.
	IssueNodeBootstrap(ctx context.Context, id tenant.ClusterID, nodeName string, publicKey crypto.PublicKey) ([]byte, error)
	// IssueTunnel returns a client certificate (PEM) of the konnectivity server.
	IssueTunnel(ctx context.Context, id tenant.ClusterID, nodeName string, publicKey crypto.PublicKey) ([]byte, error)
}
