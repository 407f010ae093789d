package router

import (
	"cmp"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/marina-cloud/marina/internal/tenant"
)

// The ALPN protocols (RFC 7301) by which a node's agent asks for its cluster's API
// server: on behalf of a pod, and of the kubelet and what else makes the machine a
// node. They are told apart so that pods cannot take the kubelet's places.
const (
	PodProtocol     = "marina-pod-api"
	KubeletProtocol = "marina-kubelet-api"
)

// Config is what a router needs to know. Domain, Routes and, for Run, Listen or
// Listener are required; the other fields have the defaults that they mention.
type Config struct {
	Listen   string           // public address, such as ":6443"
	Listener *net.TCPListener // instead of Listen: a socket that was inherited

	// NodeNamespace is the path of the network namespace where nodes reach the
	// router, at NodePort on every address. It need not exist yet, and may be
	// replaced. Empty: none. NodePort 0 is any free port, told by Ready.
	NodeNamespace string
	NodePort      int

	Domain       string // the names' suffix, such as "marina.localhost"
	Routes       string // directory of package route
	Nodes        string // directory with a file for each node that may connect: its name is the node's id, its content the cluster's
	Certificates string // directory with nodes.crt, nodes.key and ca.crt, in PEM; looked at for every connection
	NodesSocket  string // where the API for machines is served; empty: nowhere

	// Sockets of Run, for root alone. At Control it serves Control. At Handover it
	// takes the listening sockets of the router that serves there, if one does, and
	// later gives them to its own successor; then it serves RetiredControl instead of
	// Control until its last connection has ended. Each may be empty: none.
	Control, Handover, RetiredControl string

	// TrustedProxies are the networks of proxies in front of the public address. Their
	// connections begin with a PROXY header, of either version, and nobody else's may.
	TrustedProxies []netip.Prefix

	Log     *slog.Logger         // default: slog.Default()
	Ready   func(Side, net.Addr) // called each time a listener serves, from several goroutines
	Serving func(net.Addr)       // called once by Run, when the public address is served by this router alone
	Retired func()               // called once by Run, when it has stopped accepting for a successor who does not know it yet

	// Used is called by Run from time to time, from one goroutine, for each cluster
	// to which a connection was carried since, or is open. Whoever knows a cluster's
	// name can bring that about. Nil: nobody is told.
	Used func(tenant.ClusterID)

	HandshakeTimeout time.Duration // for a whole ClientHello, and a whole handshake of a node; default 10 s
	DialTimeout      time.Duration // for a backend that is just starting; default 10 s
	Linger           time.Duration // for a client to end after its server has; default 30 s
	Recheck          time.Duration // how soon a removed node's open connections are cut; default 10 s
	RecheckNetworks  time.Duration // how soon people's open connections are cut that a cluster's networks no longer admit; default 1 s
	TellUse          time.Duration // between two calls of Used for a cluster; default 15 s
	Drain            time.Duration // for open connections to end after Run was told to stop; default: none
	Retire           time.Duration // for open connections to end after the sockets were handed over; default 24 h

	// KeepAlive finds out about clients that are gone without a word. Default: after
	// 30 + 3×10 s.
	KeepAlive net.KeepAliveConfig

	// Limits. Nobody who wants more than others, by address or by name, gets more than
	// there is left for others; see counted.
	MaxConnections int // all together; default 20 000, or fewer if the limit of open files demands it
	MaxPerName     int // to one name, of one protocol; default 2 000
	MaxHandshakes  int // not yet past their handshake; default 1 024
}

// withDefaults returns c with every optional field set.
func (c Config) withDefaults() (Config, error) {
	var missing []error
	if c.Domain == "" {
		missing = append(missing, errors.New("domain is empty: set the suffix of the clusters' names"))
	}
	if c.Routes == "" {
		missing = append(missing, errors.New("directory of routes is empty"))
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Ready == nil {
		c.Ready = func(Side, net.Addr) {}
	}
	if c.Serving == nil {
		c.Serving = func(net.Addr) {}
	}
	if c.Retired == nil {
		c.Retired = func() {}
	}
	c.Retire = cmp.Or(c.Retire, 24*time.Hour)
	c.HandshakeTimeout = cmp.Or(c.HandshakeTimeout, 10*time.Second)
	c.DialTimeout = cmp.Or(c.DialTimeout, 10*time.Second)
	c.Linger = cmp.Or(c.Linger, 30*time.Second)
	c.TellUse = cmp.Or(c.TellUse, 15*time.Second)
	c.Recheck = cmp.Or(c.Recheck, 10*time.Second)
	c.RecheckNetworks = cmp.Or(c.RecheckNetworks, time.Second)
	if c.KeepAlive == (net.KeepAliveConfig{}) {
		c.KeepAlive = net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 10 * time.Second, Count: 3}
	}
	c.MaxConnections = cmp.Or(c.MaxConnections, 20_000)
	c.MaxPerName = cmp.Or(c.MaxPerName, 2_000)
	c.MaxHandshakes = cmp.Or(c.MaxHandshakes, 1_024)
	return c, errors.Join(missing...)
}
