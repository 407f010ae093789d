// Package local makes machines out of this host: each is a runc container with
// network, mount, process, host name, IPC and cgroup namespaces of its own, and
// Marina's own small root file system. It is the provider of a Marina that runs
// on one machine.
//
// Machines share the host's kernel and are privileged, since they run containers
// themselves: they are for one organization that trusts its own workloads.
//
// # Network
//
// Everything is inside one network namespace per home (home.NetworkNamespace);
// the host's own interfaces, routes and firewall stay as they are. In there,
// each cluster has a bridge with a /24 of 172.30.0.0/16 and the gateway's address
// .1; each machine has a network namespace and a pair of links into its cluster's
// bridge. A firewall lets machines reach the router's port at their own gateway
// address and nothing else: not another cluster's machines, not the host.
//
// # State
//
// What must outlive a reboot is in the home: which address belongs to which
// machine (networks.json, see registry) and each machine's disk (home.Machine).
// All else is on a tmpfs or in the kernel, and is made again by Create. Every
// step may be interrupted: Create and Delete begin by looking at what is there.
package local
