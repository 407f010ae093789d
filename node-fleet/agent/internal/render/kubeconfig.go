package render

import "net"

// Endpoint is how a cluster's API server is reached.
type Endpoint struct {
	Name      string // host name, which Hosts leads to the agent
	Port      string
	Authority string // file
}

// Kubeconfig returns a kubeconfig whose client is proved by a certificate and a
// key in files, which clients read again when they change.
//
// The server is named by its host name: with an address and tls-server-name, the
// kubeconfig that the kubelet writes for itself would lack the latter
// (k8s.io/kubernetes/pkg/kubelet/certificate/bootstrap).
func Kubeconfig(e Endpoint, certificate, key string) []byte {
	return indented(object{
		"apiVersion": "v1",
		"kind":       "Config",
		"clusters": []object{{"name": "cluster", "cluster": object{
			"server":                "https://" + net.JoinHostPort(e.Name, e.Port),
			"certificate-authority": e.Authority,
		}}},
		"users": []object{{"name": "node", "user": object{
			"client-certificate": certificate,
			"client-key":         key,
		}}},
		"contexts":        []object{{"name": "node", "context": object{"cluster": "cluster", "user": "node"}}},
		"current-context": "node",
	})
}
