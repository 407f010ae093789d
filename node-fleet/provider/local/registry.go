package local

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/marina-cloud/marina/internal/tenant"
)

// Clusters have the numbers 1 to lastNumber, which stand in their subnets; their
// machines have the hosts firstHost to lastHost.
const (
	lastNumber = 254
	firstHost  = 2 // 1 is the gateway
	lastHost   = 254
)

// registry says which machines exist and where they are in the network. It is a
// plain value; registryFile keeps it.
type registry struct {
	Clusters map[tenant.ClusterID]*clusterNetwork `json:"clusters"`
}

type clusterNetwork struct {
	Number   uint8                   `json:"number"`
	Machines map[tenant.NodeID]uint8 `json:"machines"` // the last byte of the address
}

// place is where a machine is in the network.
type place struct {
	cluster tenant.ClusterID
	number  uint8 // of the cluster's network
	host    uint8
}

func (p place) address() netip.Addr { return netip.AddrFrom4([4]byte{172, 30, p.number, p.host}) }
func (p place) gateway() netip.Addr { return gateway(p.number) }
func (p place) link() string        { return fmt.Sprintf("v%d.%d", p.number, p.host) }

func gateway(number uint8) netip.Addr { return netip.AddrFrom4([4]byte{172, 30, number, 1}) }
func bridge(number uint8) string      { return fmt.Sprintf("br%d", number) }

// hardware returns the hardware address that belongs to an address, so that
// neighbours need not learn a new one when a machine is made again.
func hardware(a netip.Addr) []byte {
	b := a.As4()
	return []byte{0x02, 'm', b[0], b[1], b[2], b[3]} // 02: locally administered, unicast
}

// find returns the place of a machine.
func (r *registry) find(node tenant.NodeID) (place, bool) {
	for id, c := range r.Clusters {
		if host, ok := c.Machines[node]; ok {
			return place{cluster: id, number: c.Number, host: host}, true
		}
	}
	return place{}, false
}

// assign returns the place of a machine, a new one where it has none.
func (r *registry) assign(cluster tenant.ClusterID, node tenant.NodeID) (place, error) {
	if p, ok := r.find(node); ok {
		if p.cluster != cluster {
			return place{}, fmt.Errorf("machine %s belongs to cluster %s, not %s", node, p.cluster, cluster)
		}
		return p, nil
	}
	c, ok := r.Clusters[cluster]
	if !ok {
		number, ok := r.freeNumber()
		if !ok {
			return place{}, fmt.Errorf("all %d networks for local machines are taken: delete the node pools of a cluster first", lastNumber)
		}
		c = &clusterNetwork{Number: number}
		if r.Clusters == nil {
			r.Clusters = map[tenant.ClusterID]*clusterNetwork{}
		}
		r.Clusters[cluster] = c
	}
	host, ok := c.freeHost()
	if !ok {
		return place{}, fmt.Errorf("all addresses for local machines of cluster %s are taken: delete some of its nodes first", cluster)
	}
	if c.Machines == nil {
		c.Machines = map[tenant.NodeID]uint8{}
	}
	c.Machines[node] = host
	return place{cluster: cluster, number: c.Number, host: host}, nil
}

func (r *registry) freeNumber() (uint8, bool) {
	taken := map[int]bool{}
	for _, c := range r.Clusters {
		taken[int(c.Number)] = true
	}
	return lowest(taken, 1, lastNumber)
}

func (c *clusterNetwork) freeHost() (uint8, bool) {
	taken := map[int]bool{}
	for _, h := range c.Machines {
		taken[int(h)] = true
	}
	return lowest(taken, firstHost, lastHost)
}

func lowest(taken map[int]bool, from, to int) (uint8, bool) {
	for n := from; n <= to; n++ {
		if !taken[n] {
			return uint8(n), true
		}
	}
	return 0, false
}

// release takes a machine's place away.
func (r *registry) release(node tenant.NodeID) {
	for _, c := range r.Clusters {
		delete(c.Machines, node)
	}
}

// numbers returns the numbers of all networks, in order.
func (r *registry) numbers() []uint8 {
	var numbers []uint8
	for _, c := range r.Clusters {
		numbers = append(numbers, c.Number)
	}
	slices.Sort(numbers)
	return numbers
}

// machines returns the places of a cluster's machines, by node.
func (r *registry) machines(cluster tenant.ClusterID) map[tenant.NodeID]place {
	places := map[tenant.NodeID]place{}
	if c, ok := r.Clusters[cluster]; ok {
		for node, host := range c.Machines {
			places[node] = place{cluster: cluster, number: c.Number, host: host}
		}
	}
	return places
}

// nodes returns all machines, in order.
func (r *registry) nodes() []tenant.NodeID {
	var nodes []tenant.NodeID
	for _, c := range r.Clusters {
		nodes = slices.AppendSeq(nodes, maps.Keys(c.Machines))
	}
	slices.Sort(nodes)
	return nodes
}

// registryFile is a registry on disk. Every access holds the lock of a file
// beside it, so that goroutines and processes see each other's changes.
type registryFile struct{ path string }

func (f registryFile) read() (r registry, err error) {
	unlock, err := lockFile(f.path + ".lock")
	if err != nil {
		return r, err
	}
	defer unlock()
	return f.load()
}

// change calls what with the registry and keeps what it made of it. While it
// runs, nobody else reads or changes.
func (f registryFile) change(what func(*registry) error) error {
	unlock, err := lockFile(f.path + ".lock")
	if err != nil {
		return err
	}
	defer unlock()
	r, err := f.load()
	if err != nil {
		return err
	}
	if err := what(&r); err != nil {
		return err
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("write networks: %w", err)
	}
	return writeFile(f.path, text, 0o600)
}

func (f registryFile) load() (r registry, err error) {
	text, err := os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return r, fmt.Errorf("read networks: %w", err)
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return r, fmt.Errorf("read networks: %s: %w", f.path, err)
	}
	return r, nil
}

// lockFile takes the lock of the file at path, which it makes; the lock goes
// with the process at the latest.
func lockFile(path string) (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o711); err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	for {
		err = unix.Flock(int(file.Fd()), unix.LOCK_EX)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { file.Close() }, nil
}
