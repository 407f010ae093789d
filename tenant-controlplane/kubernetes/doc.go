// Command marina-kubernetes is upstream Kubernetes, unpatched, in one binary: what
// a tenant's control plane runs and what its nodes run.
//
//	marina-kubernetes stack CONFIG.json   kube-apiserver, kube-controller-manager, kube-scheduler and the konnectivity server
//	marina-kubernetes kubelet …           as upstream's
//	marina-kubernetes kube-proxy …        as upstream's
//	marina-kubernetes kubectl …           as upstream's
//
// Called by one of these names, as through a symbolic link, it needs no first
// argument. There is one binary for each minor version of Kubernetes, all built
// from this source: it keeps to what the offered versions have in common.
//
// # The stack
//
// The three components of a control plane share one process: one Go runtime, one
// heap and one set of pages, which is a quarter less memory for each tenant than
// three processes. They live and die together: when one returns, the process ends
// with an error and whoever supervises it starts it again. Components talk to each
// other over TCP on loopback, as they would on a machine of their own, each with
// its own credentials; everyone else comes through a unix socket (package
// listener).
//
// Three things are added to upstream's API server from outside: machines that were
// removed are shut out (package members), the cluster is kept within what it may store
// (package limits), and its audit log within a rate (package audit).
//
// There is no policy here: every flag is in the configuration file (package
// config). Upstream's own commands cannot be used for this, because they each
// install signal handlers and logging for the whole process; instead each component
// is built from its options, as its command does it.
package main
