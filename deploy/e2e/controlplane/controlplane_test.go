//go:build integration

// Package controlplane_test gives one real control plane its whole life: made,
// used, killed, taken over by a restarted Marina, and deleted without a trace.
package controlplane_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/pires/go-proxyproto"
	authentication "k8s.io/api/authentication/v1"
	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/marina-cloud/marina/deploy/artifacts"
	"github.com/marina-cloud/marina/internal/home"
	"github.com/marina-cloud/marina/internal/route"
	"github.com/marina-cloud/marina/internal/seal"
	"github.com/marina-cloud/marina/internal/tenant"
	"github.com/marina-cloud/marina/migrations/pg"
	"github.com/marina-cloud/marina/migrations/pgtest"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
	"github.com/marina-cloud/marina/tenant-controlplane/controlplaneapp"
)

const (
	domain  = "marina.localhost"
	public  = "https://marina.example"
	actor   = "usr-01jz8v5m3q7x9c2b4d6f8h0k1m"
	address = "203.0.113.9" // of a customer (RFC 5737)
)

// installation is a Marina of which only the control planes run.
type installation struct {
	t       *testing.T
	db      *pg.DB
	home    home.Home
	secrets seal.Store
	org     tenant.OrganizationID
	app     *controlplaneapp.App
	egress  []string // what clusters may call beyond the public Internet
	limits  controlplane.Limits
	log     journal
	stop    func()
}

func install(t *testing.T, egress ...string) *installation {
	return installWith(t, controlplane.Small(), egress...)
}

