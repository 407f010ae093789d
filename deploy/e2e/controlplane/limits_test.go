//go:build integration

package controlplane_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	coordination "k8s.io/api/coordination/v1"
	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/marina-cloud/marina/internal/tenant"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

// limited is one cluster with limits so low that a test reaches them.
type limited struct {
	*installation
	id       tenant.ClusterID
	cfg      *rest.Config
	customer kubernetes.Interface
	marina   kubernetes.Interface
	node     kubernetes.Interface // a machine's kubelet
}

const machineName = "worker"

// TestLimits fills one cluster up in every way, and holds that the customer is told
// in time, that what keeps the cluster alive passes, and that it recovers by itself.
// Its parts build on one another.
func TestLimits(t *testing.T) {
	limits := controlplane.Small()
	limits.Reads, limits.Writes = 40, 20
	limits.Objects = controlplane.Mark{Soft: 700, Reserve: 900}
	limits.DatabaseFile = 64 << 20
	limits.Database = controlplane.DatabaseOf(limits.DatabaseFile)
	limits.Audit.EventsPerSecond = 20
	i := installWith(t, limits)
	ctx := t.Context()
	c, err := i.app.Create(ctx, i.org, actor, address, controlplane.NewCluster{Name: "small"})
	if err != nil {
		t.Fatal(err)
	}
	i.eventually("the cluster runs", time.Minute, func() bool { return i.phase(c.ID) == controlplane.Running })
	l := limited{installation: i, id: c.ID}
	l.customer, l.cfg = i.customer(c.ID)
	own, err := i.app.Client(ctx, c.ID, "test")
	if err != nil {
		t.Fatal(err)
	}
	if l.marina, err = kubernetes.NewForConfig(own); err != nil {
		t.Fatal(err)
	}
	kubelet := rest.CopyConfig(own)
	kubelet.Impersonate = rest.ImpersonationConfig{UserName: "system:node:" + machineName, Groups: []string{"system:nodes", "system:authenticated"}}
	if l.node, err = kubernetes.NewForConfig(kubelet); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(i.home.Members(c.ID), machineName), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	lease := &coordination.Lease{ObjectMeta: meta.ObjectMeta{Name: machineName}}
	if _, err := l.node.CoordinationV1().Leases("kube-node-lease").Create(ctx, lease, meta.CreateOptions{}); err != nil {
		t.Fatal(err)
	}

	if !t.Run("kernel", l.kernel) || !t.Run("flood", l.flood) || !t.Run("audit", l.audit) ||
		!t.Run("objects", l.objects) || !t.Run("database", l.database) || !t.Run("full and back", l.fullAndBack) {
		t.FailNow()
	}
}

// kernel holds that memory and CPU are limited by the kernel.
func (l limited) kernel(t *testing.T) {
	for name, want := range map[string]controlplane.ProcessLimits{"etcd": l.limits.Etcd, "stack": l.limits.Stack} {
		group := filepath.Join(l.home.Cgroup(), string(l.id), name)
		memory, cpu := fmt.Sprint(want.MemoryBytes), fmt.Sprint(int(want.CPUs*100_000))
		if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil {
			holds(t, filepath.Join("/sys/fs/cgroup", group, "memory.max"), memory)
			holds(t, filepath.Join("/sys/fs/cgroup", group, "cpu.max"), cpu+" 100000")
			continue
		}
		holds(t, filepath.Join("/sys/fs/cgroup/memory", group, "memory.limit_in_bytes"), memory)
		holds(t, filepath.Join("/sys/fs/cgroup/cpu", group, "cpu.cfs_quota_us"), cpu)
		holds(t, filepath.Join("/sys/fs/cgroup/cpu", group, "cpu.cfs_period_us"), "100000")
	}
}

func holds(t *testing.T, file, want string) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Error(err)
	} else if got := strings.TrimSpace(string(data)); got != want {
		t.Errorf("%s holds %s, want %s", file, got, want)
	}
}

