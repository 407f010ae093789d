package main

import (
	"context"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// observe describes the machine, without which a figure says little.
func observe(ctx context.Context) map[string]any {
	e := map[string]any{
		"time": time.Now().UTC().Format(time.RFC3339), "go": runtime.Version(), "cpus": runtime.NumCPU(),
		"cpu": field("/proc/cpuinfo", "model name"), "load": strings.Join(strings.Fields(read("/proc/loadavg"))[:3], " "),
		"memory": field("/proc/meminfo", "MemTotal"), "available": field("/proc/meminfo", "MemAvailable"),
	}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		e["kernel"] = unix.ByteSliceToString(u.Release[:])
	}
	if out, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty").Output(); err == nil {
		e["commit"] = strings.TrimSpace(string(out))
	}
	return e
}

func read(file string) string {
	data, err := os.ReadFile(file)
	if err != nil {
		return "? ? ?"
	}
	return string(data)
}

// field returns the value of the first "name : value" line of a file below /proc.
func field(file, name string) string {
	for line := range strings.Lines(read(file)) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == name {
			return strings.TrimSpace(v)
		}
	}
	return ""
}
