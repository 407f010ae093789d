// Package limits keeps a cluster within what it may store: it refuses what would
// make it larger before etcd itself, which knows no difference between a customer's
// ConfigMap and a node's heartbeat, refuses everything.
//
// It is an admission plugin, because only there a write is known with its author,
// what it writes and what was there before, whichever of the three API servers of a
// control plane (built-in, custom, aggregated kinds) it goes to; and because an
// answer from there is one that every client of Kubernetes knows and shows.
package limits
