package local

import (
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	fleet "github.com/marina-cloud/marina/node-fleet"
	"github.com/marina-cloud/marina/node-fleet/provider"
)

func TestFirewall(t *testing.T) {
	t.Parallel()
	const want = `table inet marina {}
delete table inet marina
table inet marina {
	chain prerouting {
		type filter hook prerouting priority raw; policy accept;
		iifname "br1" ether daddr 02:6d:ac:1e:01:01 ip saddr != 172.30.1.0/24 drop
		iifname "br7" ether daddr 02:6d:ac:1e:07:01 ip saddr != 172.30.7.0/24 drop
	}
	chain input {
		type filter hook input priority filter; policy drop;
		iifname "lo" accept
		iifname "br1" ip daddr 172.30.1.1 tcp dport 6443 accept
		iifname "br7" ip daddr 172.30.7.1 tcp dport 6443 accept
		meta l4proto tcp reject with tcp reset
		meta l4proto udp reject
	}
	chain forward {
		type filter hook forward priority filter; policy drop;
		iifname "br1" oifname "br1" accept
		iifname "br7" oifname "br7" accept
		reject with icmpx admin-prohibited
	}
}
`
	if got := firewall([]uint8{1, 7}, 6443); got != want {
		t.Errorf("firewall:\n%s\nwant:\n%s", got, want)
	}
}

func TestBoundingSet(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		why, status string
		has, lacks  string
		count       int
	}{
		{"an ordinary host has all", "Name:\tx\nCapBnd:\t000001ffffffffff\n", "CAP_SYS_RESOURCE", "", 41},
		{"a host without CAP_SYS_RESOURCE cannot give it", "CapBnd:\t000001fffeffffff\n", "CAP_SYS_ADMIN", "CAP_SYS_RESOURCE", 40},
		{"a newer kernel's capabilities have no name here", "CapBnd:\tffffffffffffffff\n", "CAP_CHOWN", "", 41},
	} {
		got, err := boundingSet(c.status)
		if err != nil || len(got) != c.count || !slices.Contains(got, c.has) || slices.Contains(got, c.lacks) {
			t.Errorf("%s: %d capabilities, %v: %v", c.why, len(got), err, got)
		}
	}
	if got, err := boundingSet("Name:\tx\n"); err == nil {
		t.Errorf("a status without capabilities gave %v", got)
	}
}

func TestContainer(t *testing.T) {
	t.Parallel()
	spec := provider.Spec{Node: "nd-1", Name: "worker-1", Size: fleet.Size{CPUs: 2, MemoryMiB: 4096}}
	spec.Join.Token = "very-secret"
	at := paths{disk: "/home/machines/nd-1", run: "/run/marina/x/m/nd-1"}
	got := container(spec, at, "/node", "/marina-x/m/nd-1", host{capabilities: []string{"CAP_CHOWN"}, kernelLog: true, openFiles: 1024})

	if !got.Root.Readonly {
		t.Error("the root is writable, and shared by all machines")
	}
	if got.Linux.RootfsPropagation != "" {
		t.Error("mounts of the machine would reach the host")
	}
	for _, text := range append(got.Process.Args, got.Process.Env...) {
		if strings.Contains(text, spec.Join.Token) {
			t.Errorf("the token is in %q, for every process on the host to read", text)
		}
	}
	for _, kind := range []specs.LinuxNamespaceType{specs.PIDNamespace, specs.IPCNamespace, specs.UTSNamespace, specs.MountNamespace, specs.CgroupNamespace, specs.NetworkNamespace} {
		if !slices.ContainsFunc(got.Linux.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == kind }) {
			t.Errorf("the machine shares its %s namespace with the host", kind)
		}
	}
	for _, m := range got.Mounts {
		if m.Type == "bind" && !strings.HasPrefix(m.Source, at.disk+"/") && !strings.HasPrefix(m.Source, at.run+"/") && m.Source != "/dev/kmsg" {
			t.Errorf("the machine sees %s of the host", m.Source)
		}
	}
}

func TestResources(t *testing.T) {
	t.Parallel()
	size := fleet.Size{CPUs: 2, MemoryMiB: 4096}
	one := resources(size, host{})
	if *one.Memory.Limit != 4<<30 || one.Memory.Swap != nil || *one.Pids.Limit < 1000 {
		t.Errorf("limits = %+v, %+v", one.Memory, one.Pids)
	}
	if one.CPU.Quota != nil || *one.CPU.Shares != 2048 {
		t.Errorf("cpu = %+v; with cgroup v1 a limit would keep pods from starting", one.CPU)
	}
	two := resources(size, host{unified: true, limitSwap: true})
	if two.CPU.Quota == nil || *two.CPU.Quota != 2*int64(*two.CPU.Period) || *two.Memory.Swap != 4<<30 {
		t.Errorf("cgroup v2: cpu = %+v, memory = %+v", two.CPU, two.Memory)
	}
}
