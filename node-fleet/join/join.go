// Package join is what a machine and the platform say to each other: the types
// of the node API, which package agent calls and package nodeapi serves. It holds
// plain data and imports nothing but the standard library and identifiers,
// because everything on a node imports it.
//
// A machine is given a Ticket. With it, once, it posts a Request to PathJoin
// over TLS that it verifies against the ticket's Authority, and receives a
// Response: its identity certificate of the platform and all that it needs to
// become a node. Later, when it needs fresh credentials, it posts a
// BootstrapRequest to PathBootstrap, presenting that identity, and receives a
// Response again, in which the identity is renewed for the same key.
package join

import (
	"time"

	"github.com/marina-cloud/marina/internal/tenant"
)

// Paths of the node API.
const (
	PathJoin      = "/v1/join"
	PathBootstrap = "/v1/bootstrap"
	// PathImages begins the paths of the operator's registry mirror, where there is
	// one (OCI distribution specification).
	PathImages = "/v2/"
)

// Names and protocols.
const (
	// ServerPrefix and the installation's domain make the name by which a node
	// reaches the platform, as TLS server name.
	ServerPrefix = "nodes."
	// PodAPIProtocol is the ALPN protocol under which the router carries a pod's
	// connection to its cluster's API server.
	PodAPIProtocol = "marina-pod-api"
	// KubeletAPIProtocol is that of the kubelet's, and of what else makes a machine a
	// node.
	KubeletAPIProtocol = "marina-kubelet-api"
	// APIAddress is where, on every node, the kubernetes Service's only endpoint
	// is. RFC 5737 keeps the address out of every network.
	APIAddress = "192.0.2.1"
	// APIPort is the port there.
	APIPort = 6443
	// KubeletAPIAddress is where, on every node, the node itself finds the API server.
	// Pods do not reach it.
	KubeletAPIAddress = "127.0.0.1"
	// KubeletAPIPort is the port there. 6443 may be taken on machines that have been
	// something else before; k3s has its agents' API server at 6444, too.
	KubeletAPIPort = 6444
)

// Ticket is what a machine starts with. It is secret until it was used.
type Ticket struct {
	Gateway    string        `json:"gateway"`     // host:port that the machine dials for everything
	ServerName string        `json:"server_name"` // "nodes.<domain>"
	Authority  string        `json:"authority"`   // PEM; the platform's certificate authority
	Node       tenant.NodeID `json:"node"`
	Token      string        `json:"token"` // one use, short life
}

// Request asks to become the node that the ticket names.
type Request struct {
	Node      tenant.NodeID `json:"node"`
	Token     string        `json:"token"`
	PublicKey string        `json:"public_key"` // PEM, PKIX; of the machine's identity key
	BootstrapRequest
}

// BootstrapRequest asks for credentials of the cluster. Every key pair is made
// on the machine and its private half never leaves it.
type BootstrapRequest struct {
	KubeletKey string `json:"kubelet_key"` // PEM, PKIX; only for requesting the kubelet's own certificate
	TunnelKey  string `json:"tunnel_key"`  // PEM, PKIX; of the konnectivity agent
}

// Response makes a machine a node.
type Response struct {
	Identity string `json:"identity"` // PEM; certificate of the machine's identity, CN node id, O cluster id
	Config   Config `json:"config"`
	Credentials
}

// Credentials of the cluster, for the keys of a BootstrapRequest.
type Credentials struct {
	Kubelet string `json:"kubelet"` // PEM; minutes of life, may create CertificateSigningRequests and nothing else
	Tunnel  string `json:"tunnel"`  // PEM
}

// Config is how a node is set up. It holds nothing secret.
type Config struct {
	Cluster          tenant.ClusterID  `json:"cluster"`
	NodeName         string            `json:"node_name"`
	Address          string            `json:"address"`            // InternalIP
	Version          string            `json:"version"`            // Kubernetes minor, as in "1.37"
	APIServerName    string            `json:"api_server_name"`    // TLS server name of the cluster's API server
	TunnelServerName string            `json:"tunnel_server_name"` // and of its konnectivity server
	ClusterAuthority string            `json:"cluster_authority"`  // PEM
	TunnelAuthority  string            `json:"tunnel_authority"`   // PEM
	PodCIDR          string            `json:"pod_cidr"`           // of the whole cluster
	ServiceCIDR      string            `json:"service_cidr"`
	DNSAddress       string            `json:"dns_address"`
	DNSDomain        string            `json:"dns_domain"`
	Labels           map[string]string `json:"labels"`
	Taints           []string          `json:"taints"` // as in kubelet's registerWithTaints: key=value:Effect
	ProviderID       string            `json:"provider_id"`
	MaxPods          int               `json:"max_pods"`
	CPUs             int               `json:"cpus"`       // of the machine's size; what is above is reserved
	MemoryMiB        int               `json:"memory_mib"` // likewise
	IssuedAt         time.Time         `json:"issued_at"`
}
