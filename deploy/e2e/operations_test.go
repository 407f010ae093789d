//go:build integration

package e2e_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/marina-cloud/marina/deploy/client"
	"github.com/marina-cloud/marina/deploy/host"
	"github.com/marina-cloud/marina/internal/home"
)

func find(t *testing.T, file func(home.Home) string) host.Process {
	t.Helper()
	h, err := home.At(marina.Home)
	if err != nil {
		t.Fatal(err)
	}
	p, ok, err := host.Find(file(h))
	if err != nil || !ok {
		t.Fatalf("%s: %v, %v", file(h), ok, err)
	}
	return p
}

// kill ends a process the hard way.
func kill(t *testing.T, p host.Process) {
	t.Helper()
	if err := p.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := p.Wait(ctx); err != nil {
		t.Fatalf("process %d does not end: %v", p.PID, err)
	}
}

// containers returns the first processes of all containers of the installation.
func containers(t *testing.T) map[string]int {
	t.Helper()
	h, err := home.At(marina.Home)
	if err != nil {
		t.Fatal(err)
	}
	states, err := filepath.Glob(filepath.Join(h.Runc(), "*", "state.json"))
	if err != nil || len(states) == 0 {
		t.Fatalf("no containers: %v", err)
	}
	pids := map[string]int{}
	for _, f := range states {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var state struct {
			PID int `json:"init_process_pid"`
		}
		if err := json.Unmarshal(data, &state); err != nil {
			t.Fatal(err)
		}
		pids[filepath.Base(filepath.Dir(f))] = state.PID
	}
	return pids
}

