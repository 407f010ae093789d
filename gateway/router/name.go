package router

import (
	"slices"
	"strings"
	"unicode"

	"github.com/marina-cloud/marina/internal/tenant"
)

// service is what a connection is for.
type service uint8

const (
	apiServer service = iota
	tunnel
	nodeAPI
	podAPI
	kubeletAPI
	services // how many there are
)

func (s service) String() string {
	return [services]string{"api", "tunnel", "nodes", "pod-api", "kubelet-api"}[s]
}

// destination is where a connection wants to go. Connections are counted and
// limited for each, so that strangers who exhaust a cluster's public name shut
// out none of its nodes.
type destination struct {
	service service
	cluster tenant.ClusterID // none for nodeAPI; for podAPI and kubeletAPI known only from the certificate
}

// parse reads the destination from what a ClientHello says. Names compare
// without regard to case (RFC 4343).
func parse(domain, name string, protocols []string) (d destination, ok bool) {
	if strings.ContainsFunc(name, func(c rune) bool { return c > unicode.MaxASCII }) {
		return destination{}, false // lower case would make a k of U+212A, the Kelvin sign
	}
	label, ok := strings.CutSuffix(strings.ToLower(name), "."+strings.ToLower(domain))
	if !ok {
		return destination{}, false
	}
	if label == "nodes" {
		switch {
		case slices.Contains(protocols, PodProtocol):
			return destination{service: podAPI}, true
		case slices.Contains(protocols, KubeletProtocol):
			return destination{service: kubeletAPI}, true
		}
		return destination{service: nodeAPI}, true
	}
	if id, cut := strings.CutPrefix(label, "tunnel."); cut {
		label, d.service = id, tunnel
	}
	d.cluster, ok = tenant.ParseClusterID(label)
	return d, ok
}
