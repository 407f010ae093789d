//go:build integration

package backup_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/marina-cloud/marina/deploy/backup"
	"github.com/marina-cloud/marina/deploy/backup/archive"
	"github.com/marina-cloud/marina/deploy/client"
	"github.com/marina-cloud/marina/deploy/host"
	"github.com/marina-cloud/marina/deploy/installation"
	"github.com/marina-cloud/marina/internal/home"
	"github.com/marina-cloud/marina/internal/tenant"
)

const patience = 90 * time.Second

// rehearsal is a disaster, and what is done about it.
type rehearsal struct {
	*testing.T
	marina   *installation.Installation
	identity string // file
	vault    string // directory of backups
}

// TestRehearsal loses a whole installation, and brings it back elsewhere from a
// backup that was made while people worked: old kubeconfigs work, and what was
// acknowledged before the backup is there.
func TestRehearsal(t *testing.T) {
	r := &rehearsal{T: t, identity: filepath.Join(t.TempDir(), "identity"), vault: t.TempDir()}
	first, err := installation.New(os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { take(t, first) })
	r.marina = first
	r.start()

	var ids [3]string
	for i, name := range []string{"alpha", "beta", "gone"} {
		ids[i] = r.create(name)
	}
	alpha, beta, gone := ids[0], ids[1], ids[2]
	for _, id := range ids {
		r.await(id, "running", func(k client.Cluster, err error) bool { return err == nil && k.Phase == "running" })
	}
	if _, err := first.Client.PurgeCluster(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	kubeconfig := map[string][]byte{alpha: r.kubeconfig(alpha), beta: r.kubeconfig(beta)}
	a, b := r.client(kubeconfig[alpha]), r.client(kubeconfig[beta])
	secret := &core.Secret{ObjectMeta: meta.ObjectMeta{Name: "s"}, StringData: map[string]string{"k": "sealed by the key of this cluster"}}
	if _, err := a.CoreV1().Secrets("default").Create(t.Context(), secret, meta.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	put(t, b, "of-beta")
	r.kubectl(kubeconfig[alpha], boats, "apply", "-f", "-")
	r.kubectl(kubeconfig[alpha], "", "wait", "--for=condition=Established", "crd/boats.example.com", "--timeout=60s")
	r.kubectl(kubeconfig[alpha], "apiVersion: example.com/v1\nkind: Boat\nmetadata: {name: b}\nspec: {length: 7}\n", "create", "-f", "-")
	r.await(gone, "deleted", func(_ client.Cluster, err error) bool { return client.IsCode(err, "cluster_not_found") })

	// The backup, while somebody writes.
	r.marinaRun("backup", "keygen", r.identity)
	w := write(t, a)
	w.atLeast(30)
	before := w.count()
	file := filepath.Join(r.vault, "busy.marina-backup")
	var made backup.Made
	r.decode(r.marinaRun("--json", "backup", "--to", file), &made)
	last := w.stop()
	t.Logf("saved 2 clusters in %d ms, %d bytes; %d writes before, %d at the end", made.TookMS, made.Bytes, before, last)
	r.verify(file, alpha, beta)
	expectMode(t, file, 0o600)
	lost := put(t, a, "after-the-backup")

	// Again, of what does not run: twice, so that the older one goes.
	r.marinaRun("down")
	for range 2 {
		r.marinaRun("backup", "--to", r.vault, "--keep", "1")
	}
	list, err := backup.List(r.vault)
	if err != nil || len(list) != 1 {
		t.Fatalf("backups in the directory: %v, %v; want the newest", list, err)
	}
	v := r.verify(list[0].File, alpha, beta)
	if found := v.Etcds[tenant.ClusterID(alpha)]; found.Keys < last {
		t.Errorf("the backup of a stopped cluster holds %d keys, want what was written until it stopped, at least %d", found.Keys, last)
	}
	r.unreadable(beta, list[0].File)
	r.mustFail("an installation lies there", "holds an installation", "restore", file, "--identity", r.identity)
	take(t, first)

	// The disaster is over.
	next, err := first.Successor()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { take(t, next) })
	r.marina = next
	r.interrupted(file)
	began := time.Now()
	var restored backup.Restored
	r.decode(r.marinaRun("--json", "restore", file, "--identity", r.identity), &restored)
	r.start()
	for _, id := range []string{alpha, beta} {
		r.await(id, "running again", func(k client.Cluster, err error) bool { return err == nil && k.Phase == "running" })
	}
	t.Logf("restored in %d ms, running after %s", restored.TookMS, time.Since(began).Round(time.Millisecond))

	clusters, err := next.Client.Clusters(t.Context())
	if err != nil || len(clusters) != 2 {
		t.Errorf("clusters: %v, %v; want alpha and beta alone", clusters, err)
	}
	h, err := home.At(next.Home)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(h.Tenant(tenant.ClusterID(gone))); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("something of the deleted cluster came back: %v", err)
	}
	a, b = r.client(kubeconfig[alpha]), r.client(kubeconfig[beta]) // the old ones
	r.kept(a, b, before, kubeconfig[alpha])
	r.goesOn(a, b, lost)
}

