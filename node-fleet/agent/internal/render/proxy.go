package render

import "github.com/marina-cloud/marina/node-fleet/join"

// ProxyConfig returns the KubeProxyConfiguration of a node. Without
// adjustOOMScore, kube-proxy leaves its score alone, as it must where
// CAP_SYS_RESOURCE is missing.
func ProxyConfig(c join.Config, kubeconfig string, adjustOOMScore bool) []byte {
	score := 0
	if adjustOOMScore {
		score = -999
	}
	return indented(object{
		"apiVersion":         "kubeproxy.config.k8s.io/v1alpha1",
		"kind":               "KubeProxyConfiguration",
		"mode":               "nftables",
		"clientConnection":   object{"kubeconfig": kubeconfig},
		"clusterCIDR":        c.PodCIDR,
		"hostnameOverride":   c.NodeName,
		"healthzBindAddress": "127.0.0.1:10256",
		"metricsBindAddress": "127.0.0.1:10249",
		"oomScoreAdj":        score,
		// The size of the connection table belongs to the kernel's owner.
		"conntrack": object{
			"maxPerCore":            0,
			"min":                   0,
			"tcpEstablishedTimeout": "0s",
			"tcpCloseWaitTimeout":   "0s",
		},
	})
}
