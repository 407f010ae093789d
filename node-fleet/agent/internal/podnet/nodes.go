package podnet

import (
	"maps"
	"net/netip"
	"slices"
)

// Node is what of a Node object matters to the pod network.
type Node struct {
	Name    string
	Address netip.Addr   // InternalIP; invalid while unknown
	Pods    netip.Prefix // IPv4 range of its pods; invalid while unassigned
}

// Nodes are the cluster's nodes by name. It is a plain value without locks.
type Nodes map[string]Node

// Route says that a range of pods is reached through a node.
type Route struct {
	Pods netip.Prefix
	Via  netip.Addr
}

// Plan returns the range of the node self (invalid while it has none) and the
// routes to all others, sorted. It is pure.
//
// Anybody who may write Node objects decides what they claim. Only ranges within
// that of the cluster's pods count, and a node that claims the address or the
// range of self is left out: following it would cut this node off.
func Plan(nodes Nodes, self string, cluster netip.Prefix) (own netip.Prefix, routes []Route) {
	me := nodes[self]
	if !within(me.Pods, cluster) {
		me.Pods = netip.Prefix{}
	}
	for _, name := range slices.Sorted(maps.Keys(nodes)) {
		n := nodes[name]
		switch {
		case name == self, !n.Address.IsValid(), !within(n.Pods, cluster):
			continue
		case n.Address == me.Address, me.Pods.IsValid() && n.Pods.Overlaps(me.Pods):
			continue
		}
		routes = append(routes, Route{Pods: n.Pods, Via: n.Address})
	}
	slices.SortFunc(routes, func(a, b Route) int { return a.Pods.Compare(b.Pods) })
	return me.Pods, slices.CompactFunc(routes, func(a, b Route) bool { return a.Pods == b.Pods })
}

func within(p, cluster netip.Prefix) bool {
	return p.IsValid() && cluster.IsValid() && p.Bits() >= cluster.Bits() && cluster.Contains(p.Addr())
}
