package runc

import (
	"os"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// Isolated are namespaces that are all new, so that the network is a loopback
// interface and nothing else: runc brings it up.
func Isolated() []specs.LinuxNamespace {
	all := []specs.LinuxNamespace{
		{Type: specs.PIDNamespace},
		{Type: specs.IPCNamespace},
		{Type: specs.UTSNamespace},
		{Type: specs.MountNamespace},
		{Type: specs.NetworkNamespace},
	}
	if _, err := os.Stat("/proc/self/ns/cgroup"); err == nil {
		all = append(all, specs.LinuxNamespace{Type: specs.CgroupNamespace})
	}
	return all
}

// What of /proc is hidden from a container and what it cannot write to: runc's own
// defaults (libcontainer/specconv).
var (
	MaskedPaths = []string{
		"/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
		"/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats",
	}
	ReadonlyPaths = []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}
)