// kept checks what the backup promised to hold.
func (r *rehearsal) kept(a, b kubernetes.Interface, before int, kubeconfig []byte) {
	r.Helper()
	got, err := a.CoreV1().Secrets("default").Get(r.Context(), "s", meta.GetOptions{})
	if err != nil || string(got.Data["k"]) != "sealed by the key of this cluster" {
		r.Errorf("the Secret: %q, %v", got.Data["k"], err)
	}
	if got := r.kubectl(kubeconfig, "", "get", "boat", "b", "-o", "jsonpath={.spec.length}"); got != "7" {
		r.Errorf("the custom object: %q", got)
	}
	if _, err := b.CoreV1().ConfigMaps("default").Get(r.Context(), "of-beta", meta.GetOptions{}); err != nil {
		r.Errorf("what beta held: %v", err)
	}
	all, err := a.CoreV1().ConfigMaps("default").List(r.Context(), meta.ListOptions{LabelSelector: "written"})
	if err != nil {
		r.Fatal(err)
	}
	there := map[string]bool{}
	for _, m := range all.Items {
		there[m.Name] = true
	}
	for n := range before {
		if !there[written(n)] {
			r.Errorf("%s was acknowledged before the backup began, and is lost", written(n))
		}
	}
}

// goesOn checks that the clusters live, and that no client takes what is new for
// what was lost.
func (r *rehearsal) goesOn(a, b kubernetes.Interface, lost *core.ConfigMap) {
	r.Helper()
	if _, err := a.CoreV1().ConfigMaps("default").Get(r.Context(), lost.Name, meta.GetOptions{}); !apierrors.IsNotFound(err) {
		r.Errorf("what was written after the backup: %v, want it gone", err)
	}
	w, err := a.CoreV1().ConfigMaps("default").Watch(r.Context(), meta.ListOptions{ResourceVersion: lost.ResourceVersion})
	if err == nil {
		defer w.Stop()
		select {
		case e := <-w.ResultChan():
			err = apierrors.FromObject(e.Object)
		case <-time.After(patience):
			err = errors.New("it is told nothing")
		}
	}
	if !apierrors.IsResourceExpired(err) && !apierrors.IsGone(err) {
		r.Errorf("a watch from a version that was lost: %v, want to be told to list anew", err)
	}
	now := put(r.T, a, "new")
	if revision(r.T, now) <= revision(r.T, lost) {
		r.Errorf("version %s was given out before: %s", now.ResourceVersion, lost.ResourceVersion)
	}
	secret := &core.Secret{ObjectMeta: meta.ObjectMeta{Name: "new"}, StringData: map[string]string{"k": "v"}}
	if _, err := b.CoreV1().Secrets("default").Create(r.Context(), secret, meta.CreateOptions{}); err != nil {
		r.Errorf("a new Secret: %v", err)
	}
	events, err := r.marina.Client.Events(r.Context(), clusterOf(r, "alpha"))
	if err != nil || !strings.Contains(fmt.Sprint(events), "restored from a backup") {
		r.Errorf("the owner is not told: %v, %v", events, err)
	}
}

