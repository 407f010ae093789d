// Package home says where an installation of Marina keeps what.
//
// A home is one installation's directory. Everything else that an installation
// owns on the machine (sockets, user ids, cgroups, the network namespace of its
// local machines) is derived from the home's path, so that two homes never share
// any of it and run side by side, and so that nothing has to be looked up to
// find it again after a crash.
package home

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"path/filepath"

	"github.com/marina-cloud/marina/internal/tenant"
)

// Default is the home of `marina up`.
const Default = "/var/lib/marina"

// User ids of tenants begin at firstUID; each home has a block of uidBlock, two
// for each cluster and one for each terminal.
const (
	firstUID = 200_000
	uidBlock = 20_000
	uidSlots = 100_000 // firstUID + uidSlots*uidBlock stays below 2³¹
)

// MaxTerminals and MaxClusters are how many of each fit into a home's block of user
// ids.
const (
	MaxTerminals = 1_000
	MaxClusters  = (uidBlock - MaxTerminals) / 2
)

// Home is one installation's place on a machine. It is a value without state.
type Home struct {
	Dir  string // absolute
	hash [sha256.Size]byte
}

// At returns the home in dir, which need not exist yet.
func At(dir string) (Home, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return Home{}, fmt.Errorf("home %q: %w", dir, err)
	}
	return Home{Dir: abs, hash: sha256.Sum256([]byte(abs))}, nil
}

// Name is eight hexadecimal digits that tell this home from others in the names
// of cgroups, namespaces and the like.
func (h Home) Name() string { return hex.EncodeToString(h.hash[:4]) }

// Run is the directory of sockets and of keys that must never reach a disk. It
// lies on a tmpfs and has a short path: a unix socket's path holds at most 107
// bytes (unix(7)).
func (h Home) Run() string { return filepath.Join("/run/marina", h.Name()) }

// Path joins elem to the home's directory.
func (h Home) Path(elem ...string) string {
	return filepath.Join(append([]string{h.Dir}, elem...)...)
}

// Tenant is the directory of a cluster's data that outlives a reboot.
func (h Home) Tenant(id tenant.ClusterID) string { return h.Path("tenants", string(id)) }

// TenantRun is the directory of a cluster's sockets and unsealed keys.
func (h Home) TenantRun(id tenant.ClusterID) string { return filepath.Join(h.Run(), "t", string(id)) }

// Members is the directory with an empty file for each node that is part of the
// cluster, named like the node. The fleet keeps it; the cluster's control plane
// looks there for every request of a node's.
func (h Home) Members(id tenant.ClusterID) string { return filepath.Join(h.TenantRun(id), "members") }

// Revoked is the directory with a file for each credential of a cluster that was
// revoked and has not ended by itself. The cluster's control plane looks there for
// every request.
func (h Home) Revoked(id tenant.ClusterID) string { return filepath.Join(h.TenantRun(id), "revoked") }

// Uses is the directory in which a cluster's control plane notes when credentials were
// used last.
func (h Home) Uses(id tenant.ClusterID) string { return filepath.Join(h.TenantRun(id), "uses") }

// Nodes is the directory with a file for each node that is let in, named by its
// id, that holds its cluster's. The fleet keeps it; the router looks there for
// every connection of a node's.
func (h Home) Nodes() string { return filepath.Join(h.Run(), "nodes") }

// Routes is the directory that the router reads; see package route.
func (h Home) Routes() string { return filepath.Join(h.Run(), "routes") }

// LastUse is a file of a cluster's whose modification time says when the cluster
// was used last; see package route.
func (h Home) LastUse(id tenant.ClusterID) string { return filepath.Join(h.Tenant(id), "used") }

// Machine is the directory of a local machine's data.
func (h Home) Machine(id tenant.NodeID) string { return h.Path("machines", string(id)) }

// Runc is runc's state directory. It is gone after a reboot, as the containers are.
func (h Home) Runc() string { return filepath.Join(h.Run(), "runc") }

// Terminals is the directory of the terminals that are open.
func (h Home) Terminals() string { return filepath.Join(h.Run(), "terminals") }

// Cgroup is the parent of all cgroups of this home, as a path below each
// hierarchy's root.
func (h Home) Cgroup() string { return "/marina-" + h.Name() }

// NetworkNamespace is the path of the one network namespace that holds every
// bridge and veth of this home's local machines.
func (h Home) NetworkNamespace() string { return filepath.Join("/run/netns", "marina-"+h.Name()) }

// Postgres is the directory that holds the socket of the embedded Postgres.
func (h Home) Postgres() string { return filepath.Join(h.Run(), "pg") }

// NodesSocket is where marina serves the node API; the router passes TLS
// connections for the name nodes.<domain> on to it.
func (h Home) NodesSocket() string { return filepath.Join(h.Run(), "nodes.sock") }

// Router is the directory of the router's certificates and sockets, open to root
// alone.
func (h Home) Router() string { return filepath.Join(h.Run(), "router") }

// Operator is the socket at which the server tells whoever runs it how it is.
func (h Home) Operator() string { return filepath.Join(h.Run(), "operator.sock") }

// RouterControl is where the router that serves tells about itself, over HTTP:
// GET /metrics and GET /healthz.
func (h Home) RouterControl() string { return filepath.Join(h.Router(), "control.sock") }

// SecretsControl is where the server tells about the secret store, and is told to
// seal anew; open to root alone.
func (h Home) SecretsControl() string { return filepath.Join(h.Run(), "secrets.sock") }

// Mailbox is where the server takes mails that it sends itself, by SMTP, where no
// other server is named; open to root alone.
func (h Home) Mailbox() string { return filepath.Join(h.Run(), "mailbox.sock") }

// Accounts is where the server makes accounts of operators; open to root alone.
func (h Home) Accounts() string { return filepath.Join(h.Run(), "accounts.sock") }

// RouterHandover is where the router that serves gives its sockets to a successor.
func (h Home) RouterHandover() string { return filepath.Join(h.Router(), "handover.sock") }

// UIDs returns the user ids of a cluster's etcd and stack. The first is also the
// group that both share. Slot is the cluster's number in this home, below
// MaxClusters, unique among the clusters that exist.
func (h Home) UIDs(slot int) (etcd, stack int) {
	if slot < 0 || slot >= MaxClusters {
		panic(fmt.Sprintf("home: uid slot %d out of range", slot))
	}
	return h.firstUID() + 2*slot, h.firstUID() + 2*slot + 1
}

// TerminalUID returns the user id of one of the terminals that are open, by its
// number below MaxTerminals. It is no cluster's.
func (h Home) TerminalUID(n int) int {
	if n < 0 || n >= MaxTerminals {
		panic(fmt.Sprintf("home: terminal %d out of range", n))
	}
	return h.firstUID() + 2*MaxClusters + n
}

func (h Home) firstUID() int {
	return firstUID + int(binary.BigEndian.Uint32(h.hash[:4])%uidSlots)*uidBlock
}
