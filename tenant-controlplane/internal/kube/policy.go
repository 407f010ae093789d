package kube

import (
	"fmt"

	"sigs.k8s.io/yaml"

	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

// authentication lets strangers ask for the server's health and for nothing else.
const authentication = `apiVersion: apiserver.config.k8s.io/v1
kind: AuthenticationConfiguration
anonymous:
  enabled: true
  conditions:
  - path: /livez
  - path: /readyz
  - path: /healthz
`

// authenticationOf is the file for a cluster. What its owner chooses, the API server
// takes over without a restart; the rest it reads only when it starts.
func authenticationOf(c controlplane.Cluster) []byte {
	if len(c.Authentication.JWT) == 0 {
		return []byte(authentication)
	}
	data, err := yaml.Marshal(c.Authentication.Guarded())
	if err != nil {
		panic(fmt.Sprintf("kube: encode authentication: %v", err)) // strings always can be
	}
	return append([]byte(authentication), data...)
}

// encryption seals Secrets with the platform's key service, from the first boot:
// there is no unsealed Secret to read, so there is no identity provider.
const encryption = `apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
- resources:
  - secrets
  providers:
  - kms:
      apiVersion: v2
      name: marina
      endpoint: ` + kmsEndpoint + `
      timeout: 3s
`

// egress sends everything that goes to nodes, pods and Services through the
// tunnel. What the owner names by URL (webhooks, issuers of tokens) goes through the
// hosting layer's proxy, which lets only the public Internet be reached. Other
// traffic (etcd) is on unix sockets.
const egress = `apiVersion: apiserver.k8s.io/v1beta1
kind: EgressSelectorConfiguration
egressSelections:
- name: cluster
  connection:
    proxyProtocol: GRPC
    transport:
      uds:
        udsName: ` + tunnelFrontend + `
- name: controlplane
  connection:
    proxyProtocol: HTTPConnect
    transport:
      uds:
        udsName: ` + egressSocket + `
`

// auditPolicy notes who did what from where, and no contents: bodies hold
// Secrets. What the machinery does by itself all day is left out.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages:
- RequestReceived
rules:
- level: None
  nonResourceURLs: ["/livez*", "/readyz*", "/healthz*", "/version", "/openapi/*"]
- level: None
  users: ["marina:health", "marina:console"]
  verbs: ["get", "list"]
- level: None
  users:
  - system:apiserver
  - system:kube-controller-manager
  - system:kube-scheduler
  - system:kube-proxy
  verbs: ["get", "list", "watch"]
- level: None
  userGroups: ["system:nodes"]
  verbs: ["get", "list", "watch"]
- level: None
  resources:
  - group: coordination.k8s.io
    resources: ["leases"]
  - group: ""
    resources: ["events"]
  - group: events.k8s.io
    resources: ["events"]
- level: Metadata
`
