//go:build integration

package e2e_test

import (
	"fmt"
	"strings"
	"testing"
)

// TestPodNetwork: pods reach one another across nodes, through Services, by name,
// and through ports of the nodes.
func TestPodNetwork(t *testing.T) {
	c, ns := demo(), "network"
	namespace(t, c, ns)
	n := nodes(t, c)
	if len(n) != 2 {
		t.Fatalf("nodes: %v, want two", n)
	}
	c.kubectl(t, pod(ns, "a", n[0], ", hostPort: 18080")+"---"+pod(ns, "b", n[1], ""), "apply", "-f", "-")
	c.kubectl(t, "", "-n", ns, "expose", "pod", "a", "--port=80", "--target-port=8080")
	c.kubectl(t, "", "-n", ns, "expose", "pod", "a", "--name=a-node", "--type=NodePort", "--port=80", "--target-port=8080")
	ready(t, c, ns, "a", "b")
	ip := func(path string) string {
		return c.kubectl(t, "", "-n", ns, "get", "pod", "a", "-o", "jsonpath={"+path+"}")
	}
	nodePort := c.kubectl(t, "", "-n", ns, "get", "service", "a-node", "-o", "jsonpath={.spec.ports[0].nodePort}")
	otherNode := c.kubectl(t, "", "-n", ns, "get", "pod", "b", "-o", "jsonpath={.status.hostIP}")
	clusterIP := c.kubectl(t, "", "-n", ns, "get", "service", "a", "-o", "jsonpath={.spec.clusterIP}")

	for what, address := range map[string]string{
		"a pod on another node":              ip(".status.podIP") + ":8080",
		"a Service by its address":           clusterIP + ":80",
		"a Service by its name":              "a:80",
		"a Service by its full name":         "a." + ns + ".svc.cluster.local:80",
		"a hostPort":                         ip(".status.hostIP") + ":18080",
		"a NodePort on the pod's node":       ip(".status.hostIP") + ":" + nodePort,
		"a NodePort on the other, own, node": otherNode + ":" + nodePort,
	} {
		eventually(t, what, func() (bool, string) {
			out, err := c.try(t, "", "-n", ns, "exec", "b", "--", "/agnhost", "connect", "--timeout=2s", address)
			return err == nil, fmt.Sprint(address, ": ", out, err)
		})
	}
	// A Service's own pod reaches itself through it (hairpin).
	eventually(t, "a pod through its own Service", func() (bool, string) {
		out, err := c.try(t, "", "-n", ns, "exec", "a", "--", "/agnhost", "connect", "--timeout=2s", clusterIP+":80")
		return err == nil, fmt.Sprint(out, err)
	})
}

// clientPod is a manifest of a pod with the node's own kubectl, which finds the
// token by itself.
func clientPod(ns string) string {
	return fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: client, namespace: %s}
spec:
  terminationGracePeriodSeconds: 0
  volumes: [{name: bin, hostPath: {path: /usr/bin}}]
  containers:
  - name: main
    image: %s
    args: [pause]
    env: [{name: KUBERNETES_SERVICE_HOST, value: kubernetes.default.svc}]
    volumeMounts: [{name: bin, mountPath: /host}]
`, ns, image)
}

// insideArgs make kubectl run a kubectl inside of that pod.
func insideArgs(ns string, args ...string) []string {
	return append([]string{"-n", ns, "exec", "client", "--", "/host/marina-kubernetes-1.37", "kubectl"}, args...)
}

// TestServiceAccount: a pod mounts its token and calls the API at
// kubernetes.default, which knows it as the service account that it is.
func TestServiceAccount(t *testing.T) {
	c, ns := demo(), "account"
	namespace(t, c, ns)
	c.kubectl(t, "", "-n", ns, "create", "rolebinding", "view", "--clusterrole=view", "--serviceaccount="+ns+":default")
	c.kubectl(t, clientPod(ns), "apply", "-f", "-")
	ready(t, c, ns, "client")
	inside := func(args ...string) (string, error) {
		return c.try(t, "", insideArgs(ns, args...)...)
	}
	eventually(t, "a pod asks who it is", func() (bool, string) {
		out, err := inside("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}")
		return out == "system:serviceaccount:"+ns+":default", fmt.Sprint(out, err)
	})
	if out, err := inside("get", "pods", "-o", "name"); err != nil || strings.TrimSpace(out) != "pod/client" {
		t.Errorf("a pod lists pods: %q, %v", out, err)
	}
	if _, err := inside("get", "secrets"); err == nil || !strings.Contains(err.Error(), "forbidden") {
		t.Errorf("a pod that may only view was given Secrets: %v", err)
	}
}
