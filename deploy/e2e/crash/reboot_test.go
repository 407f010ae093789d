//go:build integration

package crash_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/marina-cloud/marina/deploy/client"
	"github.com/marina-cloud/marina/deploy/host"
	"github.com/marina-cloud/marina/internal/route"
	"github.com/marina-cloud/marina/internal/tenant"
)

// TestReboot takes everything away that the machine loses when its power does, and
// holds that clusters come back with what is in them, those in use first.
func TestReboot(t *testing.T) {
	w := newWorld(t)
	var ids []string
	for n := range 4 {
		k, err := w.Client.CreateCluster(t.Context(), client.NewCluster{Name: fmt.Sprintf("reboot-%d", n)})
		check(t, err)
		ids = append(ids, k.ID)
	}
	for _, id := range ids {
		w.until(t, "the cluster runs", func(ctx context.Context) bool {
			k, err := w.Client.Cluster(ctx, id)
			return err == nil && k.Phase == "running"
		})
	}
	// The last two are used: by a node, and by somebody with a kubeconfig.
	withNode, used := ids[2], ids[3]
	_, err := w.Client.CreatePool(t.Context(), withNode, client.NewPool{Name: "workers", Count: 1})
	check(t, err)
	node, kube := w.kubernetes(t, withNode), w.kubernetes(t, used)
	w.until(t, "a pod is asked for", func(ctx context.Context) bool {
		_, err := node.CoreV1().Pods("default").Create(ctx, &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: "lives-on"},
			Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "marina.local/agnhost:2.66.1", Args: []string{"pause"}}}},
		}, metav1.CreateOptions{})
		return err == nil || apierrors.IsAlreadyExists(err)
	})
	before := w.runs(t, node, corev1.Pod{})
	w.until(t, "an object is made", func(ctx context.Context) bool {
		_, err := kube.CoreV1().ConfigMaps("default").Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "kept"}}, metav1.CreateOptions{})
		return err == nil || apierrors.IsAlreadyExists(err)
	})
	for _, id := range []string{withNode, used} {
		w.until(t, "it is noted that the cluster is in use", func(context.Context) bool {
			at, err := route.LastUse(w.home.LastUse(tenant.ClusterID(id)))
			return err == nil && !at.IsZero()
		})
	}

	w.powerOff(t)
	log := filepath.Join(w.home.Dir, "log", "marina.log")
	check(t, os.Remove(log))              // the next one is about what follows alone
	w.Env = append(w.Env, "GOMAXPROCS=1") // so that only two clusters are seen to at once
	_, err = w.Start(t.Context(), false)
	check(t, err)

	w.until(t, "the object is there again", func(ctx context.Context) bool {
		_, err := kube.CoreV1().ConfigMaps("default").Get(ctx, "kept", metav1.GetOptions{})
		return err == nil
	})
	w.runs(t, node, before)
	for _, id := range ids {
		w.until(t, "the cluster runs again", func(ctx context.Context) bool {
			k, err := w.Client.Cluster(ctx, id)
			return err == nil && k.Phase == "running" && !slices.ContainsFunc(k.Conditions, func(c client.Condition) bool { return !c.OK })
		})
	}
	order := seenTo(t, log)
	if len(order) != 4 || !slices.Contains(order[:2], withNode) || !slices.Contains(order[:2], used) {
		t.Errorf("clusters were seen to in the order %v, want %s and %s, which are in use, first", order, withNode, used)
	}
}

// kubernetes returns a client with a kubeconfig of the cluster's owner, who comes
// through the router.
func (w *world) kubernetes(t *testing.T, cluster string) kubernetes.Interface {
	t.Helper()
	kubeconfig, err := w.Client.Kubeconfig(t.Context(), cluster, 0)
	check(t, err)
	config, err := clientcmd.RESTConfigFromKubeConfig(kubeconfig)
	check(t, err)
	kube, err := kubernetes.NewForConfig(config)
	check(t, err)
	return kube
}

// runs waits until the pod runs: the same pod as before, in another container.
func (w *world) runs(t *testing.T, kube kubernetes.Interface, before corev1.Pod) corev1.Pod {
	t.Helper()
	var now *corev1.Pod
	w.until(t, "the pod runs", func(ctx context.Context) (ok bool) {
		var err error
		now, err = kube.CoreV1().Pods("default").Get(ctx, "lives-on", metav1.GetOptions{})
		return err == nil && container(*now) != "" && container(*now) != container(before)
	})
	if before.UID != "" && now.UID != before.UID {
		t.Errorf("the pod is %s, was %s", now.UID, before.UID)
	}
	return *now
}

// container is the id of a pod's container if that is ready.
func container(p corev1.Pod) string {
	if len(p.Status.ContainerStatuses) == 0 || !p.Status.ContainerStatuses[0].Ready {
		return ""
	}
	return p.Status.ContainerStatuses[0].ContainerID
}

// powerOff kills every process of the installation at once, and takes away what is
// in memory alone: mounts, links, cgroups, sockets, unsealed keys.
func (w *world) powerOff(t *testing.T) {
	t.Helper()
	pids := slices.Concat(server(w.home), postgres(w.home))
	routers, err := host.Routers(w.home)
	check(t, err)
	for _, r := range routers {
		pids = append(pids, r.PID)
	}
	groups, err := filepath.Glob("/proc/[0-9]*/cgroup")
	check(t, err)
	for _, file := range groups {
		text, err := os.ReadFile(file)
		if err != nil || !strings.Contains(string(text), w.home.Cgroup()+"/") {
			continue // it has ended, or is not ours
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		check(t, err)
		pids = append(pids, pid)
	}
	if len(pids) < 12 { // server, router, Postgres; two of each cluster; a machine
		t.Fatalf("found only processes %v", pids)
	}
	for _, pid := range pids {
		_ = unix.Kill(pid, unix.SIGKILL) // it may have ended with another
	}
	_, err = w.Run(t.Context(), "down") // of which only the data is left
	check(t, err)
	if _, err := os.Stat(w.home.Run()); !os.IsNotExist(err) {
		t.Fatalf("%s: %v, want that it is gone", w.home.Run(), err)
	}
}

// seenTo returns the clusters in the order in which their control planes were begun
// to be seen to, as the server's log tells it.
func seenTo(t *testing.T, log string) (clusters []string) {
	t.Helper()
	text, err := os.ReadFile(log)
	check(t, err)
	for _, m := range regexp.MustCompile(`"msg":"step begins","cluster":"([^"]+)"`).FindAllSubmatch(text, -1) {
		if id := string(m[1]); !slices.Contains(clusters, id) {
			clusters = append(clusters, id)
		}
	}
	return clusters
}
