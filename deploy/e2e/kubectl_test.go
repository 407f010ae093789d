//go:build integration

package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// TestDemo: the first cluster is what `marina up` says it is.
func TestDemo(t *testing.T) {
	c := demo()
	if n := nodes(t, c); len(n) != 2 {
		t.Errorf("nodes: %v, want two", n)
	}
	if !strings.HasPrefix(marina.up.Answer, "hello-") {
		t.Errorf("the demo answered %q, want the name of a pod of the Deployment hello", marina.up.Answer)
	}
	var v struct {
		ServerVersion struct {
			GitVersion, GitTreeState string
		} `json:"serverVersion"`
		ClientVersion struct{ GitVersion string } `json:"clientVersion"`
	}
	if err := json.Unmarshal([]byte(c.kubectl(t, "", "version", "-o", "json")), &v); err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^v1\.37\.\d+$`).MatchString(v.ServerVersion.GitVersion) || v.ServerVersion.GitVersion != v.ClientVersion.GitVersion {
		t.Errorf("versions %+v, want the real v1.37.x on both sides", v)
	}
	for _, kubelet := range strings.Fields(c.kubectl(t, "", "get", "nodes", "-o", "jsonpath={.items[*].status.nodeInfo.kubeletVersion}")) {
		if kubelet != v.ServerVersion.GitVersion {
			t.Errorf("a kubelet says %s, the API server %s", kubelet, v.ServerVersion.GitVersion)
		}
	}
}

// TestFirstVisit is what a newcomer tries.
func TestFirstVisit(t *testing.T) {
	c, ns := demo(), "visit"
	namespace(t, c, ns)

	// get -w sees what happens while it runs.
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	watch := c.command(ctx, "-n", ns, "get", "pods", "-w", "--no-headers")
	lines, err := watch.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := watch.Start(); err != nil {
		t.Fatal(err)
	}
	c.kubectl(t, pod(ns, "web", "", ""), "apply", "-f", "-")
	seen := make(chan string, 1)
	go func() {
		var all strings.Builder
		for s := bufio.NewScanner(lines); s.Scan(); {
			all.WriteString(s.Text() + "\n")
			if strings.Contains(s.Text(), "1/1") {
				break
			}
		}
		seen <- all.String()
	}()
	select {
	case all := <-seen:
		if !strings.Contains(all, "web") || !strings.Contains(all, "1/1") {
			t.Errorf("get -w saw:\n%s", all)
		}
	case <-time.After(patience):
		t.Error("get -w did not see the pod become ready")
	}
	cancel()
	_ = watch.Wait() // it was interrupted

	c.kubectl(t, "", "-n", ns, "label", "pod", "web", "tier=front")
	c.kubectl(t, "", "-n", ns, "patch", "pod", "web", "-p", `{"metadata":{"annotations":{"note":"patched"}}}`)
	edit := c.command(t.Context(), "-n", ns, "edit", "pod", "web")
	edit.Env = append(os.Environ(), `KUBE_EDITOR=sed -i s/patched/edited/`)
	if out, err := edit.CombinedOutput(); err != nil {
		t.Errorf("kubectl edit: %v\n%s", err, out)
	}
	if got := c.kubectl(t, "", "-n", ns, "get", "pod", "web", "-o", "jsonpath={.metadata.labels.tier} {.metadata.annotations.note}"); got != "front edited" {
		t.Errorf("after label, patch and edit: %q", got)
	}
	c.kubectl(t, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {k: v1}\n", "-n", ns, "apply", "-f", "-")
	c.kubectl(t, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {k: v2}\n", "-n", ns, "apply", "--server-side", "--force-conflicts", "-f", "-")
	if got := c.kubectl(t, "", "-n", ns, "get", "cm", "c", "-o", "jsonpath={.data.k}"); got != "v2" {
		t.Errorf("after apply: %q", got)
	}

	eventually(t, "logs", func() (bool, string) {
		out, err := c.try(t, "", "-n", ns, "logs", "web")
		return err == nil && strings.Contains(out, "Started HTTP server"), fmt.Sprint(out, err)
	})
	if got := c.kubectl(t, "", "-n", ns, "exec", "web", "--", "sh", "-c", "echo $((6*7)); hostname"); got != "42\nweb\n" {
		t.Errorf("exec: %q", got)
	}
	if got := c.kubectl(t, "typed\n", "-n", ns, "exec", "-i", "web", "--", "cat"); got != "typed\n" {
		t.Errorf("exec -i: %q", got)
	}

	// cp there and back, more than one frame of the tunnel.
	there, back := filepath.Join(t.TempDir(), "there"), filepath.Join(t.TempDir(), "back")
	data := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	if err := os.WriteFile(there, data, 0o600); err != nil {
		t.Fatal(err)
	}
	c.kubectl(t, "", "-n", ns, "cp", there, "web:/tmp/file")
	c.kubectl(t, "", "-n", ns, "cp", "web:/tmp/file", back)
	if got, err := os.ReadFile(back); err != nil || !bytes.Equal(got, data) {
		t.Errorf("cp: %d bytes came back, %v; want %d", len(got), err, len(data))
	}

	if got := c.kubectl(t, "echo from inside\nexit\n", "-n", ns, "run", "once", "--rm", "-i", "--restart=Never", "--image", image, "--command", "--", "sh"); !strings.Contains(got, "from inside") {
		t.Errorf("run --rm -i: %q", got)
	}
}

// TestTerminal: run --rm -ti gives a real terminal.
func TestTerminal(t *testing.T) {
	c, ns := demo(), "terminal"
	namespace(t, c, ns)
	// script(1) gives kubectl a terminal on its own side, as a person's would.
	line := fmt.Sprintf("%s --kubeconfig %s -n %s run shell --rm -ti --restart=Never --image %s --command -- sh", kubectlName(t), c.kubeconfig, ns, image)
	cmd := c.command(t.Context())
	cmd.Path, cmd.Args = "/usr/bin/script", []string{"script", "-qec", line, "/dev/null"}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var out syncBuffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill() //nolint:errcheck // it has ended, unless the test failed
	// The prompt shows that the shell thinks it talks to a person.
	eventually(t, "a prompt", func() (bool, string) { return strings.Contains(out.String(), "# "), out.String() })
	fmt.Fprintln(in, "test -t 0 && echo a ter''minal; exit")
	eventually(t, "an answer", func() (bool, string) { return strings.Contains(out.String(), "a terminal"), out.String() })
	if err := cmd.Wait(); err != nil {
		t.Errorf("kubectl run -ti: %v\n%s", err, out.String())
	}
}

// TestPortForward: a connection to a pod from outside, through the tunnel.
func TestPortForward(t *testing.T) {
	c, ns := demo(), "forward"
	namespace(t, c, ns)
	c.kubectl(t, pod(ns, "web", "", ""), "apply", "-f", "-")
	ready(t, c, ns, "web")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cmd := c.command(ctx, "-n", ns, "port-forward", "pod/web", ":8080")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	first, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	address := regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(first)
	resp, err := http.Get("http://" + address + "/hostname")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); string(body) != "web" {
		t.Errorf("through port-forward: %q", body)
	}
	cancel()
	_ = cmd.Wait() // it was interrupted
}

// TestTop: metrics-server answers through the aggregated API.
func TestTop(t *testing.T) {
	c := demo()
	eventually(t, "kubectl top nodes", func() (bool, string) {
		out, err := c.try(t, "", "top", "nodes", "--no-headers")
		return err == nil && strings.Count(out, "\n") == 2 && !strings.Contains(out, "unknown"), fmt.Sprint(out, err)
	})
	eventually(t, "kubectl top pods", func() (bool, string) {
		out, err := c.try(t, "", "top", "pods", "-n", "default", "--no-headers")
		return err == nil && strings.Count(out, "hello-") == 2, fmt.Sprint(out, err)
	})
}

// TestCustomResources: a CRD, an object of it, and its OpenAPI.
func TestCustomResources(t *testing.T) {
	c, ns := demo(), "custom"
	namespace(t, c, ns)
	c.kubectl(t, `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: boats.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: boats, singular: boat, kind: Boat}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec: {type: object, required: [length], properties: {length: {type: integer, minimum: 1}}}
