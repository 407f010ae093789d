package agent

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/marina-cloud/marina/node-fleet/agent/internal/render"
)

// host is what the machine's kernel offers.
type host struct {
	render.Host
	mayLowerOOMScore bool // CAP_SYS_RESOURCE
}

func look() (h host, err error) {
	h.CPUs = runtime.NumCPU()
	memory, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return h, fmt.Errorf("look at the machine's memory: %w", err)
	}
	kib, err := field(memory, "MemTotal:", 10)
	if err != nil {
		return h, fmt.Errorf("look at the machine's memory: %w", err)
	}
	h.MemoryMiB = int(kib >> 10)
	var files unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err != nil {
		return h, fmt.Errorf("look at limits: %w", err)
	}
	h.OpenFiles = files.Max
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return h, fmt.Errorf("look at capabilities: %w", err)
	}
	capabilities, err := field(status, "CapEff:", 16)
	if err != nil {
		return h, fmt.Errorf("look at capabilities: %w", err)
	}
	h.mayLowerOOMScore = capabilities&(1<<unix.CAP_SYS_RESOURCE) != 0
	return h, nil
}

// field returns the number after name in a file of lines "name number …".
func field(text []byte, name string, base int) (uint64, error) {
	for line := range bytes.Lines(text) {
		rest, ok := strings.CutPrefix(string(line), name)
		if words := strings.Fields(rest); ok && len(words) > 0 {
			return strconv.ParseUint(words[0], base, 64)
		}
	}
	return 0, fmt.Errorf("no line %q", name)
}

const runtimeSocket = containerdState + "/containerd.sock"

func runtimeConfig() ([]byte, error) {
	h, err := look()
	if err != nil {
		return nil, err
	}
	sandbox, err := sandboxImage()
	if err != nil {
		return nil, err
	}
	return render.ContainerdConfig(render.Containerd{
		Root:          containerdRoot,
		State:         containerdState,
		Socket:        runtimeSocket,
		Snapshotter:   snapshotter(),
		SandboxImage:  sandbox,
		RestrictOOM:   !h.mayLowerOOMScore,
		CNIConfig:     cniConfig,
		CNIBinaries:   cniProgram,
		RegistryHosts: containerdHosts,
	}), nil
}

// snapshotter returns containerd's snapshotter for the file system that holds
// its data: an overlay cannot have an overlay as its upper layer.
func snapshotter() string {
	var s unix.Statfs_t
	if unix.Statfs(filepath.Dir(containerdRoot), &s) == nil && s.Type == unix.OVERLAYFS_SUPER_MAGIC {
		return "native"
	}
	return "overlayfs"
}

// prepareMachine does what a machine's own boot may not have done.
func prepareMachine() error {
	// The kubelet's and containerd's mounts have to be seen by both, and by pods
	// that ask for it, as on a machine that systemd booted.
	if err := unix.Mount("", "/", "", unix.MS_SHARED|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("share mounts: %w", err)
	}
	for _, dir := range []string{containerdRoot, containerdHosts, cniConfig, logs, "/var/lib/kubelet"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("make directory: %w", err)
		}
	}
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0); err != nil {
		return fmt.Errorf("let the kernel forward packets: %w", err)
	}
	return makeRoomForPods("/sys/fs/cgroup")
}

// makeRoomForPods moves the machine's processes from the root of its cgroup
// namespace into a group of their own. With cgroup v2 a group that has processes
// cannot have groups with controllers below it (cgroups(7), "no internal
// processes"), and the kubelet's would be. It does nothing with cgroup v1, or on
// a machine whose root is that of the whole system, which is exempt.
func makeRoomForPods(root string) error {
	if !exists(filepath.Join(root, "cgroup.controllers")) || !exists(filepath.Join(root, "cgroup.type")) {
		return nil
	}
	own := filepath.Join(root, "marina")
	if err := os.Mkdir(own, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make cgroup: %w", err)
	}
	list, err := os.ReadFile(filepath.Join(root, "cgroup.procs"))
	if err != nil {
		return fmt.Errorf("list processes: %w", err)
	}
	for pid := range strings.FieldsSeq(string(list)) {
		err := os.WriteFile(filepath.Join(own, "cgroup.procs"), []byte(pid), 0)
		if err != nil && !errors.Is(err, unix.ESRCH) { // it has ended meanwhile
			return fmt.Errorf("move process %s: %w", pid, err)
		}
	}
	controllers, err := os.ReadFile(filepath.Join(root, "cgroup.controllers"))
	if err != nil {
		return fmt.Errorf("list cgroup controllers: %w", err)
	}
	for c := range strings.FieldsSeq(string(controllers)) {
		if err := os.WriteFile(filepath.Join(root, "cgroup.subtree_control"), []byte("+"+c), 0); err != nil {
			return fmt.Errorf("enable cgroup controller %s for pods: %w", c, err)
		}
	}
	return nil
}
