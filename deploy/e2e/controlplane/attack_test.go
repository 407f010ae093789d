//go:build integration

package controlplane_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	admissionregistration "k8s.io/api/admissionregistration/v1"
	core "k8s.io/api/core/v1"
	discovery "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/marina-cloud/marina/deploy/artifacts"
	marina "github.com/marina-cloud/marina/deploy/installation"
	"github.com/marina-cloud/marina/internal/route"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

// probe makes a cluster's API server call an address, and returns what came back.
type probe struct {
	name    string
	target  *provider
	reaches bool // the control: where an agent is that can reach the address, so does this
	ask     func(ctx context.Context) error
}

// attacks holds that nothing that an owner may put into a cluster makes its API
// server reach the machine that hosts it, but through a machine of the owner's.
//
// The control is such a machine: an agent with a good certificate that stands where
// no tenant's ever does, on the hosting machine itself. With it the same calls
// arrive, so that they are the right ones, and the agents are the only way out.
func attacks(t *testing.T, i *installation, c controlplane.Cluster, k kubernetes.Interface, cfg *rest.Config, foe *provider) {
	polled := newProvider(t) // the API server calls aggregated ones by itself
	for _, p := range []*provider{foe, polled} {
		p.reachable(t)
		p.client.CloseIdleConnections()
		p.came.Store(0)
	}
	all := probes(t, k, cfg, foe, polled)
	for _, p := range all {
		if err := p.ask(t.Context()); err == nil {
			t.Errorf("%s: answered, with no machine in the cluster", p.name)
		}
	}
	if n := foe.came.Load() + polled.came.Load(); n != 0 {
		t.Errorf("%d connections came out of a cluster without machines", n)
	}
	if t.Failed() {
		return
	}
	strangers(t, i, c, k)
	tunnelReady(t, i, c, k)
	_, stop := agent(t, i, c, "control", "control")
	defer stop()
	for _, p := range all {
		if !p.reaches {
			continue
		}
		before := p.target.came.Load()
		for deadline := time.Now().Add(20 * time.Second); p.target.came.Load() == before; time.Sleep(20 * time.Millisecond) {
			// Most are not content with the answer, but it came. One that is may have used
			// an earlier one's connection.
			err := p.ask(t.Context())
			if err == nil {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("control: %s does not arrive through an agent on this machine: %v", p.name, err)
			}
		}
	}
	// These are refused before any agent is asked.
	before := foe.came.Load()
	for _, p := range all {
		if !p.reaches {
			if err := p.ask(t.Context()); err == nil {
				t.Errorf("%s: answered, through an agent on this machine", p.name)
			}
		}
	}
	if n := foe.came.Load() - before; n != 0 {
		t.Errorf("%d connections came by ways that are closed to everybody", n)
	}
}

