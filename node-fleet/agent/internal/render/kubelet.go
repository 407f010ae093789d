package render

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/marina-cloud/marina/node-fleet/join"
)

// Host is what the kernel says the machine has, which on a machine that shares
// its kernel with others is more than the machine may use.
type Host struct {
	CPUs      int
	MemoryMiB int
	OpenFiles uint64 // that one process may have
}

// Kubelet is where the kubelet finds things.
type Kubelet struct {
	ClusterAuthority string // file; who signs clients of the kubelet's own API
	RuntimeSocket    string
	ResolvConf       string
	VolumePlugins    string // directory; the default is below /usr, which may be read-only
}

const (
	// systemCPU and systemMemoryMiB of a machine's size are kept for its own
	// programs: containerd, kubelet, kube-proxy and the agents take about this
	// much when idle.
	systemCPU       = 60 // thousandths
	systemMemoryMiB = 256
)

// KubeletConfig returns the KubeletConfiguration of a node.
func KubeletConfig(c join.Config, host Host, k Kubelet) []byte {
	config := object{
		"apiVersion": "kubelet.config.k8s.io/v1beta1",
		"kind":       "KubeletConfiguration",

		"authentication": object{
			"anonymous": object{"enabled": false},
			"webhook":   object{"enabled": true},
			"x509":      object{"clientCAFile": k.ClusterAuthority},
		},
		"authorization":      object{"mode": "Webhook"},
		"rotateCertificates": true,
		"serverTLSBootstrap": true,
		"tlsMinVersion":      "VersionTLS12",
		"readOnlyPort":       0,
		"healthzBindAddress": "127.0.0.1",

		"containerRuntimeEndpoint": "unix://" + k.RuntimeSocket,
		"cgroupDriver":             "cgroupfs",
		"failCgroupV1":             false,
		"failSwapOn":               false,
		// The tunables are those of the whole machine, or of the host of a local
		// one; the kubelet sets the few that it must have.
		"protectKernelDefaults": false,

		"clusterDNS":    []string{c.DNSAddress},
		"clusterDomain": c.DNSDomain,
		"resolvConf":    k.ResolvConf,
		"providerID":    c.ProviderID,
		"maxPods":       maxPods(c),

		"volumePluginDir": k.VolumePlugins,
		"maxOpenFiles":    min(host.OpenFiles, 1_000_000), // the default; more than allowed cannot be set

		"systemReserved":         reserved(c, host),
		"enforceNodeAllocatable": []string{"pods"},
		// A machine may share its disk with others, so that a share of the disk
		// says nothing: pods are evicted when little is left in absolute terms.
		"evictionHard": map[string]string{
			"memory.available":   "100Mi",
			"nodefs.available":   "512Mi",
			"nodefs.inodesFree":  "10000",
			"imagefs.available":  "512Mi",
			"imagefs.inodesFree": "10000",
		},
		// 100 switches the collection of images by share of the disk off, for the
		// same reason; eviction still removes unused ones.
		"imageGCHighThresholdPercent": 100,
		"imageGCLowThresholdPercent":  99,
		"serializeImagePulls":         false,
		"maxParallelImagePulls":       4,
	}
	if taints := parseTaints(c.Taints); len(taints) > 0 {
		config["registerWithTaints"] = taints
	}
	return indented(config)
}

// KubeletFlags returns what the kubelet takes as flags only.
func KubeletFlags(c join.Config, config, bootstrap, kubeconfig, certificates string) []string {
	flags := []string{
		"--config=" + config,
		"--bootstrap-kubeconfig=" + bootstrap,
		"--kubeconfig=" + kubeconfig,
		"--cert-dir=" + certificates,
		"--hostname-override=" + c.NodeName,
		"--node-ip=" + c.Address,
	}
	if len(c.Labels) == 0 {
		return flags
	}
	labels := make([]string, 0, len(c.Labels))
	for _, key := range slices.Sorted(maps.Keys(c.Labels)) {
		labels = append(labels, key+"="+c.Labels[key])
	}
	return append(flags, "--node-labels="+strings.Join(labels, ","))
}

func maxPods(c join.Config) int {
	if c.MaxPods > 0 {
		return c.MaxPods
	}
	return 110 // Kubernetes' own default
}

// reserved is what pods may not have: all that the kernel shows beyond the
// machine's size, and the share of the machine's own programs.
func reserved(c join.Config, host Host) map[string]string {
	cpu, memory := systemCPU, systemMemoryMiB
	if c.CPUs > 0 {
		cpu += max(0, host.CPUs-c.CPUs) * 1000
	}
	if c.MemoryMiB > 0 {
		memory += max(0, host.MemoryMiB-c.MemoryMiB)
	}
	return map[string]string{"cpu": fmt.Sprintf("%dm", cpu), "memory": fmt.Sprintf("%dMi", memory)}
}

// parseTaints reads key[=value]:Effect. The platform has checked them; what
// does not look like one is left to the kubelet to refuse.
func parseTaints(texts []string) []map[string]string {
	var taints []map[string]string
	for _, text := range texts {
		rest, effect, _ := strings.Cut(text, ":")
		key, value, _ := strings.Cut(rest, "=")
		taint := map[string]string{"key": key, "effect": effect}
		if value != "" {
			taint["value"] = value
		}
		taints = append(taints, taint)
	}
	return taints
}
