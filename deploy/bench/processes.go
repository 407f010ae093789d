package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/marina-cloud/marina/internal/home"
	"github.com/marina-cloud/marina/internal/tenant"
)

// parts are the processes of a tenant, by the names of their control groups.
var parts = []string{"etcd", "stack"}

// part is what all tenants' processes of one name hold and have spent, in bytes.
type part struct {
	pss       int64 // proportional: a page that n processes share counts as an n-th
	anonymous int64
	charge    int64 // what their control groups are charged with, page cache included
	cpu       time.Duration
	count     int
}

// look is what is seen of all tenants at one moment, by part.
type look map[string]part

// lookAt adds up the processes of these tenants.
func lookAt(h home.Home, ids []tenant.ClusterID) (look, error) {
	l := look{}
	processes, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	for _, dir := range processes {
		id, name, ok := partOf(memoryCgroup(dir), h.Cgroup())
		if !ok || !slices.Contains(ids, id) {
			continue
		}
		p := l[name]
		if err := p.add(dir); err != nil {
			return nil, err
		}
		l[name] = p
	}
	for _, name := range parts {
		p := l[name]
		if p.count != len(ids) {
			return nil, fmt.Errorf("%d of %d tenants have a running %s", p.count, len(ids), name)
		}
		for _, id := range ids {
			n, err := charge(filepath.Join(h.Cgroup(), string(id), name))
			if err != nil {
				return nil, err
			}
			p.charge += n
		}
		l[name] = p
	}
	return l, nil
}

// add adds a process, given its directory below /proc.
func (p *part) add(dir string) error {
	rollup, err := os.ReadFile(filepath.Join(dir, "smaps_rollup"))
	if err != nil {
		return fmt.Errorf("measure memory: %w", err)
	}
	for line := range strings.Lines(string(rollup)) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		kib, _ := strconv.ParseInt(f[1], 10, 64)
		switch f[0] {
		case "Pss:":
			p.pss += kib << 10
		case "Anonymous:":
			p.anonymous += kib << 10
		}
	}
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return fmt.Errorf("measure time: %w", err)
	}
	// The name, in parentheses, may hold spaces; utime and stime are fields 14 and 15.
	f := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	for _, ticks := range f[11:13] {
		n, err := strconv.ParseInt(ticks, 10, 64)
		if err != nil {
			return fmt.Errorf("read %s/stat: %w", dir, err)
		}
		p.cpu += time.Duration(n) * tick
	}
	p.count++
	return nil
}

// tick is the kernel's unit of CPU time in /proc: USER_HZ is 100 on every
// architecture that Linux offers to programs of today.
const tick = 10 * time.Millisecond

// memoryCgroup is the group that a process's memory is charged to; "" when it is
// gone.
func memoryCgroup(dir string) string {
	data, err := os.ReadFile(filepath.Join(dir, "cgroup"))
	if err != nil {
		return ""
	}
	unified := ""
	for line := range strings.Lines(string(data)) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		switch {
		case len(f) != 3:
		case slices.Contains(strings.Split(f[1], ","), "memory"):
			return f[2]
		case f[0] == "0":
			unified = f[2]
		}
	}
	return unified
}

// charge is what a control group is charged with.
func charge(cgroup string) (int64, error) {
	data, err := os.ReadFile(filepath.Join("/sys/fs/cgroup/memory", cgroup, "memory.usage_in_bytes"))
	if os.IsNotExist(err) {
		data, err = os.ReadFile(filepath.Join("/sys/fs/cgroup", cgroup, "memory.current"))
	}
	if err != nil {
		return 0, fmt.Errorf("read the charge of a control group: %w", err)
	}
	return strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64)
}

func blocks(info os.FileInfo) int64 {
	return 512 * info.Sys().(*syscall.Stat_t).Blocks
}
