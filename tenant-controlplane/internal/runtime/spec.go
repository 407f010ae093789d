package runtime

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/moby/profiles/seccomp"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/marina-cloud/marina/internal/runc"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/reconcile"
)

const (
	maxTasks   = 1024       // threads and processes; a busy stack has some dozens
	maxFiles   = 1 << 16    // open at once; each watch of a client is one
	cpuPeriod  = 100_000    // microseconds
	tmpfsLimit = "size=64m" // of each tmpfs; it counts as the process's memory, too
)

// specFor is the container of a process. It looks at this machine for what its
// kernel offers, and changes nothing.
func specFor(p reconcile.Process, cgroup string) (*specs.Spec, error) {
	if len(p.Args) == 0 || !filepath.IsAbs(p.Args[0]) {
		return nil, fmt.Errorf("the command line %q does not begin with an absolute path", p.Args)
	}
	binary, err := filepath.EvalSymlinks(p.Binary)
	if err != nil {
		return nil, fmt.Errorf("find the program %s: %w", p.Binary, err)
	}
	mounts, err := mountsOf(p, binary)
	if err != nil {
		return nil, err
	}
	umask := p.Umask
	s := &specs.Spec{
		Version:  specs.Version,
		Root:     &specs.Root{Path: rootDir, Readonly: true},
		Hostname: p.Name,
		Mounts:   mounts,
		Process: &specs.Process{
			User:            specs.User{UID: uint32(p.UID), GID: uint32(p.GID), Umask: &umask},
			Args:            p.Args,
			Env:             p.Env,
			Cwd:             "/",
			Capabilities:    &specs.LinuxCapabilities{},
			NoNewPrivileges: true,
			Rlimits: []specs.POSIXRlimit{
				{Type: "RLIMIT_CORE"}, // a core file would hold keys
				rlimitFiles(),
			},
			// No OOMScoreAdj: to lower it takes CAP_SYS_RESOURCE, which not every
			// host grants.
		},
		Linux: &specs.Linux{
			CgroupsPath:   cgroup,
			Namespaces:    runc.Isolated(),
			Resources:     resources(p),
			MaskedPaths:   runc.MaskedPaths,
			ReadonlyPaths: runc.ReadonlyPaths,
		},
	}
	if s.Linux.Seccomp, err = seccomp.GetDefaultProfile(s); err != nil {
		return nil, fmt.Errorf("make the seccomp profile: %w", err)
	}
	return s, nil
}

// mountsOf is all that the process can see. Whatever is not its program cannot be
// executed.
func mountsOf(p reconcile.Process, binary string) ([]specs.Mount, error) {
	mounts := []specs.Mount{
		{Destination: "/proc", Type: "proc", Source: "proc", Options: []string{"nosuid", "noexec", "nodev"}},
		{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "noexec", "strictatime", "mode=755", "size=64k", "ro"}},
		{Destination: p.Args[0], Type: "bind", Source: binary, Options: []string{"bind", "private", "ro", "nosuid", "nodev"}},
	}
	for _, target := range p.Tmpfs {
		mounts = append(mounts, specs.Mount{
			Destination: target, Type: "tmpfs", Source: "tmpfs",
			Options: []string{"nosuid", "noexec", "nodev", "mode=1777", tmpfsLimit},
		})
	}
	for _, m := range p.Mounts {
		// runc would make a missing source; a typing error must not become a
		// directory of the host.
		if _, err := os.Stat(m.Source); err != nil {
			return nil, fmt.Errorf("mount at %s: %w", m.Target, err)
		}
		access := "rw"
		if m.ReadOnly {
			access = "ro"
		}
		mounts = append(mounts, specs.Mount{
			Destination: m.Target, Type: "bind", Source: m.Source,
			Options: []string{"bind", "private", access, "nosuid", "noexec", "nodev"},
		})
	}
	return mounts, nil
}

func resources(p reconcile.Process) *specs.LinuxResources {
	tasks := int64(maxTasks)
	r := &specs.LinuxResources{
		Devices: []specs.LinuxDeviceCgroup{{Allow: false, Access: "rwm"}}, // runc allows /dev/null and the like again
		Pids:    &specs.LinuxPids{Limit: &tasks},
	}
	if p.CPUs > 0 {
		quota, period := int64(p.CPUs*cpuPeriod), uint64(cpuPeriod)
		r.CPU = &specs.LinuxCPU{Quota: &quota, Period: &period}
	}
	if p.MemoryBytes > 0 {
		limit := p.MemoryBytes
		r.Memory = &specs.LinuxMemory{Limit: &limit}
		if runc.CanLimitSwap() {
			r.Memory.Swap = &limit // memory and swap together: its keys and Secrets reach no disk
		}
	}
	return r
}

// rlimitFiles asks for no more than this process has itself: to raise a hard
// limit takes CAP_SYS_RESOURCE.
func rlimitFiles() specs.POSIXRlimit {
	limit := uint64(maxFiles)
	var own unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &own); err == nil {
		limit = min(limit, own.Max)
	}
	return specs.POSIXRlimit{Type: "RLIMIT_NOFILE", Hard: limit, Soft: limit}
}
