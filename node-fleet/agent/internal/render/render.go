// Package render writes down, as text, how the programs of a node are set up:
// containerd, the kubelet, kube-proxy, the konnectivity agent, CNI and nftables.
// It is pure: what it returns depends on its arguments alone. Configuration that
// Kubernetes reads as YAML is written as JSON, which is YAML, too.
package render

import (
	"encoding/json"
	"fmt"
)

// File modes are the writer's matter; nothing that this package returns holds a
// key: configurations name the files that do.

func indented(v any) []byte {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		panic(fmt.Sprintf("render: %v", err)) // maps and strings of ours always encode
	}
	return append(text, '\n')
}

// object is a JSON object.
type object = map[string]any
