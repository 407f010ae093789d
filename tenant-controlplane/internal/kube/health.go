package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

// answerIn is how long one answer may take before it counts as none.
const answerIn = 3 * time.Second

// etcdHealth asks etcd whether it serves and accepts writes: its own health check
// fails while an alarm such as NOSPACE is raised. Why is for people; "" means yes.
func etcdHealth(ctx context.Context, client *http.Client) (answers bool, why string) {
	ctx, cancel := context.WithTimeout(ctx, answerIn)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://etcd/health", nil)
	if err != nil {
		return false, "etcd could not be asked."
	}
	resp, err := client.Do(r)
	if err != nil {
		return false, "etcd does not answer."
	}
	defer resp.Body.Close()
	var body struct{ Health, Reason string }
	if err := json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&body); err != nil {
		return true, fmt.Sprintf("etcd answered with status %d.", resp.StatusCode)
	}
	switch {
	case body.Health == "true":
		return true, ""
	case body.Reason == "":
		return true, "etcd says that it is not healthy."
	}
	return true, "etcd says that it is not healthy: " + body.Reason + "."
}

// etcdUsage asks etcd how full it is.
func etcdUsage(ctx context.Context, client *http.Client) (u controlplane.Usage, err error) {
	ctx, cancel := context.WithTimeout(ctx, answerIn)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://etcd/marina/usage", nil)
	if err != nil {
		return u, err
	}
	resp, err := client.Do(r)
	if err != nil {
		return u, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return u, fmt.Errorf("etcd answered with status %d", resp.StatusCode)
	}
	return u, json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&u)
}

// etcdClient speaks to the etcd behind a socket.
func etcdClient(socket string) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
		IdleConnTimeout: 30 * time.Second,
	}}
}

// ready asks the API server whether it is ready; why is for people, "" means yes.
func ready(ctx context.Context, k kubernetes.Interface) (why string) {
	ctx, cancel := context.WithTimeout(ctx, answerIn)
	defer cancel()
	var status int
	body, err := k.Discovery().RESTClient().Get().AbsPath("/readyz").Param("verbose", "").MaxRetries(0).Do(ctx).StatusCode(&status).Raw()
	switch {
	case err == nil:
		return ""
	case status == 0:
		return "The API server does not answer."
	}
	if failed := failedChecks(string(body)); len(failed) > 0 {
		return "The API server is not ready: " + strings.Join(failed, ", ") + "."
	}
	return fmt.Sprintf("The API server is not ready: it answered with status %d.", status)
}

// failedChecks finds the lines "[-]name failed: …" of a verbose /readyz.
func failedChecks(body string) (names []string) {
	for line := range strings.Lines(body) {
		if rest, ok := strings.CutPrefix(line, "[-]"); ok {
			name, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
			names = append(names, name)
		}
	}
	return names
}

// usable fills in what is known of the cluster's first objects, as Marina sees
// them, and as the holder of a kubeconfig does.
func usable(ctx context.Context, own, customer kubernetes.Interface, h *controlplane.Health) {
	ctx, cancel := context.WithTimeout(ctx, answerIn)
	defer cancel()
	ok, err := bootstrapped(ctx, own)
	h.Bootstrapped = ok
	switch {
	case err != nil: // it was ready a moment ago
		h.APIReady, h.API = false, "The API server does not answer."
		return
	case !ok:
		h.RBAC = "The bindings of the cluster's administrators are being made."
		return
	}
	_, err = own.CoreV1().ServiceAccounts(meta.NamespaceDefault).Get(ctx, "default", meta.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		h.RBAC = "The ServiceAccount of the namespace default has not been made yet."
		return
	case err != nil:
		h.RBAC = "The ServiceAccount of the namespace default could not be read."
		return
	}
	h.ServiceAccount = true
	if _, err := customer.CoreV1().ServiceAccounts(meta.NamespaceDefault).Get(ctx, "default", meta.GetOptions{}); err != nil {
		h.Credential = "A new certificate of a customer was not let in."
		return
	}
	h.Credentials = true
}

// tunnelNodes is how many nodes are asked at most whether the tunnel leads to them: one
// that answers is enough, as others may just have gone.
const tunnelNodes = 3

// tunnel fills in whether the API server reaches nodes, by asking their kubelets how
// they are. Without nodes that are Ready there is nothing to reach.
func tunnel(ctx context.Context, k kubernetes.Interface, h *controlplane.Health) {
	ctx, cancel := context.WithTimeout(ctx, answerIn)
	defer cancel()
	// What the API server has in memory will do.
	nodes, err := k.CoreV1().Nodes().List(ctx, meta.ListOptions{ResourceVersion: "0"})
	if err != nil {
		return // it was ready a moment ago, and will be asked again
	}
	ready := slices.DeleteFunc(nodes.Items, func(n core.Node) bool { return !isReady(n) })
	h.ReadyNodes = len(ready) > 0
	for _, n := range ready[:min(tunnelNodes, len(ready))] {
		ctx, cancel := context.WithTimeout(ctx, answerIn/tunnelNodes)
		err := k.CoreV1().RESTClient().Get().Resource("nodes").Name(n.Name).SubResource("proxy").Suffix("healthz").MaxRetries(0).Do(ctx).Error()
		cancel()
		if err == nil {
			h.TunnelReady = true
			return
		}
	}
	if h.ReadyNodes {
		h.Tunnel = "The API server reaches no node: logs, exec and webhooks inside the cluster do not work."
	}
}

func isReady(n core.Node) bool {
	return slices.ContainsFunc(n.Status.Conditions, func(c core.NodeCondition) bool {
		return c.Type == core.NodeReady && c.Status == core.ConditionTrue
	})
}