`, "apply", "-f", "-")
	t.Cleanup(func() {
		_ = c.command(context.Background(), "delete", "crd", "boats.example.com").Run() // gone with the cluster at the latest
	})
	c.kubectl(t, "", "wait", "--for=condition=Established", "crd/boats.example.com", "--timeout=60s")
	boat := "apiVersion: example.com/v1\nkind: Boat\nmetadata: {name: b}\nspec: {length: %d}\n"
	c.kubectl(t, fmt.Sprintf(boat, 7), "-n", ns, "create", "-f", "-")
	if got := c.kubectl(t, "", "-n", ns, "get", "boat", "b", "-o", "jsonpath={.spec.length}"); got != "7" {
		t.Errorf("custom object: %q", got)
	}
	if _, err := c.try(t, fmt.Sprintf(boat, 0), "-n", ns, "apply", "-f", "-"); err == nil || !strings.Contains(err.Error(), "spec.length") {
		t.Errorf("an object against its schema was answered with %v", err)
	}
}

// TestEncodings: clients may speak JSON and protobuf.
func TestEncodings(t *testing.T) {
	config, err := clientcmd.BuildConfigFromFlags("", demo().kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	for _, contentType := range []string{"application/json", "application/vnd.kubernetes.protobuf"} {
		var got string
		config := rest.CopyConfig(config)
		config.ContentType, config.AcceptContentTypes = contentType, contentType
		config.Wrap(func(next http.RoundTripper) http.RoundTripper {
			return roundTripper(func(r *http.Request) (*http.Response, error) {
				resp, err := next.RoundTrip(r)
				if err == nil {
					got = resp.Header.Get("Content-Type")
				}
				return resp, err
			})
		})
		var d *appsv1.Deployment
		if d, err = kubernetes.NewForConfigOrDie(config).AppsV1().Deployments("default").Get(t.Context(), "hello", metav1.GetOptions{}); err != nil {
			t.Fatal(err)
		}
		if got != contentType || *d.Spec.Replicas != 2 {
			t.Errorf("asked for %s: got %s, %d replicas", contentType, got, *d.Spec.Replicas)
		}
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