// unreadable damages a cluster's data for good: the others are saved, everybody is
// told, and the older backup, which has all, stays.
func (r *rehearsal) unreadable(id, older string) {
	r.Helper()
	h, err := home.At(r.marina.Home)
	if err != nil {
		r.Fatal(err)
	}
	wals, err := filepath.Glob(filepath.Join(h.Tenant(tenant.ClusterID(id)), "etcd", "member", "wal", "*.wal"))
	if err != nil || len(wals) == 0 {
		r.Fatalf("the log of %s: %v, %v", id, wals, err)
	}
	for _, f := range wals {
		if err := os.WriteFile(f, []byte("not what etcd wrote"), 0o600); err != nil {
			r.Fatal(err)
		}
	}
	cmd := exec.CommandContext(r.Context(), r.marina.Marina, "--home", r.marina.Home, "--json", "backup", "--to", r.vault, "--keep", "1")
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if cmd.ProcessState.ExitCode() != 4 || !strings.Contains(said.String(), "beta ("+id+")") {
		r.Fatalf("without the data of beta: %v, want exit status 4 and its name\n%s", err, &said)
	}
	var made backup.Made
	r.decode(out, &made)
	if len(made.Manifest.Incomplete()) != 1 || len(made.Removed) > 0 {
		r.Errorf("the backup: %+v", made)
	}
	if _, err := os.Stat(older); err != nil {
		r.Errorf("an incomplete backup replaced a complete one: %v", err)
	}
	other, err := r.marina.Successor()
	if err != nil {
		r.Fatal(err)
	}
	defer take(r.T, other)
	if _, err := other.Run(r.Context(), "restore", made.File, "--identity", r.identity); err == nil || !strings.Contains(err.Error(), "--incomplete") {
		r.Errorf("a restoration of it: %v, want to be asked first", err)
	}
	if _, err := other.Run(r.Context(), "restore", made.File, "--identity", r.identity, "--incomplete"); err != nil {
		r.Errorf("a restoration that was told so: %v", err)
	}
}

