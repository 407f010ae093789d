package render

import (
	"fmt"
	"strings"
)

// Containerd is what differs between nodes in containerd's configuration.
type Containerd struct {
	Root          string // directory of images and snapshots
	State         string // directory of what ends with the machine
	Socket        string
	Snapshotter   string // "overlayfs", or "native" where Root is itself an overlay
	SandboxImage  string // never collected
	RestrictOOM   bool   // CAP_SYS_RESOURCE is missing: scores may not be lowered
	CNIConfig     string
	CNIBinaries   string
	RegistryHosts string // directory of hosts.toml files, one directory for each registry
}

// ContainerdConfig returns containerd's configuration, of version 3
// (containerd 2.x, docs/cri/config.md there).
func ContainerdConfig(c Containerd) []byte {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("version = 3")
	line("root = %q", c.Root)
	line("state = %q", c.State)
	line("disabled_plugins = [%s]", quoted(unused))
	line("")
	line("[grpc]")
	line("  address = %q", c.Socket)
	line("")
	line("[plugins.'io.containerd.cri.v1.images']")
	line("  snapshotter = %q", c.Snapshotter)
	line("  [plugins.'io.containerd.cri.v1.images'.pinned_images]")
	line("    sandbox = %q", c.SandboxImage)
	line("  [plugins.'io.containerd.cri.v1.images'.registry]")
	line("    config_path = %q", c.RegistryHosts)
	line("")
	line("[plugins.'io.containerd.cri.v1.runtime']")
	line("  restrict_oom_score_adj = %t", c.RestrictOOM)
	line("  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]")
	line("    runtime_type = \"io.containerd.runc.v2\"")
	line("    [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]")
	line("      SystemdCgroup = false")
	line("  [plugins.'io.containerd.cri.v1.runtime'.cni]")
	line("    bin_dirs = [%q]", c.CNIBinaries)
	line("    conf_dir = %q", c.CNIConfig)
	if c.Snapshotter != "overlayfs" { // the default of both plugins
		line("")
		line("[plugins.'io.containerd.transfer.v1.local']")
		line("  [[plugins.'io.containerd.transfer.v1.local'.unpack_config]]")
		line("    platform = \"linux\"")
		line("    snapshotter = %q", c.Snapshotter)
	}
	return []byte(b.String())
}

// Mirror is how containerd reaches the platform's registry mirror.
type Mirror struct {
	Name        string // that leads to the gateway: see Hosts
	Port        string // of the gateway
	Authority   string // file
	Certificate string // file; of the platform's node identity
	Key         string // file
}

// RegistryHosts returns the hosts.toml that makes containerd ask the platform for
// every image before it asks the image's own registry. The files are read again
// for each pull (containerd, docs/hosts.md).
func RegistryHosts(m Mirror) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "[host.%q]\n", "https://"+m.Name+":"+m.Port)
	fmt.Fprintf(&b, "  capabilities = [\"pull\", \"resolve\"]\n")
	fmt.Fprintf(&b, "  ca = %q\n", m.Authority)
	fmt.Fprintf(&b, "  client = [[%q, %q]]\n", m.Certificate, m.Key)
	return []byte(b.String())
}

// unused are plugins that need kernel features or programs that a node does not
// have, and would only take time at start.
var unused = []string{
	"io.containerd.snapshotter.v1.blockfile",
	"io.containerd.snapshotter.v1.btrfs",
	"io.containerd.snapshotter.v1.devmapper",
	"io.containerd.snapshotter.v1.erofs",
	"io.containerd.snapshotter.v1.zfs",
	"io.containerd.differ.v1.erofs",
	"io.containerd.nri.v1.nri",
	"io.containerd.tracing.processor.v1.otlp",
	"io.containerd.internal.v1.tracing",
}

func quoted(texts []string) string {
	out := make([]string, len(texts))
	for i, t := range texts {
		out[i] = fmt.Sprintf("%q", t)
	}
	return strings.Join(out, ", ")
}