// flood holds that a customer who asks for more than their share is told to come back
// later, while nodes and controllers get through.
func (l limited) flood(t *testing.T) {
	const clients, requests = 8, 80
	for n := range 200 { // so that a list takes its time
		l.create(t, fmt.Sprintf("bulk-%d", n), 1<<10)
	}
	ctx, stop := context.WithCancel(t.Context())
	var flooding sync.WaitGroup
	var refused, served, other atomic.Int64
	for range clients { // a connection carries a hundred requests at once
		own := rest.CopyConfig(l.cfg)
		ask := l.client(l.id, own).CoreV1().RESTClient()
		for range requests {
			flooding.Go(func() {
				for ctx.Err() == nil {
					_, err := ask.Get().AbsPath("/api/v1/configmaps").MaxRetries(0).Do(ctx).Raw()
					switch _, wait := apierrors.SuggestsClientDelay(err); {
					case err == nil:
						served.Add(1)
					case apierrors.IsTooManyRequests(err) && wait:
						refused.Add(1)
					case ctx.Err() == nil:
						other.Add(1)
						l.t.Logf("flood: %v", err)
					}
				}
			})
		}
	}
	defer func() { stop(); flooding.Wait() }()
	l.eventually("somebody is told to come back later", time.Minute, func() bool { return refused.Load() > 0 })

	// While it goes on: a node's heartbeats, and a controller at work.
	var worst time.Duration
	for range 20 {
		began := time.Now()
		l.heartbeat(t)
		worst = max(worst, time.Since(began))
	}
	ns, err := l.marina.CoreV1().Namespaces().Create(ctx, &core.Namespace{ObjectMeta: meta.ObjectMeta{Name: "during-flood"}}, meta.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	l.eventually("a controller makes the namespace's ServiceAccount", 30*time.Second, func() bool {
		_, err := l.marina.CoreV1().ServiceAccounts(ns.Name).Get(ctx, "default", meta.GetOptions{})
		return err == nil
	})
	t.Logf("%d requests served, %d refused, %d failed; the slowest heartbeat took %s", served.Load(), refused.Load(), other.Load(), worst)
	if worst > 10*time.Second { // a node counts as lost after forty
		t.Errorf("a heartbeat took %s", worst)
	}
	if other.Load() > 0 {
		t.Errorf("%d requests failed without a word about when to come back", other.Load())
	}
}

// audit holds that the log of that flood is short, and says what it lacks.
func (l limited) audit(t *testing.T) {
	file := filepath.Join(l.home.Tenant(l.id), "audit", "audit.log")
	l.eventually("the audit log says what it lacks", 10*time.Second, func() bool {
		data, err := os.ReadFile(file)
		return err == nil && bytes.Contains(data, []byte(`"audit.marina.cloud/dropped":`)) && bytes.Contains(data, []byte("events dropped"))
	})
	metrics, err := l.marina.Discovery().RESTClient().Get().AbsPath("/metrics").Do(t.Context()).Raw()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(metrics)) {
		if n, ok := strings.CutPrefix(line, "marina_audit_events_dropped_total "); ok && strings.TrimSpace(n) != "0" {
			return
		}
	}
	t.Error("the dropped events are not counted")
}

// objects holds that the number of objects is limited, and that to delete some helps.
func (l limited) objects(t *testing.T) {
	ctx := t.Context()
	made := 0
	var err error
	for ; err == nil && made < 1000; made++ {
		_, err = l.customer.CoreV1().ConfigMaps("default").Create(ctx, configMap(fmt.Sprintf("many-%d", made), 0), meta.CreateOptions{})
	}
	l.refusal(t, err, "objects, and its limit is 700")
	l.heartbeat(t)
	if _, err := l.marina.CoreV1().ConfigMaps("kube-system").Create(ctx, configMap("system", 0), meta.CreateOptions{}); err != nil {
		t.Errorf("the system's own create: %v", err)
	}
	if err := l.customer.CoreV1().ConfigMaps("default").DeleteCollection(ctx, meta.DeleteOptions{}, meta.ListOptions{FieldSelector: "metadata.name!=kube-root-ca.crt"}); err != nil {
		t.Fatalf("deletes: %v", err)
	}
	l.eventually("a create after deletes", 10*time.Second, func() bool {
		_, err := l.customer.CoreV1().ConfigMaps("default").Create(ctx, configMap("again", 0), meta.CreateOptions{})
		return err == nil
	})
}