func installWith(t *testing.T, limits controlplane.Limits, egress ...string) *installation {
	h, err := home.At(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	i := &installation{t: t, db: pgtest.New(t), home: h, org: tenant.NewOrganizationID(), egress: egress, limits: limits}
	i.exec("INSERT INTO organizations (id, name) VALUES ($1, 'test')", i.org)
	if i.secrets, err = seal.Open(t.Context(), i.db, h.Path("master.key")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(i.clean)
	i.start()
	return i
}

// clean takes away what a test that failed half-way left behind.
func (i *installation) clean() {
	i.stop()
	for _, c := range i.containers() {
		if out, err := exec.Command(i.binary("runc"), "--root", i.home.Runc(), "delete", "--force", c.ID).CombinedOutput(); err != nil {
			i.t.Errorf("delete container %s: %v: %s", c.ID, err, out)
		}
	}
	if err := os.RemoveAll(i.home.Run()); err != nil {
		i.t.Error(err)
	}
	// The parent of all control groups is the installation's, not a cluster's. One
	// that still holds a process cannot be removed.
	for _, hierarchy := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/*"} {
		groups, err := filepath.Glob(hierarchy + i.home.Cgroup())
		if err != nil {
			i.t.Error(err)
		}
		for _, g := range groups {
			if out, err := exec.Command("find", g, "-depth", "-type", "d", "-exec", "rmdir", "{}", "+").CombinedOutput(); err != nil {
				i.t.Errorf("remove control group: %v: %s", err, out)
			}
		}
	}
}

func (i *installation) binary(name string) string {
	i.t.Helper()
	path, err := artifacts.Path(name)
	if err != nil {
		i.t.Fatal(err)
	}
	return path
}

// start starts Marina; i.stop stops it, as a restart of its process would.
func (i *installation) start() {
	i.t.Helper()
	app, err := controlplaneapp.New(controlplaneapp.Deps{
		DB: i.db, Home: i.home, Secrets: i.secrets, Domain: domain, PublicURL: public, Egress: i.egress, Limits: i.limits,
		Binaries: controlplaneapp.Binaries{
			Etcd: i.binary("marina-etcd"), Runc: i.binary("runc"),
			Kubernetes: map[string]string{"1.37": i.binary(artifacts.Kubernetes("1.37"))},
			Terminal:   i.binary(artifacts.Terminal),
		},
		Log: slog.New(slog.NewTextHandler(io.MultiWriter(i.t.Output(), &i.log), nil)),
	})
	if err != nil {
		i.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- app.Run(ctx) }()
	i.app = app
	i.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			i.t.Errorf("control planes: %v", err)
		}
		i.stop = func() {}
	}
}

func (i *installation) exec(sql string, args ...any) {
	i.t.Helper()
	if err := i.db.AsLogin(i.t.Context(), func(tx pgx.Tx) error {
		_, err := tx.Exec(i.t.Context(), sql, args...)
		return err
	}); err != nil {
		i.t.Fatal(err)
	}
}

func (i *installation) count(sql string) (n int) {
	i.t.Helper()
	if err := i.db.AsWorker(i.t.Context(), func(tx pgx.Tx) error {
		return tx.QueryRow(i.t.Context(), sql).Scan(&n)
	}); err != nil {
		i.t.Fatal(err)
	}
	return n
}

type container struct {
	ID     string
	PID    int
	Status string
}

func (i *installation) containers() (cs []container) {
	i.t.Helper()
	out, err := exec.Command(i.binary("runc"), "--root", i.home.Runc(), "list", "--format", "json").Output()
	if err != nil {
		i.t.Fatal(err)
	}
	if err := json.Unmarshal(out, &cs); err != nil {
		i.t.Fatal(err)
	}
	slices.SortFunc(cs, func(a, b container) int { return strings.Compare(a.ID, b.ID) })
	return cs
}

// pid is the process of a container whose name ends so.
func (i *installation) pid(suffix string) int {
	i.t.Helper()
	for _, c := range i.containers() {
		if strings.HasSuffix(c.ID, suffix) && c.Status == "running" {
			return c.PID
		}
	}
	return 0
}

func (i *installation) phase(id tenant.ClusterID) controlplane.Phase {
	i.t.Helper()
	c, err := i.app.Cluster(i.t.Context(), i.org, id)
	if errors.Is(err, controlplane.ErrNoCluster) {
		return controlplane.Deleted
	}
	if err != nil {
		i.t.Fatal(err)
	}
	return c.Phase
}

// eventually waits until what holds, for as long as limit.
func (i *installation) eventually(what string, limit time.Duration, holds func() bool) {
	i.t.Helper()
	deadline := time.After(limit)
	for !holds() {
		select {
		case <-deadline:
			i.t.Fatalf("%s: not within %s", what, limit)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// customer returns a client that comes from a customer's address, as if through
// the router.
func (i *installation) customer(id tenant.ClusterID) (kubernetes.Interface, *rest.Config) {
	i.t.Helper()
	data, err := i.app.Kubeconfig(i.t.Context(), i.org, actor, address, id, "https://192.0.2.200:6443", access(controlplane.AdminsGroup))
	if err != nil {
		i.t.Fatal(err)
	}
	cfg, err := clientcmd.RESTConfigFromKubeConfig(data)
	if err != nil {
		i.t.Fatal(err)
	}
	return i.client(id, cfg), cfg
}

func (i *installation) client(id tenant.ClusterID, cfg *rest.Config) kubernetes.Interface {
	i.t.Helper()
	cfg.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
		r, ok, err := route.Find(i.home.Routes(), id)
		if err != nil || !ok {
			return nil, errors.Join(errors.New("no route"), err)
		}
		conn, err := new(net.Dialer).DialContext(ctx, "unix", r.API)
		if err != nil {
			return nil, err
		}
		from := &net.TCPAddr{IP: net.ParseIP(address), Port: 40000}
		to := &net.TCPAddr{IP: net.ParseIP("203.0.113.1"), Port: 6443}
		_, err = proxyproto.HeaderProxyFromAddrs(2, from, to).WriteTo(conn)
		return conn, err
	}
	cfg.QPS = -1
	k, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		i.t.Fatal(err)
	}
	return k
}

// TestLife is one cluster's. Its parts build on one another.
func TestLife(t *testing.T) {
	friend, foe := newProvider(t), newProvider(t)
	i := install(t, friend.address)
	ctx := t.Context()

	begun := time.Now()
	c, err := i.app.Create(ctx, i.org, actor, address, controlplane.NewCluster{Name: "demo"})
	if err != nil {
		t.Fatal(err)
	}
	if c.Phase != controlplane.Provisioning {
		t.Errorf("a new cluster is %s", c.Phase)
	}
	if _, err := i.app.Kubeconfig(ctx, i.org, actor, address, c.ID, "", access(controlplane.AdminsGroup)); !errors.Is(err, controlplane.ErrNotRunning) {
		t.Errorf("kubeconfig of a new cluster: error = %v, want ErrNotRunning", err)
	}
	i.eventually("the cluster runs", time.Minute, func() bool { return i.phase(c.ID) == controlplane.Running })
	t.Logf("running %s after it was asked for", time.Since(begun).Round(time.Millisecond))
	k, cfg := i.customer(c.ID)
	if _, err := k.CoreV1().ConfigMaps("default").Create(ctx, &core.ConfigMap{ObjectMeta: meta.ObjectMeta{Name: "first"}}, meta.CreateOptions{}); err != nil {
		t.Fatalf("a running cluster does not take a customer's ConfigMap: %v", err)
	}
	t.Logf("a ConfigMap was created %s after the cluster was asked for", time.Since(begun).Round(time.Millisecond))

	if !t.Run("identities", func(t *testing.T) { identities(t, i, c, k, cfg) }) ||
		!t.Run("rights", func(t *testing.T) { rights(t, i, c) }) ||
		!t.Run("revocation", func(t *testing.T) { revocation(t, i, c, k) }) ||
		!t.Run("uses of credentials", func(t *testing.T) { used(t, i, c) }) ||
		!t.Run("workloads", func(t *testing.T) { workloads(t, i, c, k) }) ||
		!t.Run("secrets are sealed", func(t *testing.T) { sealed(t, i, c, k) }) ||
		!t.Run("audit", func(t *testing.T) { audited(t, i, c) }) ||
		!t.Run("issuer", func(t *testing.T) { issuer(t, i, c, k) }) ||
		!t.Run("webhooks by URL", func(t *testing.T) { webhooks(t, k, friend, foe) }) ||
		!t.Run("issuers of others", func(t *testing.T) { issuers(t, i, c, cfg, friend, foe) }) ||
		!t.Run("attacks", func(t *testing.T) { attacks(t, i, c, k, cfg, foe) }) ||
		!t.Run("death", func(t *testing.T) { death(t, i, c, k) }) ||
		!t.Run("restart of marina", func(t *testing.T) { adopted(t, i, c, k) }) ||
		!t.Run("delete", func(t *testing.T) { deleted(t, i, c) }) {
		t.FailNow()
	}
}

// identities holds who is who to the cluster, and who may do what.
func identities(t *testing.T, i *installation, c controlplane.Cluster, k kubernetes.Interface, cfg *rest.Config) {
	ctx := t.Context()
	me, err := k.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authentication.SelfSubjectReview{}, meta.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if u := me.Status.UserInfo; u.Username != actor || !slices.Contains(u.Groups, "marina:admins") || slices.Contains(u.Groups, "system:masters") {
		t.Errorf("the holder of a kubeconfig is %+v", u)
	}

	stranger := rest.AnonymousClientConfig(cfg)
	anonymous := i.client(c.ID, stranger)
	if _, err := anonymous.CoreV1().Namespaces().List(ctx, meta.ListOptions{}); !apierrors.IsUnauthorized(err) {
		t.Errorf("a stranger lists namespaces: error = %v, want Unauthorized", err)
	}
	if err := anonymous.Discovery().RESTClient().Get().AbsPath("/livez").Do(ctx).Error(); err != nil {
		t.Errorf("a stranger asks for health: %v", err)
	}

	own, err := i.app.Client(ctx, c.ID, "test")
	if err != nil {
		t.Fatal(err)
	}
	marina, err := kubernetes.NewForConfig(own)
	if err != nil {
		t.Fatal(err)
	}
	me, err = marina.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authentication.SelfSubjectReview{}, meta.CreateOptions{})
	if err != nil || me.Status.UserInfo.Username != "marina:test" {
		t.Errorf("Marina's client is %+v, %v", me, err)
	}
	t.Run("machine", func(t *testing.T) { machine(t, i, c) })
}

// sealed holds that etcd's files do not give a Secret away.
func sealed(t *testing.T, i *installation, c controlplane.Cluster, k kubernetes.Interface) {
	const password = "correct-horse-battery-staple"
	secret := &core.Secret{ObjectMeta: meta.ObjectMeta{Name: "hidden"}, StringData: map[string]string{"password": password}}
	plain := &core.ConfigMap{ObjectMeta: meta.ObjectMeta{Name: "plain"}, Data: map[string]string{"word": "no-secret-at-all"}}
	if _, err := k.CoreV1().Secrets("default").Create(t.Context(), secret, meta.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := k.CoreV1().ConfigMaps("default").Create(t.Context(), plain, meta.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	var all []byte
	err := filepath.WalkDir(filepath.Join(i.home.Tenant(c.ID), "etcd"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		all = append(all, data...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{
		password:                 false,
		"no-secret-at-all":       true, // or the test looks in the wrong place
		"k8s:enc:kms:v2:marina:": true,
	} {
		if got := bytes.Contains(all, []byte(text)); got != want {
			t.Errorf("etcd's files contain %q: %v, want %v", text, got, want)
		}
	}
}

// audited holds that the audit log says who did what from where.
func audited(t *testing.T, i *installation, c controlplane.Cluster) {
	path := filepath.Join(i.home.Tenant(c.ID), "audit", "audit.log")
	i.eventually("the customer's Secret is in the audit log", 10*time.Second, func() bool {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(data) {
			var e struct {
				Verb      string
				SourceIPs []string
				User      struct{ Username string }
				ObjectRef struct{ Resource, Name string }
				Request   json.RawMessage `json:"requestObject"`
			}
			if err := json.Unmarshal(line, &e); err != nil {
				continue // still being written
			}
			if e.ObjectRef.Resource == "secrets" && e.ObjectRef.Name == "hidden" && e.Verb == "create" {
				if !slices.Equal(e.SourceIPs, []string{address}) || e.User.Username != actor || e.Request != nil {
					t.Errorf("the audit log says %s", line)
				}
				return true
			}
		}
		return false
	})
}

// issuer holds that what Marina publishes of the issuer is what the API server
// uses.
func issuer(t *testing.T, i *installation, c controlplane.Cluster, k kubernetes.Interface) {
	ctx := t.Context()
	ours, keys, err := i.app.Issuer(ctx, c.ID)
	if err != nil {
		t.Fatal(err)
	}
	ask := func(path string) []byte {
		data, err := k.Discovery().RESTClient().Get().AbsPath(path).Do(ctx).Raw()
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		return data
	}
	var theirs controlplaneapp.OpenIDConfiguration
	if err := json.Unmarshal(ask("/.well-known/openid-configuration"), &theirs); err != nil {
		t.Fatal(err)
	}
	a, b := mustJSON(t, ours), mustJSON(t, theirs)
	if a != b {
		t.Errorf("Marina publishes %s\nthe API server %s", a, b)
	}
	if a, b := canonical(t, keys), canonical(t, ask("/openid/v1/jwks")); a != b {
		t.Errorf("Marina publishes the keys %s\nthe API server %s", a, b)
	}
	token, err := k.CoreV1().ServiceAccounts("default").CreateToken(ctx, "default", &authentication.TokenRequest{
		Spec: authentication.TokenRequestSpec{Audiences: []string{"https://somebody.else"}},
	}, meta.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	review, err := k.AuthenticationV1().TokenReviews().Create(ctx, &authentication.TokenReview{
		Spec: authentication.TokenReviewSpec{Token: token.Status.Token, Audiences: []string{"https://kubernetes.default.svc"}},
	}, meta.CreateOptions{})
	if err != nil || review.Status.Authenticated {
		t.Errorf("a token for somebody else is valid for the API server: %+v, %v", review.Status, err)
	}
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func canonical(t *testing.T, data []byte) string {
	t.Helper()
	var v any
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatalf("%v in %s", err, data)
	}
	return mustJSON(t, v)
}

// death holds that a killed stack comes back by itself, and that etcd is not
// touched.
func death(t *testing.T, i *installation, c controlplane.Cluster, k kubernetes.Interface) {
	etcd, stack := i.pid("-etcd"), i.pid("-stack")
	if etcd == 0 || stack == 0 {
		t.Fatalf("containers are %+v", i.containers())
	}
	begun := time.Now()
	if err := syscall.Kill(stack, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	i.eventually("the owner sees it", 10*time.Second, func() bool { return i.phase(c.ID) == controlplane.Degraded })
	noticed := time.Since(begun)
	i.eventually("the cluster runs again", time.Minute, func() bool { return i.phase(c.ID) == controlplane.Running })
	t.Logf("noticed after %s, running again after %s", noticed.Round(time.Millisecond), time.Since(begun).Round(time.Millisecond))
	if _, err := k.CoreV1().Secrets("default").Get(t.Context(), "hidden", meta.GetOptions{}); err != nil {
		t.Errorf("a Secret from before: %v", err)
	}
	if now := i.pid("-stack"); now == stack || now == 0 {
		t.Errorf("the stack's process was %d and is %d", stack, now)
	}
	if now := i.pid("-etcd"); now != etcd {
		t.Errorf("etcd's process was %d and is %d", etcd, now)
	}
	events, err := i.app.Events(t.Context(), i.org, c.ID, "", 100)
	if err != nil {
		t.Fatal(err)
	}
	var told bool
	for _, e := range events {
		told = told || strings.Contains(e.Message, "The API server ended")
	}
	if !told {
		t.Errorf("the owner was not told: %+v", events)
	}
}

// adopted holds that a restart of Marina does not touch what runs, and that
// Secrets can be read and written after it.
func adopted(t *testing.T, i *installation, c controlplane.Cluster, k kubernetes.Interface) {
	before := i.containers()
	i.stop()
	if _, err := k.CoreV1().ConfigMaps("default").Get(t.Context(), "first", meta.GetOptions{}); err != nil {
		t.Errorf("without Marina, the cluster does not answer: %v", err)
	}
	i.start()
	// A process that is killed now is noticed only if it was taken over.
	stack := i.pid("-stack")
	i.eventually("a Secret is written", 30*time.Second, func() bool {
		_, err := k.CoreV1().Secrets("default").Create(t.Context(), &core.Secret{ObjectMeta: meta.ObjectMeta{GenerateName: "after-"}}, meta.CreateOptions{})
		return err == nil
	})
	if after := i.containers(); !slices.Equal(before, after) {
		t.Errorf("containers were %+v\nand are %+v", before, after)
	}
	if got := i.phase(c.ID); got != controlplane.Running {
		t.Errorf("after the restart the cluster is %s", got)
	}
	i.eventually("the killed stack is started again", time.Minute, func() bool {
		if p := i.pid("-stack"); p == stack {
			// Marina may take it over only after this; then the next look sees it.
			_ = syscall.Kill(stack, syscall.SIGKILL)
			return false
		}
		return i.pid("-stack") != 0 && i.phase(c.ID) == controlplane.Running
	})
}

// deleted holds that nothing of a cluster is left.
func deleted(t *testing.T, i *installation, c controlplane.Cluster) {
	ctx := t.Context()
	begun := time.Now()
	for range 2 { // to say it again changes nothing
		if _, err := i.app.Delete(ctx, i.org, actor, address, c.ID, true, nil); err != nil && !errors.Is(err, controlplane.ErrNoCluster) {
			t.Fatal(err)
		}
	}
	i.eventually("the cluster is deleted", time.Minute, func() bool { return i.phase(c.ID) == controlplane.Deleted })
	t.Logf("deleted after %s", time.Since(begun).Round(time.Millisecond))
	if left := i.containers(); len(left) != 0 {
		t.Errorf("containers are left: %+v", left)
	}
	for _, path := range []string{i.home.Tenant(c.ID), i.home.TenantRun(c.ID), filepath.Join(i.home.Routes(), string(c.ID))} {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is left (%v)", path, err)
		}
	}
	out, err := exec.Command("find", "/sys/fs/cgroup", "-type", "d", "-name", "*"+string(c.ID)+"*").CombinedOutput()
	if err != nil || len(out) != 0 {
		t.Errorf("control groups are left: %s (%v)", out, err)
	}
	for _, table := range []string{"cluster_keys", "keystore_keys", "credentials", "revoked_tokens"} {
		if n := i.count("SELECT count(*) FROM " + table); n != 0 {
			t.Errorf("%d rows are left in %s", n, table)
		}
	}
	if n := i.count("SELECT count(*) FROM audit_log"); n < 3 {
		t.Errorf("the audit log has %d entries, want create, kubeconfig and delete", n)
	}
	if _, _, err := i.app.Issuer(ctx, c.ID); !errors.Is(err, controlplane.ErrNoCluster) {
		t.Errorf("issuer of a deleted cluster: error = %v, want ErrNoCluster", err)
	}
}