// probes puts into the cluster all that names an address, and returns the calls
// that lead there.
func probes(t *testing.T, k kubernetes.Interface, cfg *rest.Config, foe, polled *provider) []probe {
	t.Helper()
	ctx := t.Context()
	host, number := interfaceAddress(t), foe.port(t)
	made := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	node := func(name, address string, kubelet int32) {
		_, err := k.CoreV1().Nodes().Create(ctx, &core.Node{ObjectMeta: meta.ObjectMeta{Name: name}}, meta.CreateOptions{})
		made("make a Node", err)
		status := core.NodeStatus{
			Addresses:       []core.NodeAddress{{Type: core.NodeInternalIP, Address: address}},
			DaemonEndpoints: core.NodeDaemonEndpoints{KubeletEndpoint: core.DaemonEndpoint{Port: kubelet}},
		}
		_, err = k.CoreV1().Nodes().Patch(ctx, name, types.MergePatchType, []byte(mustJSON(t, map[string]any{"status": status})), meta.PatchOptions{}, "status")
		made("forge a Node's address", err)
	}
	node("fake", host, number)
	node("fake-loopback", "127.0.0.1", number)
	pod := func(name, node, ip string) {
		_, err := k.CoreV1().Pods("default").Create(ctx, &core.Pod{
			ObjectMeta: meta.ObjectMeta{Name: name},
			Spec:       core.PodSpec{NodeName: node, Containers: []core.Container{{Name: "main", Image: "none", Ports: []core.ContainerPort{{ContainerPort: number}}}}},
		}, meta.CreateOptions{})
		made("make a Pod", err)
		status := core.PodStatus{PodIP: ip, PodIPs: []core.PodIP{{IP: ip}}, Phase: core.PodRunning}
		_, err = k.CoreV1().Pods("default").Patch(ctx, name, types.MergePatchType, []byte(mustJSON(t, map[string]any{"status": status})), meta.PatchOptions{}, "status")
		made("forge a Pod's address", err)
	}
	pod("fake", "fake", host)
	service := func(name string, spec core.ServiceSpec) {
		_, err := k.CoreV1().Services("default").Create(ctx, &core.Service{ObjectMeta: meta.ObjectMeta{Name: name}, Spec: spec}, meta.CreateOptions{})
		made("make a Service", err)
	}
	endpoints := func(name string, number int32) {
		service(name, core.ServiceSpec{Ports: []core.ServicePort{{Name: "https", Port: number, Protocol: core.ProtocolTCP}}})
		https, yes := "https", true
		_, err := k.DiscoveryV1().EndpointSlices("default").Create(ctx, &discovery.EndpointSlice{
			ObjectMeta:  meta.ObjectMeta{Name: name, Labels: map[string]string{discovery.LabelServiceName: name}},
			AddressType: discovery.AddressTypeIPv4, Ports: []discovery.EndpointPort{{Name: &https, Port: &number}},
			Endpoints: []discovery.Endpoint{{
				Addresses: []string{host}, Conditions: discovery.EndpointConditions{Ready: &yes},
				TargetRef: &core.ObjectReference{Kind: "Pod", Namespace: "default", Name: "fake"}, // without which services/proxy asks nobody
			}},
		}, meta.CreateOptions{})
		made("set a Service's endpoints by hand", err)
	}
	endpoints("fake", number)
	endpoints("polled", polled.port(t))
	service("alias", core.ServiceSpec{Type: core.ServiceTypeExternalName, ExternalName: "localhost", Ports: []core.ServicePort{{Name: "https", Port: number}}})

	objects, err := dynamic.NewForConfig(cfg)
	made("make a client", err)
	apiService := func(group, service string, number int32) {
		o := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": map[string]any{"name": "v1." + group},
			"spec": map[string]any{
				"group": group, "version": "v1", "groupPriorityMinimum": int64(100), "versionPriority": int64(100), "insecureSkipTLSVerify": true,
				"service": map[string]any{"namespace": "default", "name": service, "port": int64(number)},
			},
		}}
		services := objects.Resource(schema.GroupVersionResource{Group: "apiregistration.k8s.io", Version: "v1", Resource: "apiservices"})
		_, err := services.Create(ctx, o, meta.CreateOptions{})
		made("make an APIService", err)
		t.Cleanup(func() { // one that does not answer makes every discovery slow
			if err := services.Delete(context.WithoutCancel(ctx), "v1."+group, meta.DeleteOptions{}); err != nil {
				t.Error(err)
			}
		})
	}
	apiService("fake.marina.test", "polled", polled.port(t))
	apiService("alias.marina.test", "alias", number)
	for label, name := range map[string]string{"webhook-service": "fake", "webhook-alias": "alias"} {
		hookService(t, k, label, name, number)
	}

	get := func(path string) func(context.Context) error {
		return func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
			defer cancel()
			return k.CoreV1().RESTClient().Get().AbsPath(path).MaxRetries(0).Do(ctx).Error()
		}
	}
	write := func(label string) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := k.CoreV1().ConfigMaps("default").Create(ctx, &core.ConfigMap{
				ObjectMeta: meta.ObjectMeta{GenerateName: label + "-", Labels: map[string]string{"hook": label}},
			}, meta.CreateOptions{DryRun: []string{meta.DryRunAll}})
			return err
		}
	}
	at := func(name string) string { return fmt.Sprintf("https:%s:%d", name, number) }
	ready := func(group string) func(context.Context) error { // as soon as the API server knows of it
		path := "/apis/" + group + "/v1"
		return func(ctx context.Context) error {
			for {
				err := get(path)(ctx)
				if !apierrors.IsNotFound(err) {
					return err
				}
				select {
				case <-ctx.Done():
					return ctx.Err()
				case <-time.After(20 * time.Millisecond):
				}
			}
		}
	}
	all := []probe{
		{"nodes/proxy to a forged Node", foe, true, get("/api/v1/nodes/" + at("fake") + "/proxy/keys")},
		{"nodes/proxy to a forged kubelet", foe, true, get("/api/v1/nodes/fake/proxy/pods")},
		{"the logs of a forged Pod, from a forged kubelet", foe, true, get("/api/v1/namespaces/default/pods/fake/log")},
		{"nodes/proxy to loopback", foe, false, get("/api/v1/nodes/" + at("fake-loopback") + "/proxy/keys")},
		{"pods/proxy to a forged Pod", foe, true, get("/api/v1/namespaces/default/pods/" + at("fake") + "/proxy/keys")},
		{"services/proxy to endpoints set by hand", foe, true, get("/api/v1/namespaces/default/services/" + at("fake") + "/proxy/keys")},
		{"services/proxy to an ExternalName", foe, false, get("/api/v1/namespaces/default/services/" + at("alias") + "/proxy/keys")},
		{"an APIService on endpoints set by hand", polled, true, ready("fake.marina.test")},
		{"an APIService on an ExternalName", foe, false, ready("alias.marina.test")},
		{"a webhook on endpoints set by hand", foe, true, write("webhook-service")},
		{"a webhook on an ExternalName", foe, false, write("webhook-alias")},
	}
	for _, p := range all { // the API server hears of a webhook a moment later
		if label, ok := strings.CutPrefix(p.name, "a webhook"); ok {
			for deadline := time.Now().Add(30 * time.Second); p.ask(ctx) == nil; time.Sleep(20 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatalf("the webhook%s was never asked", label)
				}
			}
		}
	}
	return all
}

