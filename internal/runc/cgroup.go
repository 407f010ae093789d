package runc

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const cgroupMount = "/sys/fs/cgroup"

// unified reports whether this host has cgroup v2 alone.
func unified() bool {
	var st unix.Statfs_t
	return unix.Statfs(cgroupMount, &st) == nil && st.Type == unix.CGROUP2_SUPER_MAGIC
}

// hierarchies returns the roots of all cgroup hierarchies: one with v2, one for
// each controller with v1.
func hierarchies() ([]string, error) {
	if unified() {
		return []string{cgroupMount}, nil
	}
	entries, err := os.ReadDir(cgroupMount)
	if err != nil {
		return nil, fmt.Errorf("look for cgroups: %w", err)
	}
	var roots []string
	for _, e := range entries { // symbolic links such as cpu → cpu,cpuacct are no directories
		if e.IsDir() {
			roots = append(roots, filepath.Join(cgroupMount, e.Name()))
		}
	}
	return roots, nil
}

// RemoveCgroup kills whatever runs in the cgroup at path (as in
// spec.Linux.CgroupsPath) and below, and removes it from every hierarchy. It is
// no error that there is none.
func RemoveCgroup(ctx context.Context, path string) error {
	clean := filepath.Clean("/" + path)
	if clean == "/" {
		return errors.New("remove cgroup: refused for the root")
	}
	roots, err := hierarchies()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, killTime)
	defer cancel()
	for _, root := range roots {
		if err := removeTree(ctx, root+clean); err != nil {
			return fmt.Errorf("remove cgroup %s: %w", clean, err)
		}
	}
	return nil
}

// removeTree tries until the last process has left, which the kernel does not
// announce: a cgroup stays busy for a moment after its processes were killed.
func removeTree(ctx context.Context, dir string) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		err := removeOnce(dir)
		if err == nil || !errors.Is(err, unix.EBUSY) {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-tick.C:
		}
	}
}

func removeOnce(dir string) error {
	var all []string // parents before children
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			all = append(all, path)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it went away by itself
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, d := range all {
		if err := killAll(d); err != nil {
			return err
		}
	}
	for i := len(all) - 1; i >= 0; i-- {
		if err := unix.Rmdir(all[i]); err != nil && !errors.Is(err, unix.ENOENT) {
			return err
		}
	}
	return nil
}

// killAll kills the processes of one cgroup.
func killAll(dir string) error {
	list, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) {
		return nil
	}
	if err != nil {
		return err
	}
	for pid := range strings.FieldsSeq(string(list)) {
		n, err := strconv.Atoi(pid)
		if err != nil || n <= 1 { // 0: a process of another pid namespace, which is not ours to kill
			continue
		}
		if err := unix.Kill(n, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("kill process %d: %w", n, err)
		}
	}
	return nil
}

// OOMKills returns how many processes of a cgroup the kernel has killed because
// they needed more memory than its limit; 0 where the cgroup is gone.
func OOMKills(path string) int {
	file := filepath.Join(cgroupMount, "memory", path, "memory.oom_control")
	if unified() {
		file = filepath.Join(cgroupMount, path, "memory.events")
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(data)) {
		if count, ok := strings.CutPrefix(strings.TrimSpace(line), "oom_kill "); ok {
			n, _ := strconv.Atoi(count)
			return n
		}
	}
	return 0
}

// CanLimitSwap reports whether this kernel accounts swap to cgroups, so that
// spec.Linux.Resources.Memory.Swap may be set.
func CanLimitSwap() bool {
	if unified() {
		return true // where swap is compiled out there is nothing to limit, and runc does not mind
	}
	_, err := os.Stat(filepath.Join(cgroupMount, "memory", "memory.memsw.limit_in_bytes"))
	return err == nil
}
