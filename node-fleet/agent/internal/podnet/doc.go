// Package podnet is a node's part of the pod network: it watches the cluster's
// Nodes, configures CNI with the node's own range of addresses, keeps a route to
// the range of every other node, and translates the addresses of pods that talk
// to the outside.
package podnet
