// Package pki issues the keys and certificates of clusters.
//
// Each cluster has authorities of its own, which live ten years and whose keys
// are stored sealed, and a key that signs service-account tokens. What its
// processes present to one another are leaves: they live thirty days, their keys
// are made afresh each time and exist only as files on a tmpfs.
//
//	authority       who holds its leaves                      who trusts it
//	cluster-ca      API server, kubelets, every client        everybody
//	front-proxy-ca  API server, toward aggregated API servers aggregated API servers
//	tunnel-ca       konnectivity server and agents            konnectivity server and agents
//
// There is none for etcd: it is reached through a unix socket that only the
// cluster's own processes can open.
package pki

import "time"

// The files that Materialize writes.
const (
	CACert           = "ca.crt"
	CAKey            = "ca.key" // for the controller manager, which signs certificates of nodes
	FrontProxyCACert = "front-proxy-ca.crt"
	TunnelCACert     = "tunnel-ca.crt"

	APIServerCert        = "apiserver.crt"
	APIServerKey         = "apiserver.key"
	KubeletClientCert    = "apiserver-kubelet-client.crt"
	KubeletClientKey     = "apiserver-kubelet-client.key"
	FrontProxyClientCert = "front-proxy-client.crt"
	FrontProxyClientKey  = "front-proxy-client.key"
	TunnelServerCert     = "tunnel-server.crt"
	TunnelServerKey      = "tunnel-server.key"

	ServiceAccountKey       = "sa.key"
	ServiceAccountPublicKey = "sa.pub"

	ControllerManagerKubeconfig = "kcm.kubeconfig"
	ControllerManagerCert       = "kcm.crt"
	ControllerManagerKey        = "kcm.key"
	SchedulerKubeconfig         = "scheduler.kubeconfig"
	SchedulerCert               = "scheduler.crt"
	SchedulerKey                = "scheduler.key"
)

// The names in the certificates of the API server's own clients.
const (
	KubeletClientName    = "kube-apiserver-kubelet-client"
	FrontProxyClientName = "front-proxy-client"
)

const (
	authorityLife = 10 * 365 * 24 * time.Hour
	leafLife      = 30 * 24 * time.Hour
	renewBefore   = 10 * 24 * time.Hour // a leaf with less than this left is made anew
	skew          = time.Minute         // a certificate is valid that long before it was made: clocks differ
)