// database holds that a customer is stopped at four fifths of the database, and only
// from making it larger.
func (l limited) database(t *testing.T) {
	ctx := t.Context()
	maps := l.customer.CoreV1().ConfigMaps("default")
	made := 0
	add := func() error {
		_, err := maps.Create(ctx, configMap(fmt.Sprintf("large-%d", made), 256<<10), meta.CreateOptions{})
		made++
		return err
	}
	fill := func() {
		var err error
		for n := 0; err == nil && n < 500; n++ {
			err = add()
		}
		l.refusal(t, err, fmt.Sprintf("beyond %d MiB nothing may be added", l.limits.Database.Soft>>20))
	}
	fill()
	// Meanwhile etcd may find old revisions to forget, and then there is room again.
	l.eventually("the owner is told", time.Minute, func() bool {
		_ = add()
		k := l.condition(t, controlplane.WithinLimits)
		return !k.OK && strings.Contains(k.Message, "The database is")
	})
	if p := l.phase(l.id); p != controlplane.Running {
		t.Errorf("a cluster at its limit is %s, want running: nothing is to be repaired", p)
	}

	large, err := maps.Get(ctx, "large-0", meta.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	large.BinaryData["more"] = noise(64 << 10)
	fill()
	_, err = maps.Update(ctx, large, meta.UpdateOptions{})
	l.refusal(t, err, "made larger")
	large.BinaryData = map[string][]byte{"a": noise(1 << 10)}
	if _, err := maps.Update(ctx, large, meta.UpdateOptions{}); err != nil {
		t.Errorf("to make something smaller: %v", err)
	}
	l.heartbeat(t)
	if err := maps.Delete(ctx, "large-1", meta.DeleteOptions{}); err != nil {
		t.Errorf("a delete: %v", err)
	}
}

// fullAndBack holds that a cluster comes back by itself from where etcd itself
// refuses everything, as soon as something is deleted.
func (l limited) fullAndBack(t *testing.T) {
	ctx := t.Context()
	var err error
	for n := 0; err == nil && n < 500; n++ {
		_, err = l.marina.CoreV1().ConfigMaps("kube-system").Create(ctx, configMap(fmt.Sprintf("system-%d", n), 256<<10), meta.CreateOptions{})
	}
	if err == nil || !strings.Contains(err.Error(), "database space exceeded") {
		t.Fatalf("etcd's own quota: %v, want that it is exceeded", err)
	}
	everything := meta.ListOptions{FieldSelector: "metadata.name!=kube-root-ca.crt"}
	if err := l.customer.CoreV1().ConfigMaps("default").DeleteCollection(ctx, meta.DeleteOptions{}, everything); err != nil {
		t.Fatalf("deletes while etcd is full: %v", err)
	}
	l.eventually("a create after deletes", time.Minute, func() bool {
		_, err := l.customer.CoreV1().ConfigMaps("default").Create(ctx, configMap("after", 256<<10), meta.CreateOptions{})
		return err == nil
	})
	l.heartbeat(t)
	l.eventually("the cluster is as it was", time.Minute, func() bool {
		return l.condition(t, controlplane.WithinLimits).OK && l.phase(l.id) == controlplane.Running
	})
}

// heartbeat reads and renews the node's lease, each in one try: a client that tries
// again would hide that it was turned away.
func (l limited) heartbeat(t *testing.T) {
	t.Helper()
	leases := l.node.CoordinationV1().RESTClient()
	patch := fmt.Appendf(nil, `{"spec":{"renewTime":%q}}`, time.Now().UTC().Format("2006-01-02T15:04:05.000000Z"))
	for _, r := range []*rest.Request{leases.Get(), leases.Patch(types.MergePatchType).Body(patch)} {
		if err := r.Namespace("kube-node-lease").Resource("leases").Name(machineName).MaxRetries(0).Do(t.Context()).Error(); err != nil {
			t.Errorf("a node's heartbeat: %v", err)
		}
	}
}

// refusal holds that a write was refused in words that help.
func (l limited) refusal(t *testing.T, err error, says string) {
	t.Helper()
	if !apierrors.IsForbidden(err) {
		t.Fatalf("the write: %v, want Forbidden", err)
	}
	for _, s := range []string{"cluster " + string(l.id), says, "Delete objects"} {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("the customer is told %q, which does not say %q", err, s)
		}
	}
}

func (l limited) condition(t *testing.T, kind string) controlplane.Condition {
	t.Helper()
	c, err := l.app.Cluster(t.Context(), l.org, l.id)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range c.Conditions {
		if k.Type == kind {
			return k
		}
	}
	return controlplane.Condition{}
}

func (l limited) create(t *testing.T, name string, bytes int) {
	t.Helper()
	if _, err := l.customer.CoreV1().ConfigMaps("default").Create(t.Context(), configMap(name, bytes), meta.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

func configMap(name string, bytes int) *core.ConfigMap {
	return &core.ConfigMap{ObjectMeta: meta.ObjectMeta{Name: name}, BinaryData: map[string][]byte{"a": noise(bytes)}}
}

func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return b
}
