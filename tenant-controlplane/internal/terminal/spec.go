package terminal

import (
	"fmt"
	"path/filepath"
	"strconv"

	"github.com/moby/profiles/seccomp"
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/marina-cloud/marina/internal/runc"
)

const (
	credentialsDir = "credentials"
	passwdFile     = "passwd"
	groupFile      = "group"

	maxTasks    = 128
	maxFiles    = 1024
	memoryBytes = 256 << 20 // kubectl takes 60 MiB
	cpuQuota    = 100_000   // of each 100 ms, in microseconds: one core
	cpuPeriod   = 100_000
)

// specFor is the container of a terminal.
func specFor(root, dir, cgroup string, uid int, cluster string) (*specs.Spec, error) {
	tasks, memory, quota, period := int64(maxTasks), int64(memoryBytes), int64(cpuQuota), uint64(cpuPeriod)
	resources := &specs.LinuxResources{
		Devices: []specs.LinuxDeviceCgroup{{Allow: false, Access: "rwm"}}, // runc allows /dev/null and the like again
		Pids:    &specs.LinuxPids{Limit: &tasks},
		Memory:  &specs.LinuxMemory{Limit: &memory},
		CPU:     &specs.LinuxCPU{Quota: &quota, Period: &period},
	}
	if runc.CanLimitSwap() {
		resources.Memory.Swap = &memory // memory and swap together: credentials reach no disk
	}
	own := func(target, source string) specs.Mount {
		return specs.Mount{
			Destination: target, Type: "bind", Source: filepath.Join(dir, source), Options: []string{"bind", "private", "ro", "nosuid", "noexec", "nodev"},
		}
	}
	id := strconv.Itoa(uid)
	s := &specs.Spec{
		Version:  specs.Version,
		Root:     &specs.Root{Path: root, Readonly: true},
		Hostname: "marina",
		Mounts: []specs.Mount{
			{Destination: "/proc", Type: "proc", Source: "proc", Options: []string{"nosuid", "noexec", "nodev"}},
			{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "noexec", "strictatime", "mode=755", "size=64k"}},
			{Destination: "/dev/pts", Type: "devpts", Source: "devpts", Options: []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"}},
			{Destination: "/tmp", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "nodev", "mode=1777", "size=16m"}},
			{Destination: "/home/me", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "nodev", "mode=700", "size=32m", "uid=" + id, "gid=" + id}},
			own("/run/marina", credentialsDir),
			own("/etc/passwd", passwdFile),
			own("/etc/group", groupFile),
		},
		Process: &specs.Process{
			Terminal: true,
			User:     specs.User{UID: uint32(uid), GID: uint32(uid)},
			Args:     []string{"/usr/bin/bash", "--login"},
			Env: []string{
				"PATH=/usr/bin", "HOME=/home/me", "USER=me", "SHELL=/usr/bin/bash", "TERM=xterm-256color", "LANG=C.UTF-8", "INPUTRC=/etc/inputrc",
				"KUBECONFIG=/run/marina/kubeconfig", "MARINA_CLUSTER=" + cluster,
			},
			Cwd:             "/home/me",
			Capabilities:    &specs.LinuxCapabilities{},
			NoNewPrivileges: true,
			Rlimits: []specs.POSIXRlimit{
				{Type: "RLIMIT_CORE"}, // a core file would hold keys
				{Type: "RLIMIT_NOFILE", Hard: maxFiles, Soft: maxFiles},
			},
		},
		Linux: &specs.Linux{
			CgroupsPath: cgroup, Namespaces: runc.Isolated(), Resources: resources,
			MaskedPaths: runc.MaskedPaths, ReadonlyPaths: runc.ReadonlyPaths,
		},
	}
	var err error
	if s.Linux.Seccomp, err = seccomp.GetDefaultProfile(s); err != nil {
		return nil, fmt.Errorf("make the seccomp profile: %w", err)
	}
	return s, nil
}
