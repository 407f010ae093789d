//go:build integration

package e2e_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/marina-cloud/marina/deploy/installation"
)

// marina is the installation that the tests share, with the demo in it.
var marina struct {
	*installation.Installation
	up installation.Up
}

// patience bounds one wait in a test.
const patience = 2 * time.Minute

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) (status int) {
	ctx := context.Background()
	before := traces()
	i, err := installation.New(os.Stderr)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() {
		if err := i.Close(ctx); err != nil {
			fmt.Fprintln(os.Stderr, err)
			status = 1
		}
		if left := leftOver(before); left != "" {
			fmt.Fprintf(os.Stderr, "FAIL: after `marina down --purge` this is left on the machine:\n%s", left)
			status = 1
		}
	}()
	marina.Installation = i
	if marina.up, err = i.Start(ctx, true); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// traces is what an installation could leave on the machine.
func traces() []string {
	var all []string
	for _, what := range []string{
		"ip -o link | awk '{print \"link \" $2}'",
		"ls /run/netns 2>/dev/null | sed 's/^/namespace /'",
		"awk '{print \"mount \" $5}' /proc/self/mountinfo",
		"find /sys/fs/cgroup -type d -path '*marina-*' | sed 's/^/cgroup /'",
		"ls -d /run/marina/* 2>/dev/null | sed 's/^/directory /'",
		"ps -eo args= | grep -E '(marina|containerd|kubelet|etcd|postgres|runc)' | grep -v -E 'grep|e2e|go |\\.test|make|testrun' | sed 's/^/process /'",
	} {
		out, _ := exec.Command("sh", "-c", what).Output() // nothing found is not an error
		all = append(all, strings.Split(strings.TrimSpace(string(out)), "\n")...)
	}
	return all
}

// leftOver waits for the kernel to finish, and says what was not there before.
func leftOver(before []string) string {
	var left string
	for range 200 {
		left = ""
		for _, t := range traces() {
			if t != "" && !slices.Contains(before, t) {
				left += t + "\n"
			}
		}
		if left == "" {
			return ""
		}
		time.Sleep(100 * time.Millisecond)
	}
	return left
}

// cluster is a cluster as kubectl reaches it.
type cluster struct{ kubeconfig string }

func demo() cluster { return cluster{marina.up.Kubeconfig} }

// command prepares a kubectl.
func (c cluster) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, marina.Kubectl, append([]string{"--kubeconfig", c.kubeconfig}, args...)...)
	cmd.Args[0] = "kubectl"
	return cmd
}

// kubectl runs kubectl, with in as its standard input, and fails the test if it
// fails.
func (c cluster) kubectl(t *testing.T, in string, args ...string) string {
	t.Helper()
	out, err := c.try(t, in, args...)
	if err != nil {
		t.Fatalf("kubectl %s: %v", strings.Join(args, " "), err)
	}
	return out
}

func (c cluster) try(t *testing.T, in string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := c.command(ctx, args...)
	cmd.Stdin = strings.NewReader(in)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%w\n%s%s", err, out.String(), errs.String())
	}
	return out.String(), nil
}

// eventually asks until the condition holds; got is what to show if it never does.
func eventually(t *testing.T, what string, condition func() (ok bool, got string)) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		ok, got := condition()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s; last seen: %s", what, patience, got)
		}
		select {
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// namespace makes a namespace for one test.
func namespace(t *testing.T, c cluster, name string) {
	t.Helper()
	c.kubectl(t, "", "create", "namespace", name)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if out, err := c.command(ctx, "delete", "namespace", name).CombinedOutput(); err != nil {
			t.Errorf("delete namespace %s: %v\n%s", name, err, out)
		}
	})
}

// nodes returns the names of a cluster's nodes.
func nodes(t *testing.T, c cluster) []string {
	t.Helper()
	return strings.Fields(c.kubectl(t, "", "get", "nodes", "-o", "jsonpath={.items[*].metadata.name}"))
}

const image = "marina.local/agnhost:2.66.1"

// pod is a manifest of a pod on a node (any, when empty) that runs a web server.
func pod(namespace, name, node, more string) string {
	return fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: %s, namespace: %s, labels: {app: %s}}
spec:
  nodeName: %q
  terminationGracePeriodSeconds: 0
  containers:
  - name: main
    image: %s
    args: [netexec, --http-port=8080]
    ports: [{containerPort: 8080%s}]
    readinessProbe: {httpGet: {path: /healthz, port: 8080}, periodSeconds: 1}
`, name, namespace, name, node, image, more)
}

// ready waits until pods are Ready.
func ready(t *testing.T, c cluster, namespace string, pods ...string) {
	t.Helper()
	for _, p := range pods {
		c.kubectl(t, "", "-n", namespace, "wait", "--for=condition=Ready", "pod/"+p, "--timeout=90s")
	}
}