// TestServerDies: kill -9 of marina cuts nobody's connection to a cluster, and the
// next one takes over what runs.
func TestServerDies(t *testing.T) {
	c, ns := demo(), "dies"
	namespace(t, c, ns)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	watch := c.command(ctx, "-n", ns, "get", "configmaps", "-w", "-o", "name")
	out, err := watch.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := watch.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	until := func(name string) {
		t.Helper()
		limit := time.AfterFunc(patience, cancel) // the watch ends
		defer limit.Stop()
		for lines.Scan() {
			if strings.HasSuffix(lines.Text(), "/"+name) {
				return
			}
		}
		t.Fatalf("the watch ended before it saw %s: %v", name, lines.Err())
	}
	c.kubectl(t, "", "-n", ns, "create", "configmap", "before")
	until("before")
	running := containers(t)

	server, router := find(t, host.ServerFile), find(t, host.RouterFile)
	kill(t, server)
	c.kubectl(t, "", "-n", ns, "create", "configmap", "during")
	until("during")
	if _, err := marina.Start(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	c.kubectl(t, "", "-n", ns, "create", "secret", "generic", "s", "--from-literal=k=v") // needs the KMS plugin, which marina serves
	c.kubectl(t, "", "-n", ns, "create", "configmap", "after")
	until("after")
	cancel()
	_ = watch.Wait() // it was interrupted

	if now := find(t, host.RouterFile); now.PID != router.PID {
		t.Errorf("the router is process %d, was %d", now.PID, router.PID)
	}
	for id, pid := range containers(t) {
		if running[id] != pid {
			t.Errorf("container %s is process %d, was %d", id, pid, running[id])
		}
	}
}

// TestPostgresDies: marina starts its database again, and goes on with it.
func TestPostgresDies(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(marina.Home, "postgres", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(data), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "another Postgres answers", func() (bool, string) {
		data, err := os.ReadFile(filepath.Join(marina.Home, "postgres", "postmaster.pid"))
		if now, _, _ := strings.Cut(string(data), "\n"); err != nil || now == first {
			return false, fmt.Sprint(now, err)
		}
		clusters, err := marina.Client.Clusters(t.Context())
		return err == nil && len(clusters) > 0, fmt.Sprint(len(clusters), err)
	})
}

// TestRouterDies: marina starts the router again, where it was.
func TestRouterDies(t *testing.T) {
	c := demo()
	router := find(t, host.RouterFile)
	if err := syscall.Kill(router.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "kubectl after the router died", func() (bool, string) {
		out, err := c.try(t, "", "get", "nodes", "--request-timeout=2s")
		return err == nil, fmt.Sprint(out, err)
	})
	if now := find(t, host.RouterFile); now.PID == router.PID {
		t.Error("the router did not die")
	}
	// The nodes come back through the new router, and so does what goes to them.
	eventually(t, "exec after the router died", func() (bool, string) {
		out, err := c.try(t, "", "exec", "deploy/hello", "--", "hostname")
		return err == nil && strings.HasPrefix(out, "hello-"), fmt.Sprint(out, err)
	})
}

// links returns the network links in the namespace of the installation's machines.
func links(t *testing.T) []string {
	t.Helper()
	h, err := home.At(marina.Home)
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("nsenter", "--net="+h.NetworkNamespace(), "ip", "-br", "link").Output()
	if err != nil {
		t.Fatalf("list links: %v", err)
	}
	var names []string
	for line := range strings.Lines(string(out)) {
		names = append(names, strings.Fields(line)[0])
	}
	slices.Sort(names)
	return names
}

// TestPool: a pool grows, shrinks and goes; its pods move; nothing of its machines
// is left.
func TestPool(t *testing.T) {
	c, ns := demo(), "pool"
	namespace(t, c, ns)
	names, linked := nodes(t, c), links(t)
	k, err := marina.Client.FindCluster(t.Context(), "demo")
	if err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) string {
		t.Helper()
		out, err := marina.Run(t.Context(), args...)
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	run("pools", "create", "demo", "extra", "--count", "1", "--label", "tier=extra", "--taint", "dedicated=extra:NoSchedule", "--wait")
	var extra []string
	for _, n := range nodes(t, c) {
		if !slices.Contains(names, n) {
			extra = append(extra, n)
		}
	}
	if len(extra) != 1 {
		t.Fatalf("new nodes: %v, want one", extra)
	}
	if got := c.kubectl(t, "", "get", "node", extra[0], "-o", "jsonpath={.metadata.labels.tier} {.spec.taints[0].key}={.spec.taints[0].value}:{.spec.taints[0].effect}"); got != "extra dedicated=extra:NoSchedule" {
		t.Errorf("labels and taints: %q", got)
	}
	run("pools", "resize", "demo", "extra", "--count", "2", "--wait")
	if n := nodes(t, c); len(n) != len(names)+2 {
		t.Errorf("after growing: nodes %v", n)
	}
	var machines []string // the names under which the machines leave traces
	all, err := marina.Client.Nodes(t.Context(), k.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range all {
		if !slices.Contains(names, n.Name) {
			machines = append(machines, n.ID)
		}
	}
	if len(machines) != 2 {
		t.Fatalf("machines of the pool: %v, want two", machines)
	}
	run("pools", "resize", "demo", "extra", "--count", "1", "--wait")
	eventually(t, "a node goes", func() (bool, string) { n := nodes(t, c); return len(n) == len(names)+1, fmt.Sprint(n) })

	// A pod that tolerates the pool is moved away when the pool goes.
	c.kubectl(t, fmt.Sprintf(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: mover, namespace: %s}
spec:
  selector: {matchLabels: {app: mover}}
  template:
    metadata: {labels: {app: mover}}
    spec:
      terminationGracePeriodSeconds: 1
      tolerations: [{key: dedicated, operator: Exists}]
      affinity:
        nodeAffinity:
          preferredDuringSchedulingIgnoredDuringExecution:
          - {weight: 100, preference: {matchExpressions: [{key: tier, operator: In, values: [extra]}]}}
      containers: [{name: main, image: %s, args: [pause]}]
`, ns, image), "apply", "-f", "-")
	c.kubectl(t, "", "-n", ns, "rollout", "status", "deployment/mover", "--timeout=90s")
	run("pools", "delete", "demo", "extra", "--wait")
	if n := nodes(t, c); !slices.Equal(n, names) {
		t.Errorf("after deleting the pool: nodes %v, want %v", n, names)
	}
	eventually(t, "the pod runs elsewhere", func() (bool, string) {
		out := c.kubectl(t, "", "-n", ns, "get", "pods", "-l", "app=mover", "-o", "jsonpath={.items[*].status.phase} {.items[*].spec.nodeName}")
		phase, node, _ := strings.Cut(out, " ")
		return phase == "Running" && slices.Contains(names, node), out
	})
	eventually(t, "nothing is left of the machines", func() (bool, string) {
		for _, trace := range traces() {
			for _, m := range machines {
				if strings.Contains(trace, m) {
					return false, trace
				}
			}
		}
		now := links(t)
		return slices.Equal(now, linked), fmt.Sprint(now)
	})
	disks, err := os.ReadDir(filepath.Join(marina.Home, "machines"))
	if err != nil || len(disks) != len(names) {
		t.Errorf("directories of machines: %v, %v; want %d", disks, err, len(names))
	}
	events, err := marina.Client.Events(t.Context(), k.ID)
	if err != nil || len(events) == 0 {
		t.Errorf("events: %v, %v", events, err)
	}
}

// TestStranger: what belongs to one organization does not exist for another, which
// is refused machines that would share a kernel with it.
func TestStranger(t *testing.T) {
	ctx := t.Context()
	s, err := marina.SignUp(ctx, "stranger@example.com", "correct horse battery", "")
	if err != nil {
		t.Fatal(err)
	}
	stranger := &client.Client{Server: marina.API, Token: s.Token.Secret}
	k, err := marina.Client.FindCluster(ctx, "demo")
	if err != nil {
		t.Fatal(err)
	}
	clusters, err := stranger.Clusters(ctx)
	if err != nil || len(clusters) != 0 {
		t.Errorf("a stranger sees %v, %v", clusters, err)
	}
	_, err = stranger.Kubeconfig(ctx, k.ID, 0)
	if !client.IsCode(err, "cluster_not_found") {
		t.Errorf("a stranger asks for a kubeconfig: %v", err)
	}
	if _, err := stranger.DeleteCluster(ctx, k.ID); !client.IsCode(err, "cluster_not_found") {
		t.Errorf("a stranger deletes the cluster: %v", err)
	}
	own, err := stranger.CreateCluster(ctx, client.NewCluster{Name: "demo"})
	if err != nil {
		t.Fatalf("a stranger's own cluster of the same name: %v", err)
	}
	if _, err := stranger.CreatePool(ctx, own.ID, client.NewPool{Name: "workers", Count: 1}); !client.IsCode(err, "machines_not_isolated") {
		t.Errorf("a stranger asks for a machine of this host: %v, want that it shares its kernel", err)
	}
	if _, err := stranger.PurgeCluster(ctx, own.ID); err != nil {
		t.Error(err)
	}
	eventually(t, "the stranger's cluster goes", func() (bool, string) {
		k, err := stranger.Cluster(ctx, own.ID)
		return client.IsCode(err, "cluster_not_found"), fmt.Sprint(k.Phase, err)
	})
}
