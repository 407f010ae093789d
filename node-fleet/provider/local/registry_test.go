package local

import (
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/marina-cloud/marina/internal/tenant"
)

func TestAssign(t *testing.T) {
	t.Parallel()
	var r registry
	assign := func(cluster tenant.ClusterID, node tenant.NodeID, want string, why string) {
		t.Helper()
		at, err := r.assign(cluster, node)
		if err != nil || at.address().String() != want {
			t.Errorf("assign(%s, %s) = %s, %v; want %s: %s", cluster, node, at.address(), err, want, why)
		}
	}
	assign("kc-a", "nd-1", "172.30.1.2", "the first machine comes after the gateway")
	assign("kc-a", "nd-2", "172.30.1.3", "the next one gets the next address")
	assign("kc-b", "nd-3", "172.30.2.2", "another cluster has a network of its own")
	assign("kc-a", "nd-1", "172.30.1.2", "a machine keeps its address")
	if _, err := r.assign("kc-b", "nd-1"); err == nil {
		t.Error("a machine moved to another cluster")
	}
	r.release("nd-1")
	if at, ok := r.find("nd-1"); ok {
		t.Errorf("a released machine is at %s", at.address())
	}
	assign("kc-a", "nd-4", "172.30.1.2", "a released address is given away again")
	delete(r.Clusters, "kc-a")
	assign("kc-c", "nd-5", "172.30.1.2", "and so is the number of a released network")
}

func TestAssignIsLimited(t *testing.T) {
	t.Parallel()
	var r registry
	for i := range lastHost - firstHost + 1 {
		if _, err := r.assign("kc-0", tenant.NodeID(fmt.Sprint("nd-", i))); err != nil {
			t.Fatalf("machine %d: %v", i, err)
		}
	}
	if at, err := r.assign("kc-0", "nd-more"); err == nil {
		t.Errorf("a full network gave away %s", at.address())
	}
	for i := 1; i < lastNumber; i++ {
		if _, err := r.assign(tenant.ClusterID(fmt.Sprint("kc-", i)), tenant.NodeID(fmt.Sprint("nd-of-", i))); err != nil {
			t.Fatalf("cluster %d: %v", i, err)
		}
	}
	if at, err := r.assign("kc-more", "nd-more"); err == nil {
		t.Errorf("there were no networks left, and yet %s", at.address())
	}
}

func TestRegistryFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "home", "networks.json")
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			f := registryFile{path} // as another process would open it
			if err := f.change(func(r *registry) error {
				_, err := r.assign("kc-a", tenant.NodeID(fmt.Sprint("nd-", i)))
				return err
			}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	r, err := registryFile{path}.read()
	if err != nil {
		t.Fatal(err)
	}
	places := r.machines("kc-a")
	taken := map[uint8]bool{}
	for _, at := range places {
		taken[at.host] = true
	}
	if len(places) != 20 || len(taken) != 20 {
		t.Errorf("20 changes at once left %d machines at %d addresses", len(places), len(taken))
	}
	failed := registryFile{path}.change(func(r *registry) error {
		r.release("nd-1")
		return fmt.Errorf("no")
	})
	after, err := registryFile{path}.read()
	if err != nil || failed == nil || len(after.nodes()) != 20 {
		t.Errorf("a change that failed was kept: %d machines, %v, %v", len(after.nodes()), failed, err)
	}
}

func TestHardware(t *testing.T) {
	t.Parallel()
	got := hardware(place{number: 7, host: 9}.address())
	if got[0]&0x03 != 0x02 {
		t.Errorf("hardware address %x is not a locally administered unicast address", got)
	}
	if len(got) != 6 {
		t.Errorf("hardware address %x has %d bytes", got, len(got))
	}
}
