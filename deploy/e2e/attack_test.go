//go:build integration

package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/marina-cloud/marina/deploy/client"
	"github.com/marina-cloud/marina/gateway/gatewaytest"
	"github.com/marina-cloud/marina/internal/tenant"
)

// foe is a program on the hosting machine, at all of its addresses, that no tenant may
// reach.
type foe struct {
	port string
	host string // an address of this machine besides loopback
	came atomic.Int32
}

func newFoe(t *testing.T) *foe {
	t.Helper()
	ln, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	f := &foe{host: "127.0.0.2"}
	_, f.port, _ = net.SplitHostPort(ln.Addr().String())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			f.came.Add(1)
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = ln.Close(); <-done })
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && !n.IP.IsLoopback() {
			f.host = n.IP.String()
		}
	}
	c, err := net.Dial("tcp", net.JoinHostPort(f.host, f.port)) // the control
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	eventually(t, "control: who is on this machine reaches it", func() (bool, string) { return f.came.Load() == 1, "" })
	f.came.Store(0)
	return f
}

// TestPrivilegedPod: a pod with all rights on its node reaches the router's port for
// nodes, and nothing else of the machine that hosts it.
func TestPrivilegedPod(t *testing.T) {
	c, ns, f := demo(), "privileged", newFoe(t)
	namespace(t, c, ns)
	k, err := marina.Client.FindCluster(t.Context(), "demo")
	if err != nil {
		t.Fatal(err)
	}
	all, err := marina.Client.Nodes(t.Context(), k.ID)
	if err != nil {
		t.Fatal(err)
	}
	c.kubectl(t, fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: root, namespace: %s}
spec:
  nodeName: %s
  hostNetwork: true
  hostPID: true
  terminationGracePeriodSeconds: 0
  volumes: [{name: host, hostPath: {path: /}}]
  containers:
  - name: main
    image: %s
    args: [pause]
    securityContext: {privileged: true}
    volumeMounts: [{name: host, mountPath: /host}]
`, ns, all[0].Name, image), "apply", "-f", "-")
	ready(t, c, ns, "root")
	node := strings.TrimSpace(c.kubectl(t, "", "-n", ns, "get", "pod", "root", "-o", "jsonpath={.status.hostIP}"))
	gateway := node[:strings.LastIndex(node, ".")] + ".1"
	_, api, _ := strings.Cut(strings.TrimPrefix(marina.API, "http://"), ":")
	_, router, _ := strings.Cut(strings.TrimPrefix(endpoint(t), "https://"), ":")
	for _, tc := range []struct {
		why, address string
		reached      bool
	}{
		{"control: the router, for nodes", gateway + ":6443", true},
		{"control: its own kubelet", node + ":10250", true},
		{"a program on the host", f.host + ":" + f.port, false},
		{"one on the host's loopback", "127.0.0.1:" + f.port, false},
		{"one at the gateway's address", gateway + ":" + f.port, false},
		{"the API", "127.0.0.1:" + api, false},
		{"the API at the gateway's address", gateway + ":" + api, false},
		{"the router's public port", f.host + ":" + router, false},
		{"the service of metadata", "169.254.169.254:80", false},
		{"the neighbouring network", "172.30.254.1:6443", false},
		{"a name server at the gateway's address", gateway + ":53", false},
	} {
		_, err := c.try(t, "", "-n", ns, "exec", "root", "--", "/agnhost", "connect", "--timeout=2s", tc.address)
		if (err == nil) != tc.reached {
			t.Errorf("%s: connecting to %s from a privileged pod: %v", tc.why, tc.address, err)
		}
	}
	if n := f.came.Load(); n != 0 {
		t.Errorf("%d connections came from the pod to this machine", n)
	}
}

// TestForgedAddresses: the API server follows forged Nodes, Pods and endpoints to the
// tenant's own machines and no further. (deploy/e2e/controlplane shows that without
// machines it goes nowhere at all, and with one on the host's network it would arrive.)
func TestForgedAddresses(t *testing.T) {
	c, ns, f := demo(), "forged", newFoe(t)
	namespace(t, c, ns)
	c.kubectl(t, pod(ns, "real", "", ""), "apply", "-f", "-")
	ready(t, c, ns, "real")
	real := c.kubectl(t, "", "-n", ns, "get", "pod", "real", "-o", "jsonpath={.status.podIP}")
	t.Cleanup(func() { // no kubelet will say that the Pod has ended
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		for _, args := range [][]string{
			{"-n", ns, "delete", "pod", "forged", "--force", "--grace-period=0", "--ignore-not-found"},
			{"delete", "node", "forged", "--ignore-not-found"},
		} {
			if out, err := c.command(ctx, args...).CombinedOutput(); err != nil {
				t.Errorf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
			}
		}
	})
	c.kubectl(t, fmt.Sprintf(`
apiVersion: v1
kind: Service
metadata: {name: forged, namespace: %[1]s}
spec: {ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: real, namespace: %[1]s}
spec: {ports: [{name: http, port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: forged, namespace: %[1]s, labels: {kubernetes.io/service-name: forged}}
addressType: IPv4
ports: [{name: http, port: %[3]s}]
endpoints: [{addresses: [%[2]s], conditions: {ready: true}, targetRef: {kind: Pod, name: forged, namespace: %[1]s}}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: real, namespace: %[1]s, labels: {kubernetes.io/service-name: real}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints: [{addresses: [%[4]s], conditions: {ready: true}, targetRef: {kind: Pod, name: real, namespace: %[1]s}}]
---
apiVersion: v1
kind: Node
metadata: {name: forged}
---
apiVersion: v1
kind: Pod
metadata: {name: forged, namespace: %[1]s}
spec:
  nodeName: forged
  tolerations: [{operator: Exists}]
  terminationGracePeriodSeconds: 0
  containers: [{name: main, image: none, ports: [{containerPort: %[3]s}]}]
`, ns, f.host, f.port, real), "apply", "-f", "-")
	c.kubectl(t, "", "-n", ns, "patch", "pod", "forged", "--subresource=status", "--type=merge", "-p",
		fmt.Sprintf(`{"status":{"phase":"Running","podIP":%[1]q,"podIPs":[{"ip":%[1]q}]}}`, f.host))
	c.kubectl(t, "", "patch", "node", "forged", "--subresource=status", "--type=merge", "-p",
		fmt.Sprintf(`{"status":{"addresses":[{"type":"InternalIP","address":%q}],"daemonEndpoints":{"kubeletEndpoint":{"Port":%s}}}}`, f.host, f.port))
	eventually(t, "control: endpoints set by hand, of a pod", func() (bool, string) {
		out, err := c.try(t, "", "get", "--raw", "/api/v1/namespaces/"+ns+"/services/real:http/proxy/hostname")
		return err == nil && out == "real", fmt.Sprint(out, err)
	})
	for what, path := range map[string]string{
		"pods/proxy":                "/api/v1/namespaces/" + ns + "/pods/http:forged:" + f.port + "/proxy/",
		"services/proxy":            "/api/v1/namespaces/" + ns + "/services/forged:http/proxy/",
		"nodes/proxy":               "/api/v1/nodes/http:forged:" + f.port + "/proxy/",
		"nodes/proxy, to a kubelet": "/api/v1/nodes/forged/proxy/pods",
	} {
		if out, err := c.try(t, "", "get", "--raw", path); err == nil {
			t.Errorf("%s was answered: %s", what, out)
		}
	}
	if n := f.came.Load(); n != 0 {
		t.Errorf("%d connections came to this machine", n)
	}
	eventually(t, "control: the cluster says that its tunnel leads to nodes", func() (bool, string) {
		k, err := marina.Client.FindCluster(t.Context(), "demo")
		ok := slices.ContainsFunc(k.Conditions, func(x client.Condition) bool { return x.Type == "TunnelReady" && x.OK })
		return ok && err == nil, fmt.Sprint(k.Conditions, err)
	})
}

// TestEveryRoute walks all that the API describes, on the real thing: nobody gets in,
// and to another organization what is there looks like what is not.
func TestEveryRoute(t *testing.T) {
	s, err := marina.SignUp(t.Context(), "walker@example.com", gatewaytest.Password, "")
	if err != nil {
		t.Fatal(err)
	}
	k, err := marina.Client.FindCluster(t.Context(), "demo")
	if err != nil {
		t.Fatal(err)
	}
	pools, err := marina.Client.Pools(t.Context(), k.ID)
	if err != nil {
		t.Fatal(err)
	}
	all, err := marina.Client.Nodes(t.Context(), k.ID)
	if err != nil {
		t.Fatal(err)
	}
	var token struct{ ID string }
	if err := marina.Client.Do(t.Context(), "POST", "/v1/tokens", map[string]string{"name": "walked"}, &token); err != nil {
		t.Fatal(err)
	}
	var sessions struct{ Items []struct{ ID string } }
	if err := marina.Client.Do(t.Context(), "GET", "/v1/sessions", nil, &sessions); err != nil {
		t.Fatal(err)
	}
	theirs := map[string]string{"{cluster_id}": k.ID, "{pool_id}": pools[0].ID, "{node_id}": all[0].ID, "{token_id}": token.ID, "{session_id}": sessions.Items[0].ID}
	never := map[string]string{
		"{cluster_id}": string(tenant.NewClusterID()), "{pool_id}": string(tenant.NewPoolID()),
		"{node_id}": string(tenant.NewNodeID()), "{token_id}": string(tenant.NewTokenID()), "{session_id}": string(tenant.NewSessionID()),
	}
	var api struct {
		Paths map[string]map[string]struct {
			ID       string           `json:"operationId"`
			Security []map[string]any `json:"security"`
			Body     *struct{}        `json:"requestBody"`
		} `json:"paths"`
	}
	get(t, marina.API+"/openapi.json", &api)
	tried := 0
	for path, operations := range api.Paths {
		for method, op := range operations {
			if len(op.Security) == 0 {
				continue // package gateway holds which these are, and why
			}
			method, body := strings.ToUpper(method), gatewaytest.Bodies[op.ID]
			if op.Body != nil && body == "" {
				t.Errorf("%s takes a body; give gatewaytest a good one", op.ID)
			}
			if status, answer := call(t, method, fill(path, theirs), body, ""); status != http.StatusUnauthorized {
				t.Errorf("%s lets nobody in: %d %s", op.ID, status, answer)
			}
			tried++
			if op.ID == "watch" {
				continue // without end; package gateway calls it
			}
			if path == fill(path, theirs) { // of the caller's own organization
				if status, answer := call(t, "GET", path, "", s.Token.Secret); status >= 500 || contains(answer, theirs) {
					t.Errorf("%s shows a stranger %d %s", path, status, answer)
				}
				continue
			}
			status, answer := call(t, method, fill(path, theirs), body, s.Token.Secret)
			nothing, same := call(t, method, fill(path, never), body, s.Token.Secret)
			if status != http.StatusNotFound || status != nothing || answer != same {
				t.Errorf("%s answers a stranger %d %s, and %d %s for what never was", op.ID, status, answer, nothing, same)
			}
		}
	}
	if tried < 15 {
		t.Errorf("only %d operations: the walk misses some", tried)
	}
}

func fill(path string, ids map[string]string) string {
	for name, id := range ids {
		path = strings.ReplaceAll(path, name, id)
	}
	return path
}

func contains(text string, ids map[string]string) bool {
	for _, id := range ids {
		if strings.Contains(text, id) {
			return true
		}
	}
	return false
}

func call(t *testing.T, method, path, body, token string) (status int, answer string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, marina.API+path, bytes.NewBufferString(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Request-Id", "the-same-id") // which answers tell
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if !json.Valid(data) && resp.StatusCode >= 400 {
		t.Errorf("%s %s answers %q", method, path, data)
	}
	return resp.StatusCode, string(data)
}
