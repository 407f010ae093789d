//go:build integration

package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/google/go-cmp/cmp"

	"github.com/marina-cloud/marina/internal/home"
	"github.com/marina-cloud/marina/internal/runc"
	"github.com/marina-cloud/marina/internal/runc/runctest"
	"github.com/marina-cloud/marina/internal/tenant"
	"github.com/marina-cloud/marina/node-fleet/provider"
	"github.com/marina-cloud/marina/node-fleet/provider/providertest"
)

// nodeRoot is a root file system whose agent is testdata/agent.
var nodeRoot string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "marina-node-")
	if err == nil {
		defer os.RemoveAll(dir)
		err = makeNodeRoot(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	nodeRoot = dir
	return m.Run()
}

func makeNodeRoot(dir string) error {
	for _, d := range []string{"dev", "etc", "proc", "run", "sys", "tmp", "usr/bin", "var/lib"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return err
		}
	}
	build := exec.Command("go", "build", "-o", filepath.Join(dir, agentProgram), "./testdata/agent")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build agent: %w: %s", err, out)
	}
	return nil
}

// open returns a provider in a home of its own, and fails the test when anything
// of it is left on the host at the end.
func open(t *testing.T) *Provider {
	t.Helper()
	h, err := home.At(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	p := openAt(t, h)
	before := lookAround(t)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
		defer cancel()
		if err := p.Purge(ctx); err != nil {
			t.Errorf("Purge: %v", err)
		}
		if left, _ := os.ReadDir(h.Path("machines")); len(left) > 0 {
			t.Errorf("machines left on disk: %v", left)
		}
		if _, err := os.Stat(h.NetworkNamespace()); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the network namespace is left: %v", err)
		}
		if diff := cmp.Diff(before, lookAround(t)); diff != "" {
			t.Errorf("the host is not as it was (-before +after):\n%s", diff)
		}
		os.RemoveAll(h.Run())
	})
	return p
}

