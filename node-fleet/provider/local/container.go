package local

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	fleet "github.com/marina-cloud/marina/node-fleet"
	"github.com/marina-cloud/marina/node-fleet/provider"
)

// host is what of this host shows in a container's configuration.
type host struct {
	capabilities []string // that may be given
	unified      bool     // cgroup v2
	limitSwap    bool
	kernelLog    bool // /dev/kmsg is there, which the kubelet wants
	openFiles    uint64
}

func lookAtHost(limitSwap bool) (h host, err error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return h, fmt.Errorf("look at capabilities: %w", err)
	}
	if h.capabilities, err = boundingSet(string(status)); err != nil {
		return h, err
	}
	var s unix.Statfs_t
	if err := unix.Statfs("/sys/fs/cgroup", &s); err != nil {
		return h, fmt.Errorf("look at cgroups: %w", err)
	}
	h.unified = s.Type == unix.CGROUP2_SUPER_MAGIC
	h.limitSwap = limitSwap
	_, err = os.Stat("/dev/kmsg")
	h.kernelLog = err == nil
	var files unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err != nil {
		return h, fmt.Errorf("look at limits: %w", err)
	}
	h.openFiles = files.Max
	return h, nil
}

// boundingSet returns the capabilities in the line CapBnd of proc_pid_status(5):
// no child of this process can have another one.
func boundingSet(status string) ([]string, error) {
	for line := range strings.Lines(status) {
		text, ok := strings.CutPrefix(line, "CapBnd:")
		if !ok {
			continue
		}
		bits, err := strconv.ParseUint(strings.TrimSpace(text), 16, 64)
		if err != nil {
			return nil, fmt.Errorf("look at capabilities: %w", err)
		}
		var names []string
		for n, name := range capabilities {
			if bits&(1<<n) != 0 {
				names = append(names, "CAP_"+name)
			}
		}
		return names, nil
	}
	return nil, fmt.Errorf("look at capabilities: the kernel does not say")
}

// capabilities in the order of their numbers (linux/capability.h).
var capabilities = []string{
	"CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID",
	"SETPCAP", "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW",
	"IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT",
	"SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD",
	"LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG",
	"WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF", "CHECKPOINT_RESTORE",
}

const agentProgram = "/usr/bin/marina-agent"

// container returns the configuration of a machine's container. It is pure.
func container(spec provider.Spec, p paths, nodeRoot, cgroup string, h host) *specs.Spec {
	return &specs.Spec{
		Version:  specs.Version,
		Hostname: spec.Name,
		Root:     &specs.Root{Path: nodeRoot, Readonly: true},
		Process: &specs.Process{
			Args: []string{agentProgram, "run", "--ticket", joinMount + "/" + ticketName},
			Cwd:  "/",
			Env: []string{
				"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
				"HOME=/root",
			},
			Capabilities: &specs.LinuxCapabilities{
				Bounding: h.capabilities, Effective: h.capabilities, Permitted: h.capabilities,
			},
			Rlimits: []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Hard: h.openFiles, Soft: h.openFiles}},
		},
		Mounts: mounts(p, h),
		Linux: &specs.Linux{
			Namespaces: []specs.LinuxNamespace{
				{Type: specs.PIDNamespace},
				{Type: specs.IPCNamespace},
				{Type: specs.UTSNamespace},
				{Type: specs.MountNamespace},
				{Type: specs.CgroupNamespace},
				{Type: specs.NetworkNamespace, Path: p.namespace()},
			},
			CgroupsPath: cgroup,
			Resources:   resources(spec.Size, h),
		},
	}
}

// mounts of a machine. Nothing of it is shared with the host: what the machine
// mounts stays in its mount namespace and goes with it. (The agent makes its
// mounts shared among themselves, as kubelet and containerd need; runc's
// rootfsPropagation "shared" would share them with a host whose root is shared.)
func mounts(p paths, h host) []specs.Mount {
	m := []specs.Mount{
		{Destination: "/proc", Type: "proc", Source: "proc"},
		{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "strictatime", "mode=755", "size=65536k"}},
		{Destination: "/dev/pts", Type: "devpts", Source: "devpts", Options: []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
		{Destination: "/dev/shm", Type: "tmpfs", Source: "shm", Options: []string{"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}},
		{Destination: "/dev/mqueue", Type: "mqueue", Source: "mqueue", Options: []string{"nosuid", "noexec", "nodev"}},
		{Destination: "/sys", Type: "sysfs", Source: "sysfs", Options: []string{"nosuid", "noexec", "nodev", "rw"}},
		// Writable: pods' cgroups are made in here, below the machine's own.
		{Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup", Options: []string{"nosuid", "noexec", "nodev", "relatime", "rw"}},
		{Destination: "/run", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "nodev", "mode=755"}},
		{Destination: "/tmp", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "nodev", "mode=1777"}},
		{Destination: "/etc", Type: "bind", Source: p.etc(), Options: []string{"bind", "rw"}},
		// A real file system: overlayfs cannot be an upper layer of overlayfs.
		{Destination: "/var", Type: "bind", Source: p.data(), Options: []string{"bind", "rw"}},
		{Destination: joinMount, Type: "bind", Source: p.join(), Options: []string{"bind", "rw"}},
	}
	if h.kernelLog {
		m = append(m, specs.Mount{Destination: "/dev/kmsg", Type: "bind", Source: "/dev/kmsg", Options: []string{"bind", "rw"}})
	}
	return m
}

// resources limits a machine to its size.
//
// With cgroup v1 the processors are a share and not a limit: there a group may
// not have a higher limit than the one above it, so that a pod whose limit
// exceeds its machine's size, which Kubernetes allows, could not start.
func resources(size fleet.Size, h host) *specs.LinuxResources {
	memory := int64(size.MemoryMiB) << 20
	pids := int64(4096 * max(1, size.CPUs))
	r := &specs.LinuxResources{
		Devices: []specs.LinuxDeviceCgroup{{Allow: true, Access: "rwm"}},
		Memory:  &specs.LinuxMemory{Limit: &memory},
		Pids:    &specs.LinuxPids{Limit: &pids},
		CPU:     &specs.LinuxCPU{Shares: ptr(uint64(1024 * max(1, size.CPUs)))},
	}
	if h.limitSwap {
		r.Memory.Swap = &memory // memory and swap together: none of it is swap
	}
	if h.unified && size.CPUs > 0 {
		const period = 100_000 // microseconds; the kernel's default
		r.CPU.Period, r.CPU.Quota = ptr(uint64(period)), ptr(int64(period*size.CPUs))
	}
	return r
}

func ptr[T any](v T) *T { return &v }