// interrupted kills a restoration: nothing starts on what is half there.
func (r *rehearsal) interrupted(file string) {
	r.Helper()
	stranger := filepath.Join(r.TempDir(), "stranger")
	if _, err := backup.NewIdentity(stranger, time.Now()); err != nil {
		r.Fatal(err)
	}
	r.mustFail("somebody else's key", "another recipient", "restore", file, "--identity", stranger)
	if entries, err := os.ReadDir(r.marina.Home); err == nil && len(entries) > 0 {
		r.Errorf("a refused restoration left %v", entries)
	}
	h, err := home.At(r.marina.Home)
	if err != nil {
		r.Fatal(err)
	}
	cmd := exec.Command(r.marina.Marina, "--home", r.marina.Home, "restore", file, "--identity", r.identity)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		r.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	limit := time.After(patience)
	for { // until its database runs, which is the worst that can be left behind
		if _, err := os.Stat(filepath.Join(h.Postgres(), ".s.PGSQL.5432")); err == nil {
			break
		}
		select {
		case <-ended:
			r.Fatalf("the restoration was faster than its test: %s", &said)
		case <-limit:
			_ = cmd.Process.Kill()
			<-ended
			r.Fatalf("the restoration starts no database: %s", &said)
		case <-time.After(time.Millisecond):
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		r.Fatal(err)
	}
	<-ended
	if _, err := os.Stat(host.RestoringFile(h)); err != nil {
		r.Fatalf("the home is not marked: %v", err)
	}
	r.mustFail("a half restored home", "marina restore", "up", "--detach", "--demo=false")
	r.mustFail("a half restored home", "marina restore", "serve")
}

const boats = `
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
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`

// take takes an installation away.
func take(t *testing.T, i *installation.Installation) {
	t.Helper()
	if err := i.Close(context.WithoutCancel(t.Context())); err != nil {
		t.Error(err)
	}
}

func (r *rehearsal) start() {
	r.Helper()
	if _, err := r.marina.Start(r.Context(), false); err != nil {
		r.Fatal(err)
	}
}

func (r *rehearsal) create(name string) string {
	r.Helper()
	k, err := r.marina.Client.CreateCluster(r.Context(), client.NewCluster{Name: name})
	if err != nil {
		r.Fatal(err)
	}
	return k.ID
}

func clusterOf(r *rehearsal, name string) string {
	r.Helper()
	k, err := r.marina.Client.FindCluster(r.Context(), name)
	if err != nil {
		r.Fatal(err)
	}
	return k.ID
}

func (r *rehearsal) await(id, what string, ok func(client.Cluster, error) bool) {
	r.Helper()
	deadline := time.Now().Add(patience)
	for {
		k, err := r.marina.Client.Cluster(r.Context(), id)
		if ok(k, err) {
			return
		}
		if time.Now().After(deadline) {
			r.Fatalf("cluster %s is not %s within %s: %+v, %v", id, what, patience, k, err)
		}
		select {
		case <-r.Context().Done():
			r.Fatal(r.Context().Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (r *rehearsal) marinaRun(args ...string) []byte {
	r.Helper()
	out, err := r.marina.Run(r.Context(), args...)
	if err != nil {
		r.Fatal(err)
	}
	return out
}

func (r *rehearsal) mustFail(why, saying string, args ...string) {
	r.Helper()
	if _, err := r.marina.Run(r.Context(), args...); err == nil || !strings.Contains(err.Error(), saying) {
		r.Fatalf("%v: %v; want an error that says %q: %s", args, err, saying, why)
	}
}

func (r *rehearsal) decode(data []byte, out any) {
	r.Helper()
	if err := json.Unmarshal(data, out); err != nil {
		r.Fatalf("%v in %s", err, data)
	}
}

// verify checks a backup, and that it holds these clusters and no others.
func (r *rehearsal) verify(file string, ids ...string) (v backup.Verified) {
	r.Helper()
	r.decode(r.marinaRun("--json", "backup", "verify", file, "--identity", r.identity), &v)
	if len(v.Manifest.Clusters) != len(ids) || len(v.Etcds) != len(ids) {
		r.Errorf("the backup holds %v and %v, want %v", v.Manifest.Clusters, v.Etcds, ids)
	}
	for _, c := range v.Manifest.Clusters {
		if c.State != archive.Saved {
			r.Errorf("cluster %s is %s: %s", c.ID, c.State, c.Reason)
		}
	}
	return v
}

func expectMode(t *testing.T, file string, want os.FileMode) {
	t.Helper()
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != want {
		t.Errorf("%s: %v, %v; want mode %v", file, info, err, want)
	}
}

func (r *rehearsal) kubeconfig(id string) []byte {
	r.Helper()
	data, err := r.marina.Client.Kubeconfig(r.Context(), id, 0)
	if err != nil {
		r.Fatal(err)
	}
	return data
}

func (r *rehearsal) client(kubeconfig []byte) kubernetes.Interface {
	r.Helper()
	config, err := clientcmd.RESTConfigFromKubeConfig(kubeconfig)
	if err != nil {
		r.Fatal(err)
	}
	config.QPS, config.Burst = 200, 400
	k, err := kubernetes.NewForConfig(config)
	if err != nil {
		r.Fatal(err)
	}
	return k
}

func (r *rehearsal) kubectl(kubeconfig []byte, in string, args ...string) string {
	r.Helper()
	file := filepath.Join(r.TempDir(), "kubeconfig")
	if err := os.WriteFile(file, kubeconfig, 0o600); err != nil {
		r.Fatal(err)
	}
	cmd := exec.CommandContext(r.Context(), r.marina.Kubectl, append([]string{"--kubeconfig", file}, args...)...)
	cmd.Args[0] = "kubectl"
	cmd.Stdin = strings.NewReader(in)
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.Fatalf("kubectl %v: %v\n%s", args, err, out)
	}
	return string(out)
}

func put(t *testing.T, k kubernetes.Interface, name string) *core.ConfigMap {
	t.Helper()
	m, err := k.CoreV1().ConfigMaps("default").Create(t.Context(), &core.ConfigMap{ObjectMeta: meta.ObjectMeta{Name: name}}, meta.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func revision(t *testing.T, m *core.ConfigMap) (n int64) {
	t.Helper()
	if _, err := fmt.Sscan(m.ResourceVersion, &n); err != nil {
		t.Fatal(err)
	}
	return n
}

func written(n int) string { return fmt.Sprintf("written-%d", n) }

// writer writes one object after the other until it is stopped.
type writer struct {
	t      *testing.T
	cancel context.CancelFunc
	ended  chan struct{}
	n      atomic.Int64 // acknowledged
}

func write(t *testing.T, k kubernetes.Interface) *writer {
	ctx, cancel := context.WithCancel(t.Context())
	w := &writer{t: t, cancel: cancel, ended: make(chan struct{})}
	go func() {
		defer close(w.ended)
		for n := 0; ; n++ {
			m := &core.ConfigMap{ObjectMeta: meta.ObjectMeta{Name: written(n), Labels: map[string]string{"written": ""}}, Data: map[string]string{"n": strings.Repeat("x", 500)}}
			if _, err := k.CoreV1().ConfigMaps("default").Create(ctx, m, meta.CreateOptions{}); err != nil {
				if ctx.Err() == nil {
					t.Errorf("a write while nothing is wrong: %v", err)
				}
				return
			}
			w.n.Add(1)
		}
	}()
	return w
}

func (w *writer) count() int { return int(w.n.Load()) }

func (w *writer) atLeast(n int) {
	w.t.Helper()
	for deadline := time.Now().Add(patience); w.count() < n; time.Sleep(10 * time.Millisecond) {
		if w.t.Failed() || time.Now().After(deadline) {
			w.t.Fatalf("%d objects were written, want %d", w.count(), n)
		}
	}
}

func (w *writer) stop() int {
	w.cancel()
	<-w.ended
	return w.count()
}