func openAt(t *testing.T, h home.Home) *Provider {
	t.Helper()
	p, err := New(Config{Home: h, NodeRoot: nodeRoot, Runc: runc.Runc{Binary: runctest.Binary(t), Root: h.Runc()}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// lookAround returns what of the host a machine could leave behind: links,
// mounts, cgroups and processes of this test's homes.
func lookAround(t *testing.T) map[string][]string {
	t.Helper()
	links, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string][]string{}
	for _, l := range links {
		seen["links"] = append(seen["links"], l.Name)
	}
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	mine := strings.TrimSuffix(filepath.Dir(t.TempDir()), "/")
	for line := range strings.Lines(string(table)) {
		if strings.Contains(line, mine) {
			seen["mounts"] = append(seen["mounts"], line)
		}
	}
	programs, err := filepath.Glob("/proc/[0-9]*/exe")
	if err != nil {
		t.Fatal(err)
	}
	for _, exe := range programs {
		if target, err := os.Readlink(exe); err == nil && strings.HasPrefix(target, agentProgram) {
			if root, err := os.ReadFile(filepath.Join(filepath.Dir(exe), "mountinfo")); err == nil && bytes.Contains(root, []byte(mine)) {
				seen["processes"] = append(seen["processes"], exe)
			}
		}
	}
	return seen
}

func cgroupsOf(t *testing.T, h home.Home) []string {
	t.Helper()
	var found []string
	for _, pattern := range []string{"/sys/fs/cgroup" + h.Cgroup(), "/sys/fs/cgroup/*" + h.Cgroup()} {
		groups, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, groups...)
	}
	return found
}

func kill(p *Provider) func(*testing.T, tenant.NodeID) {
	return func(t *testing.T, node tenant.NodeID) {
		t.Helper()
		init, err := p.config.Runc.Init(t.Context(), string(node))
		if err != nil {
			t.Fatal(err)
		}
		if err := init.Signal(unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		if _, err := init.Wait(ctx); err != nil {
			t.Fatal(err)
		}
	}
}

func TestConformance(t *testing.T) {
	providertest.Run(t, func(t *testing.T) providertest.Fixture {
		p := open(t)
		return providertest.Fixture{
			Provider: p,
			Kill:     kill(p),
			Reopen:   func(t *testing.T) provider.Provider { return openAt(t, p.config.Home) },
		}
	})
}

// start creates a machine and waits until its agent has made its mess.
func start(t *testing.T, p *Provider, cluster tenant.ClusterID, name string) (provider.Spec, provider.Machine) {
	t.Helper()
	spec := providertest.Spec(cluster, name)
	m, err := p.Create(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	awaitReady(t, p, spec.Node)
	return spec, m
}

func awaitReady(t *testing.T, p *Provider, node tenant.NodeID) {
	t.Helper()
	files := pathsOf(p.config.Home, node)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); ; {
		if _, err := os.Stat(filepath.Join(files.data(), "ready")); err == nil {
			return
		}
		if time.Now().After(deadline) {
			log, _ := os.ReadFile(files.log())
			t.Fatalf("the agent did not come up:\n%s", log)
		}
		<-tick.C
	}
}

// TestNothingIsLeft lets machines make mounts, cgroups and namespaces of their
// own before they go.
func TestNothingIsLeft(t *testing.T) {
	p := open(t)
	cluster := tenant.NewClusterID()
	for _, dies := range []bool{false, true} {
		spec, _ := start(t, p, cluster, "worker")
		if dies {
			kill(p)(t, spec.Node)
		}
		if err := p.Delete(t.Context(), spec.Node); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(p.config.Home.Machine(spec.Node)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the machine's disk is left: %v", err)
		}
		if _, err := os.Stat(pathsOf(p.config.Home, spec.Node).run); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the machine's run directory is left: %v", err)
		}
	}
	if err := p.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left := cgroupsOf(t, p.config.Home); len(left) > 0 {
		t.Errorf("cgroups are left: %v", left)
	}
}

// TestReboot takes everything away that a reboot takes.
func TestReboot(t *testing.T) {
	p := open(t)
	cluster := tenant.NewClusterID()
	spec, before := start(t, p, cluster, "worker-1")
	other, _ := start(t, p, cluster, "worker-2")
	files := pathsOf(p.config.Home, spec.Node)
	mark := filepath.Join(files.data(), "mark")
	if err := os.WriteFile(mark, []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := p.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(p.config.Home.Run()); err != nil {
		t.Fatal(err)
	}
	again := openAt(t, p.config.Home)
	if m, err := again.Machine(t.Context(), spec.Node); err != nil || m.Running || m.Address != before.Address {
		t.Errorf("Machine after a reboot = %+v, %v; want it known and not running", m, err)
	}
	if err := os.Remove(filepath.Join(files.data(), "ready")); err != nil {
		t.Fatal(err)
	}
	after, err := again.Create(t.Context(), spec)
	if err != nil || after != before {
		t.Errorf("Create after a reboot = %+v, %v; want %+v", after, err, before)
	}
	awaitReady(t, again, spec.Node)
	if text, err := os.ReadFile(mark); err != nil || string(text) != "kept" {
		t.Errorf("the disk lost a file: %q, %v", text, err)
	}
	if m, err := again.Machine(t.Context(), other.Node); err != nil || m.Running {
		t.Errorf("the other machine = %+v, %v; want it as it was", m, err)
	}
}

// TestNetwork checks who reaches whom.
func TestNetwork(t *testing.T) {
	p := open(t)
	one, two := tenant.NewClusterID(), tenant.NewClusterID()
	a, _ := start(t, p, one, "worker-1")
	_, b := start(t, p, one, "worker-2")
	_, c := start(t, p, two, "worker-1")

	var listeners []net.Listener
	if err := within(p.config.Home.NetworkNamespace(), func() error {
		for _, port := range []string{"6443", "2222"} {
			l, err := net.Listen("tcp", ":"+port)
			if err != nil {
				return err
			}
			listeners = append(listeners, l)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for _, l := range listeners {
		defer l.Close()
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				c.Close()
			}
		}()
	}
	if own, host := namespaceOf(t, p.config.Home.NetworkNamespace()), namespaceOf(t, "/proc/thread-self/ns/net"); os.SameFile(own, host) {
		t.Error("machines are on the host's own network: only the firewall keeps them from what listens there")
	}
	from := pathsOf(p.config.Home, a.Node).namespace()
	for _, c := range []struct {
		why, address string
		reached      bool
	}{
		{"the router at the gateway's address is what a machine is for", "172.30.1.1:6443", true},
		{"nothing else of the gateway is", "172.30.1.1:2222", false},
		{"machines of a cluster reach one another", b.Address + ":80", true},
		{"but not those of another cluster", c.Address + ":80", false},
		{"nor another cluster's gateway", "172.30.2.1:6443", false},
		{"there is no way out", "198.51.100.1:80", false},
	} {
		var dialed error
		began := time.Now()
		if err := within(from, func() error {
			d := net.Dialer{Timeout: 5 * time.Second}
			conn, err := d.DialContext(t.Context(), "tcp", c.address)
			if err == nil {
				conn.Close()
			}
			dialed = err
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if (dialed == nil) != c.reached {
			t.Errorf("%s: dialing %s gave %v", c.why, c.address, dialed)
		}
		if took := time.Since(began); !c.reached && took > 3*time.Second {
			t.Errorf("%s: the refusal of %s took %s; it should be answered", c.why, c.address, took)
		}
	}
}

func namespaceOf(t *testing.T, path string) os.FileInfo {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func TestTicket(t *testing.T) {
	p := open(t)
	spec, _ := start(t, p, tenant.NewClusterID(), "worker-1")
	files := pathsOf(p.config.Home, spec.Node)
	text, err := os.ReadFile(files.ticket())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(text, []byte(`"gateway":"172.30.1.1:6443"`)) || !bytes.Contains(text, []byte(spec.Join.Token)) {
		t.Errorf("ticket = %s, want the token and the gateway's address", text)
	}
	info, err := os.Stat(files.ticket())
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode of the ticket = %v, %v", info.Mode(), err)
	}
	if !strings.HasPrefix(files.ticket(), p.config.Home.Run()+"/") {
		t.Errorf("the ticket is at %s, which outlives a reboot", files.ticket())
	}
	config, err := os.ReadFile(filepath.Join(files.bundle(), "config.json"))
	if err != nil || bytes.Contains(config, []byte(spec.Join.Token)) {
		t.Errorf("the container's configuration holds the token: %v", err)
	}

	spec.Join.Token = "a newer one"
	if _, err := p.Create(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	if text, err = os.ReadFile(files.ticket()); err != nil || !bytes.Contains(text, []byte("a newer one")) {
		t.Errorf("ticket = %s, %v; want the newer one, as the first was not used", text, err)
	}
	if err := os.Remove(files.ticket()); err != nil { // as the agent does
		t.Fatal(err)
	}
	if _, err := p.Create(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	if _, err = os.Stat(files.ticket()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a machine that has joined got a ticket: %v", err)
	}
}

func TestReleaseIsRefused(t *testing.T) {
	p := open(t)
	spec, _ := start(t, p, tenant.NewClusterID(), "worker-1")
	if err := p.Release(t.Context(), spec.Cluster); err == nil {
		t.Error("the network of a machine was released")
	}
}

// TestCreateMendsAnything removes or spoils one thing at a time of a machine that
// died, as a crash in the middle of anything might.
func TestCreateMendsAnything(t *testing.T) {
	p := open(t)
	spec, m := start(t, p, tenant.NewClusterID(), "worker-1")
	files := pathsOf(p.config.Home, spec.Node)
	for _, c := range []struct {
		why   string
		spoil func() error
	}{
		{"nothing", func() error { return nil }},
		{"no memory of the process", func() error { return os.Remove(files.init()) }},
		{"half a memory of the process", func() error { return os.WriteFile(files.init(), []byte("{"), 0o600) }},
		{"no namespace", func() error { return removeNamespace(files.namespace()) }},
		{"two namespaces", func() error { return newNamespace(files.namespace()) }},
		{"no link", func() error {
			return within(p.config.Home.NetworkNamespace(), func() error { return deleteLink("v1.2") })
		}},
		{"no bridge", func() error {
			return within(p.config.Home.NetworkNamespace(), func() error { return deleteLink("br1") })
		}},
		{"no configuration", func() error { return os.RemoveAll(files.etc()) }},
		{"no state of runc", func() error { return os.RemoveAll(p.config.Home.Runc()) }},
		{"no home namespace", func() error { return removeNamespace(p.config.Home.NetworkNamespace()) }},
	} {
		kill(p)(t, spec.Node)
		if err := c.spoil(); err != nil {
			t.Fatalf("%s: %v", c.why, err)
		}
		if err := os.Remove(filepath.Join(files.data(), "ready")); err != nil {
			t.Fatal(err)
		}
		again, err := p.Create(t.Context(), spec)
		if err != nil || again != m {
			t.Fatalf("%s: Create = %+v, %v; want %+v", c.why, again, err, m)
		}
		awaitReady(t, p, spec.Node)
	}
	if list, err := p.Machines(t.Context(), spec.Cluster); err != nil || !slices.Equal(list, []provider.Machine{m}) {
		t.Errorf("Machines = %v, %v", list, err)
	}
}
