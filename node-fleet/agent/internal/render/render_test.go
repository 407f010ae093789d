package render_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/marina-cloud/marina/node-fleet/agent/internal/render"
	"github.com/marina-cloud/marina/node-fleet/join"
)

var update = flag.Bool("update", false, "write the golden files")

var config = join.Config{
	NodeName: "worker-1", Address: "172.30.1.2", Version: "1.37",
	APIServerName: "kc-1.marina.localhost", TunnelServerName: "tunnel.kc-1.marina.localhost",
	PodCIDR: "10.244.0.0/16", ServiceCIDR: "10.96.0.0/12", DNSAddress: "10.96.0.10", DNSDomain: "cluster.local",
	Labels: map[string]string{"tier": "web", "marina.local/pool": "workers"},
	Taints: []string{"gpu=yes:NoSchedule", "spot:PreferNoSchedule"}, ProviderID: "marina://nd-1",
	MaxPods: 110, CPUs: 1, MemoryMiB: 2048,
}

var host = render.Host{CPUs: 4, MemoryMiB: 16384, OpenFiles: 20000}

// TestGolden shows every file that is written on a node, for a reviewer to see
// what a change does to it.
func TestGolden(t *testing.T) {
	t.Parallel()
	api := render.Endpoint{Name: config.APIServerName, Port: "6443", Authority: "/state/cluster-ca.crt"}
	containerd := render.Containerd{
		Root: "/var/lib/containerd", State: "/run/containerd", Socket: "/run/containerd/containerd.sock",
		Snapshotter: "overlayfs", SandboxImage: "marina.local/pause:1", RestrictOOM: true,
		CNIConfig: "/etc/cni/net.d", CNIBinaries: "/opt/cni/bin", RegistryHosts: "/etc/containerd/certs.d",
	}
	native := containerd
	native.Snapshotter, native.RestrictOOM = "native", false
	for name, got := range map[string][]byte{
		"kubelet.json": render.KubeletConfig(config, host, render.Kubelet{
			ClusterAuthority: "/state/cluster-ca.crt", RuntimeSocket: "/run/containerd/containerd.sock",
			ResolvConf: "/etc/resolv.conf", VolumePlugins: "/var/lib/kubelet/volume-plugins",
		}),
		"kubelet.flags":          lines(render.KubeletFlags(config, "/c.json", "/bootstrap", "/kubeconfig", "/pki")),
		"kubeconfig.json":        render.Kubeconfig(api, "/state/node.crt", "/state/node.key"),
		"kube-proxy.json":        render.ProxyConfig(config, "/kubeconfig", true),
		"containerd.toml":        render.ContainerdConfig(containerd),
		"containerd-native.toml": render.ContainerdConfig(native),
		"hosts.toml": render.RegistryHosts(render.Mirror{
			Name: "nodes.marina.localhost", Port: "6443", Authority: "/ca", Certificate: "/crt", Key: "/key",
		}),
		"cni.json":                render.CNI("10.244.3.0/24", 1500, "/run/cni"),
		"masquerade.nft":          []byte(render.Masquerade(config.PodCIDR)),
		"konnectivity-agent.flag": lines(render.TunnelFlags(config, render.Tunnel{Port: "6443", Authority: "/ca", Certificate: "/crt", Key: "/key"})),
	} {
		path := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s (-want +got; -update accepts it):\n%s", name, diff)
		}
	}
}

func lines(words []string) []byte { return []byte(strings.Join(words, "\n") + "\n") }

func TestReserved(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		why         string
		size        [2]int // CPUs, MiB
		host        render.Host
		cpu, memory string
	}{
		{"a machine of its own size keeps only the system's share", [2]int{2, 4096}, render.Host{CPUs: 2, MemoryMiB: 4096}, "60m", "256Mi"},
		{"what a shared kernel shows beyond the size is not the machine's", [2]int{1, 2048}, render.Host{CPUs: 4, MemoryMiB: 16384}, "3060m", "14592Mi"},
		{"a machine smaller than its size has nothing to give back", [2]int{4, 8192}, render.Host{CPUs: 2, MemoryMiB: 4096}, "60m", "256Mi"},
		{"a machine without a size is as large as it is", [2]int{}, render.Host{CPUs: 8, MemoryMiB: 4096}, "60m", "256Mi"},
	} {
		n := config
		n.CPUs, n.MemoryMiB = c.size[0], c.size[1]
		var got struct{ SystemReserved map[string]string }
		if err := json.Unmarshal(render.KubeletConfig(n, c.host, render.Kubelet{}), &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[string]string{"cpu": c.cpu, "memory": c.memory}, got.SystemReserved); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.why, diff)
		}
	}
}

func TestKubeletWithoutExtras(t *testing.T) {
	t.Parallel()
	n := config
	n.Labels, n.Taints, n.MaxPods = nil, nil, 0
	for _, flag := range render.KubeletFlags(n, "", "", "", "") {
		if strings.HasPrefix(flag, "--node-labels") {
			t.Errorf("without labels there is the flag %q", flag)
		}
	}
	var got map[string]any
	if err := json.Unmarshal(render.KubeletConfig(n, host, render.Kubelet{}), &got); err != nil {
		t.Fatal(err)
	}
	if got["registerWithTaints"] != nil || got["maxPods"] != float64(110) {
		t.Errorf("taints = %v, maxPods = %v", got["registerWithTaints"], got["maxPods"])
	}
}

func TestHosts(t *testing.T) {
	t.Parallel()
	const block = "# marina: begin\n172.30.1.1\ta b\n127.0.0.1\tc\n# marina: end\n"
	for _, c := range []struct{ why, old, want string }{
		{"an empty file", "", block},
		{"what is there stays", "127.0.0.1\tlocalhost\n", "127.0.0.1\tlocalhost\n" + block},
		{"a last line without its end", "127.0.0.1\tlocalhost", "127.0.0.1\tlocalhost\n" + block},
		{"an older block is replaced", "x\n# marina: begin\n9.9.9.9 old\n# marina: end\ny\n", "x\ny\n" + block},
		{"nothing changes the second time", "x\n" + block, "x\n" + block},
	} {
		if got := render.Hosts(c.old, render.Named{Address: "172.30.1.1", Names: []string{"a", "b"}}, render.Named{Address: "127.0.0.1", Names: []string{"c"}}); got != c.want {
			t.Errorf("%s: %q, want %q", c.why, got, c.want)
		}
	}
}
