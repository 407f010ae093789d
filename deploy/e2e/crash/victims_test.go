//go:build integration

package crash_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/marina-cloud/marina/deploy/host"
	"github.com/marina-cloud/marina/internal/home"
)

// victim is a kind of process of an installation that may die at any moment.
type victim struct {
	name string
	// find returns those that run now.
	find func(h home.Home) []int
	// lose takes away what is lost together with the process; nil: nothing.
	lose func(h home.Home) error
}

var victims = []victim{
	{name: "marina", find: server},
	{name: "router", find: router},
	{name: "etcd", find: inContainers("marina-etcd")},
	{name: "stack", find: inContainers("marina-kubernet")}, // comm holds 15 characters
	{name: "machine", find: inContainers("marina-agent")},  // its first process, with which all others end
	{name: "agent", find: inMachines("marina-agent")},
	{name: "containerd", find: inMachines("containerd")},
	{name: "Postgres", find: postgres},
	// NATS runs inside of marina: they die together.
	{name: "NATS", find: server},
	{name: "NATS and its data", find: server, lose: func(h home.Home) error { return os.RemoveAll(h.Path("nats")) }},
}

// kill kills all processes of v, and reports whether there were any.
func (v victim) kill(t *testing.T, h home.Home) bool {
	t.Helper()
	found := v.find(h)
	for _, pid := range found {
		_ = unix.Kill(pid, unix.SIGKILL) // it may have ended by itself
	}
	if v.lose != nil && len(found) > 0 {
		if err := v.lose(h); err != nil {
			t.Errorf("%s: %v", v.name, err)
		}
	}
	return len(found) > 0
}

func server(h home.Home) []int {
	p, ok, err := host.Find(host.ServerFile(h))
	if err != nil || !ok {
		return nil
	}
	return []int{p.PID}
}

func router(h home.Home) []int {
	p, ok, err := host.ServingRouter(h)
	if err != nil || !ok {
		return nil
	}
	return []int{p.PID}
}

func postgres(h home.Home) []int {
	text, err := os.ReadFile(h.Path("postgres", "postmaster.pid"))
	if err != nil {
		return nil // it is not up
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		return nil // it is being written
	}
	return []int{pid}
}

// inContainers returns the first processes of containers, by their name.
func inContainers(comm string) func(home.Home) []int {
	return func(h home.Home) []int {
		states, _ := filepath.Glob(filepath.Join(h.Runc(), "*", "state.json"))
		var pids []int
		for _, file := range states {
			var state struct {
				PID int `json:"init_process_pid"`
			}
			text, err := os.ReadFile(file)
			if err != nil || json.Unmarshal(text, &state) != nil {
				continue // it is going, or being written
			}
			if named(state.PID) == comm {
				pids = append(pids, state.PID)
			}
		}
		return pids
	}
}

// inMachines returns processes of machines besides the first ones, by their name.
func inMachines(comm string) func(home.Home) []int {
	return func(h home.Home) []int {
		first := inContainers(comm)(h)
		all, _ := filepath.Glob("/proc/[0-9]*")
		var pids []int
		for _, dir := range all {
			pid, err := strconv.Atoi(filepath.Base(dir))
			if err != nil || named(pid) != comm || slices.Contains(first, pid) {
				continue
			}
			if groups, err := os.ReadFile(filepath.Join(dir, "cgroup")); err == nil && strings.Contains(string(groups), h.Cgroup()+"/") {
				pids = append(pids, pid)
			}
		}
		return pids
	}
}

// named returns the name of a process that lives; empty: it does not.
func named(pid int) string {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return ""
	}
	// PID (NAME) STATE …; a zombie is dead already (proc_pid_stat(5)).
	_, rest, _ := strings.Cut(string(text), "(")
	name, state, ok := strings.Cut(rest, ") ")
	if !ok || strings.HasPrefix(state, "Z") || strings.HasPrefix(state, "X") {
		return ""
	}
	return name
}