func (p *provider) port(t *testing.T) int32 {
	t.Helper()
	_, text, err := net.SplitHostPort(p.address)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return int32(port)
}

// hookService is hook for a webhook behind a Service.
func hookService(t *testing.T, k kubernetes.Interface, label, service string, port int32) {
	t.Helper()
	hook(t, k, label, "https://198.51.100.1/", nil)
	api := k.AdmissionregistrationV1().ValidatingWebhookConfigurations()
	h, err := api.Get(t.Context(), label, meta.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	h.Webhooks[0].ClientConfig = admissionregistration.WebhookClientConfig{
		Service: &admissionregistration.ServiceReference{Namespace: "default", Name: service, Port: &port},
	}
	if _, err := api.Update(t.Context(), h, meta.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := api.Delete(context.WithoutCancel(t.Context()), label, meta.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
}

// tunnelReady holds that the owner is told when the API server reaches no node.
func tunnelReady(t *testing.T, i *installation, c controlplane.Cluster, k kubernetes.Interface) {
	ready := []byte(`{"status":{"conditions":[{"type":"Ready","status":"True"}]}}`)
	i.eventually("a node is Ready that cannot be reached, and the owner is told", time.Minute, func() bool {
		// Whoever looks after nodes takes that back in time.
		if _, err := k.CoreV1().Nodes().Patch(t.Context(), "fake", types.MergePatchType, ready, meta.PatchOptions{}, "status"); err != nil {
			t.Fatal(err)
		}
		now, err := i.app.Cluster(t.Context(), i.org, c.ID)
		if err != nil {
			t.Fatal(err)
		}
		return slices.ContainsFunc(now.Conditions, func(x controlplane.Condition) bool {
			return x.Type == controlplane.TunnelReady && !x.OK && strings.Contains(x.Message, "reaches no node")
		})
	})
}

// strangers holds that an agent which is none of the cluster's machines gets nothing
// to carry: the cluster goes on as if it were not there. (What else an agent may
// lack is tested in tenant-controlplane/kubernetes/tunnel.)
func strangers(t *testing.T, i *installation, c controlplane.Cluster, k kubernetes.Interface) {
	came, stop := agent(t, i, c, "removed", "")
	defer stop()
	i.eventually("an agent of a machine that was removed tries again and again", 30*time.Second, func() bool { return came() > 2 })
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	err := k.CoreV1().RESTClient().Get().AbsPath("/api/v1/nodes/fake/proxy/pods").MaxRetries(0).Do(ctx).Error()
	if err == nil || !strings.Contains(err.Error(), "No agent available") {
		t.Errorf("the API server says %v; want that there is no agent", err)
	}
}

// agent runs a node's konnectivity agent on this machine, with a certificate of the
// cluster's for name, while the fleet says that member is a node. came says how often
// it has connected.
func agent(t *testing.T, i *installation, c controlplane.Cluster, name, member string) (came func() int32, stop func()) {
	t.Helper()
	ctx := t.Context()
	dir := t.TempDir()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := i.app.IssueTunnel(ctx, c.ID, name, key.Public())
	if err != nil {
		t.Fatal(err)
	}
	control, err := i.app.Control(ctx, c.ID)
	if err != nil {
		t.Fatal(err)
	}
	// It dials the name that it verifies, which nobody but this file knows.
	hosts := []byte("127.0.0.1 localhost " + control.TunnelName + "\n")
	for file, data := range map[string][]byte{"hosts": hosts, "crt": cert, "key": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), "ca": control.TunnelCA} {
		if err := os.WriteFile(filepath.Join(dir, file), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if member != "" {
		if err := os.WriteFile(filepath.Join(i.home.Members(c.ID), member), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	node, err := artifacts.Path(artifacts.Node)
	if err != nil {
		t.Fatal(err)
	}
	port, came, unforward := forward(t, i, c)
	var said bytes.Buffer
	cmd := exec.Command("sh", "-c", `mount --make-rprivate / && mount --bind "$0" /etc/hosts && exec "$@"`, filepath.Join(dir, "hosts"),
		filepath.Join(node, "usr/bin/konnectivity-agent"), "--proxy-server-host="+control.TunnelName, "--proxy-server-port="+port, "--alpn-proto=h2",
		"--ca-cert="+filepath.Join(dir, "ca"), "--agent-cert="+filepath.Join(dir, "crt"), "--agent-key="+filepath.Join(dir, "key"),
		"--agent-id="+name, "--sync-interval=100ms", "--sync-interval-cap=500ms", "--health-server-host=127.0.0.1", "--health-server-port="+freePort(t), "--admin-server-port="+freePort(t))
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return came, sync.OnceFunc(func() {
		_ = cmd.Process.Kill() // it ignores SIGTERM
		_ = cmd.Wait()
		unforward()
		if member != "" {
			if err := os.Remove(filepath.Join(i.home.Members(c.ID), member)); err != nil {
				t.Error(err)
			}
		}
		if t.Failed() || i.t.Failed() {
			t.Logf("the agent %s said:\n%s", name, said.String())
		}
	})
}

func freePort(t *testing.T) string {
	t.Helper()
	port, err := marina.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// forward stands for the router: it brings connections to a port to the cluster's
// tunnel, and counts them.
func forward(t *testing.T, i *installation, c controlplane.Cluster) (port string, came func() int32, stop func()) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var count atomic.Int32
	var group sync.WaitGroup
	group.Go(func() {
		for {
			from, err := ln.Accept()
			if err != nil {
				return
			}
			count.Add(1)
			r, ok, err := route.Find(i.home.Routes(), c.ID)
			if err != nil || !ok {
				_ = from.Close()
				continue
			}
			to, err := net.Dial("unix", r.Tunnel)
			if err != nil {
				_ = from.Close()
				continue
			}
			for _, way := range [][2]net.Conn{{from, to}, {to, from}} {
				group.Go(func() {
					_, _ = io.Copy(way[0], way[1])
					_ = way[0].Close()
					_ = way[1].Close()
				})
			}
		}
	})
	return strconv.Itoa(ln.Addr().(*net.TCPAddr).Port), count.Load, func() {
		_ = ln.Close()
		group.Wait()
	}
}
