// Package agent is what Marina runs on a node. It makes a machine a node of a
// cluster and keeps it one:
//
//   - it starts containerd at once, and loads the images that the machine came
//     with, while it joins with a one-time ticket;
//   - it writes the configuration of the kubelet, kube-proxy and the konnectivity
//     agent, and keeps all four programs running;
//   - it is the node's part of the pod network (package podnet) and of the way
//     from pods to the API server (package podapi);
//   - it renews the certificates that the platform gave it.
//
// A node only ever dials out, to the one address in its ticket. The agent runs
// on every kind of machine and has few dependencies, which a test holds.
package agent
