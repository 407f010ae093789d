//go:build integration

package fleetapp_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/marina-cloud/marina/internal/event"
	"github.com/marina-cloud/marina/internal/home"
	"github.com/marina-cloud/marina/internal/tenant"
	"github.com/marina-cloud/marina/migrations/pg"
	"github.com/marina-cloud/marina/migrations/pgtest"
	fleet "github.com/marina-cloud/marina/node-fleet"
	"github.com/marina-cloud/marina/node-fleet/fleetapp"
	"github.com/marina-cloud/marina/node-fleet/fleettest"
	"github.com/marina-cloud/marina/node-fleet/join"
	"github.com/marina-cloud/marina/node-fleet/provider"
)

// TestMain looks for what goes on after its end. client-go's pool of connections
// is the process's, and lets idle ones go after a while.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("golang.org/x/net/http2.(*clientConnReadLoop).run"))
}

// silence is a bus without events: everything has to work without them.
type silence struct{}

func (silence) Subscribe(context.Context, string, func(event.Event)) (func(), error) {
	return func() {}, nil
}

// plain seals by turning bits over.
type plain struct{}

func (plain) Seal(_ context.Context, _ string, text, _ []byte) ([]byte, error) {
	return flip(text), nil
}
func (plain) Open(_ context.Context, _ string, text, _ []byte) ([]byte, error) {
	return flip(text), nil
}

func flip(text []byte) []byte {
	out := make([]byte, len(text))
	for i, b := range text {
		out[i] = ^b
	}
	return out
}

// fixture is a fleet that runs, with one cluster, which has a real API server, and
// machines that are not.
type fixture struct {
	*fleetapp.App
	t        *testing.T
	db       *pg.DB
	home     home.Home
	planes   *fleettest.ControlPlanes
	provider *fleettest.Provider
	kube     kubernetes.Interface
	org      tenant.OrganizationID
	cluster  tenant.ClusterID
	mirror   *url.URL // of a registry; nil: none
	log      *lockedBuffer
	stop     func()

	mu      sync.Mutex
	tickets map[tenant.NodeID]join.Ticket
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	db := pgtest.New(t)
	h, err := home.At(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(h.Run()) })
	planes, err := fleettest.NewControlPlanes()
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t, db: db, home: h, planes: planes, provider: &fleettest.Provider{}, tickets: map[tenant.NodeID]join.Ticket{}, log: &lockedBuffer{}}
	f.provider.Started = func(s provider.Spec, _ provider.Machine) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.tickets[s.Node] = s.Join
	}
	planes.Config = fleettest.APIServer(t)
	web, err := rest.HTTPClientFor(planes.Config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(web.CloseIdleConnections)
	if f.kube, err = kubernetes.NewForConfigAndClient(planes.Config, web); err != nil {
		t.Fatal(err)
	}
	f.org = fleettest.Organization(t, db)
	f.cluster = fleettest.Cluster(t, db, f.org)
	planes.Put(f.cluster, f.org, nil)
	f.start()
	return f
}

// start runs a fleet until stop, or until the test ends.
func (f *fixture) start() {
	f.t.Helper()
	app, err := fleetapp.New(fleetapp.Deps{
		DB: f.db, Home: f.home, Events: silence{}, Secrets: plain{}, Provider: f.provider, Clusters: f.planes,
		Domain: "marina.test", RegistryMirror: f.mirror, Log: slog.New(slog.NewTextHandler(f.log, nil)),
	})
	if err != nil {
		f.t.Fatal(err)
	}
	f.App = app
	ctx, cancel := context.WithCancel(context.WithoutCancel(f.t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- app.Run(ctx) }()
	f.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			f.t.Errorf("Run: %v", err)
		}
	})
	f.t.Cleanup(f.stop)
}

// lockedBuffer is a log that many write and a test reads.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func (f *fixture) ticket(id tenant.NodeID) (join.Ticket, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t, ok := f.tickets[id]
	return t, ok
}

// node waits for the only node and its machine.
func (f *fixture) node() (fleet.Node, join.Ticket) {
	f.t.Helper()
	var n fleet.Node
	var ticket join.Ticket
	f.eventually("a machine is started", func() bool {
		list, err := f.Nodes(f.t.Context(), f.org, f.cluster, "", 10)
		if err != nil || len(list) != 1 || list[0].Address == "" {
			return false
		}
		var ok bool
		n = list[0]
		ticket, ok = f.ticket(n.ID)
		return ok
	})
	return n, ticket
}

func (f *fixture) eventually(what string, ok func() bool) {
	f.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(30 * time.Second)
	for !ok() {
		select {
		case <-limit:
			f.t.Fatalf("never: %s\n%s", what, f.log.String())
		case <-tick.C:
		}
	}
}

func (f *fixture) pool(name string, count int) fleet.Pool {
	f.t.Helper()
	p, err := f.CreatePool(f.t.Context(), f.org, "usr-x", "192.0.2.7", f.cluster, fleet.NewPool{
		Name: name, Size: "small", Count: count, Labels: map[string]string{"team": "a"}, Taints: []fleet.Taint{{Key: "k", Value: "v", Effect: "NoSchedule"}},
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return p
}

// machine is the other side of package join.
type machine struct {
	key      *ecdsa.PrivateKey
	identity *tls.Certificate
	client   *http.Client
}

func (f *fixture) machine(ticket join.Ticket) *machine {
	f.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(ticket.Authority)) {
		f.t.Fatal("the ticket has no authority")
	}
	m := &machine{key: key}
	transport := &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", f.home.NodesSocket())
		},
		TLSClientConfig: &tls.Config{
			RootCAs: roots, ServerName: ticket.ServerName,
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				if m.identity == nil {
					return &tls.Certificate{}, nil
				}
				return m.identity, nil
			},
		},
	}
	m.client = &http.Client{Transport: transport, Timeout: 20 * time.Second}
	return m
}

// public is the machine's public key as a request has it.
func (m *machine) public(t *testing.T) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(m.key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// post returns the status of an answer, its content type and its body.
func (m *machine) post(t *testing.T, path string, body io.Reader) (status int, contentType, text string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://nodes.marina.test"+path, body)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := m.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	out, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, answer.Header.Get("Content-Type"), string(out)
}

func (m *machine) json(t *testing.T, path string, body any) (int, string, string) {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return m.post(t, path, bytes.NewReader(text))
}

func (m *machine) request(t *testing.T, ticket join.Ticket) join.Request {
	t.Helper()
	public := m.public(t)
	return join.Request{Node: ticket.Node, Token: ticket.Token, PublicKey: public, BootstrapRequest: join.BootstrapRequest{KubeletKey: public, TunnelKey: public}}
}

// joins joins and takes on the identity.
func (m *machine) joins(t *testing.T, ticket join.Ticket) join.Response {
	t.Helper()
	status, _, text := m.json(t, join.PathJoin, m.request(t, ticket))
	if status != http.StatusOK {
		t.Fatalf("join: %d %s", status, text)
	}
	var r join.Response
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode([]byte(r.Identity))
	m.identity = &tls.Certificate{Certificate: [][]byte{block.Bytes}, PrivateKey: m.key}
	return r
}

func TestAMachineBecomesANodeAndGoes(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	pool := f.pool("web", 1)
	n, ticket := f.node()
	m := f.machine(ticket)
	r := m.joins(t, ticket)
	if c := r.Config; c.NodeName != n.Name || c.Address != n.Address || c.Cluster != f.cluster || c.DNSAddress != "10.96.0.10" ||
		c.Labels["team"] != "a" || c.Labels["marina.local/pool"] != "web" || c.Taints[0] != "k=v:NoSchedule" || c.CPUs != 1 || c.MemoryMiB != 2048 {
		t.Errorf("config: %+v", c)
	}
	for what, text := range map[string]string{"kubelet": r.Kubelet, "tunnel": r.Tunnel, "cluster": r.Config.ClusterAuthority} {
		if block, _ := pem.Decode([]byte(text)); block == nil {
			t.Errorf("no certificate for %s: %q", what, text)
		}
	}
	granted, member := filepath.Join(f.home.Nodes(), string(n.ID)), filepath.Join(f.home.Members(f.cluster), n.Name)
	if text, err := os.ReadFile(granted); err != nil || string(text) != string(f.cluster) {
		t.Errorf("the identity that the router looks for: %q, %v", text, err)
	}
	if _, err := os.Stat(member); err != nil {
		t.Errorf("the identity that the control plane looks for: %v", err)
	}

	fleettest.Register(t, f.kube, n.Name)
	f.eventually("the pool is running", func() bool {
		p, err := f.Pool(t.Context(), f.org, f.cluster, pool.ID)
		return err == nil && p.Phase == fleet.PoolRunning
	})
	f.eventually("the node is running", func() bool { // the pool knows first that it is ready
		got, err := f.Node(t.Context(), f.org, f.cluster, n.ID)
		return err == nil && got.Ready && got.Phase == fleet.NodeRunning && got.JoinedAt != nil
	})

	status, _, text := m.json(t, join.PathBootstrap, join.BootstrapRequest{KubeletKey: m.public(t), TunnelKey: m.public(t)})
	if status != http.StatusOK || !strings.Contains(text, "identity") {
		t.Errorf("fresh credentials: %d %s", status, text)
	}

	fleettest.Pod(t, f.kube, n.Name, "on-"+n.Name, nil)
	if _, err := f.DeletePool(t.Context(), f.org, "usr-x", "", f.cluster, pool.ID, nil); err != nil {
		t.Fatal(err)
	}
	pods := f.kube.CoreV1().Pods("default")
	f.eventually("the node's pod is asked to leave", func() bool {
		p, err := pods.Get(t.Context(), "on-"+n.Name, metav1.GetOptions{})
		return err == nil && p.DeletionTimestamp != nil
	})
	if object, err := f.kube.CoreV1().Nodes().Get(t.Context(), n.Name, metav1.GetOptions{}); err != nil || !object.Spec.Unschedulable {
		t.Errorf("a node that drains: %v, %v; want it cordoned", object, err)
	}
	for _, file := range []string{granted, member} {
		if _, err := os.Stat(file); err != nil {
			t.Errorf("a node that drains has lost its identity, which its pods need: %v", err)
		}
	}
	force := int64(0) // as its kubelet would, once the pod has ended
	if err := pods.Delete(t.Context(), "on-"+n.Name, metav1.DeleteOptions{GracePeriodSeconds: &force}); err != nil {
		t.Fatal(err)
	}
	f.eventually("the pool is gone", func() bool {
		_, err := f.Pool(t.Context(), f.org, f.cluster, pool.ID)
		return errors.Is(err, fleet.ErrNoPool)
	})
	if _, err := f.provider.Machine(t.Context(), n.ID); !errors.Is(err, provider.ErrNoMachine) {
		t.Errorf("its machine: %v, want ErrNoMachine", err)
	}
	if _, err := f.kube.CoreV1().Nodes().Get(t.Context(), n.Name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("its Node object was left behind: %v", err)
	}
	for _, file := range []string{granted, member} {
		if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("its identity is still let in: %s: %v", file, err)
		}
	}
	status, kind, text := m.json(t, join.PathBootstrap, join.BootstrapRequest{KubeletKey: m.public(t), TunnelKey: m.public(t)})
	if status != http.StatusForbidden || kind != "application/problem+json" || !strings.Contains(text, "node_not_expected") {
		t.Errorf("credentials for a deleted node: %d %s %s", status, kind, text)
	}
	if strings.Contains(f.log.String(), ticket.Token) {
		t.Error("a join token is in the log")
	}
}

func TestJoinRefuses(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.pool("web", 1)
	_, ticket := f.node()
	m := f.machine(ticket)
	change := func(c func(*join.Request)) join.Request {
		r := m.request(t, ticket)
		c(&r)
		return r
	}
	for name, tc := range map[string]struct {
		path string
		body any
		want int
		says string
	}{
		"BadToken":    {join.PathJoin, change(func(r *join.Request) { r.Token = "guess" }), 401, "join_token"},
		"NoToken":     {join.PathJoin, change(func(r *join.Request) { r.Token = "" }), 401, "join_token"},
		"OtherNode":   {join.PathJoin, change(func(r *join.Request) { r.Node = tenant.NewNodeID() }), 401, "join_token"},
		"NoNode":      {join.PathJoin, change(func(r *join.Request) { r.Node = "../../etc" }), 401, "join_token"},
		"BadKeys":     {join.PathJoin, change(func(r *join.Request) { r.PublicKey, r.TunnelKey = "x", "" }), 400, `"field":"tunnel_key"`},
		"NotJSON":     {join.PathJoin, nil, 400, ""},
		"NoIdentity":  {join.PathBootstrap, join.BootstrapRequest{}, 403, "node_not_expected"},
		"UnknownPath": {"/v1/else", nil, 404, "not_found"},
		"TooLarge":    {join.PathJoin, change(func(r *join.Request) { r.Token = strings.Repeat("x", 65<<10) }), 413, "too_large"},
	} {
		status, kind, text := m.json(t, tc.path, tc.body)
		if name == "NotJSON" {
			status, kind, text = m.post(t, tc.path, strings.NewReader("{"))
		}
		if status != tc.want || kind != "application/problem+json" || !strings.Contains(text, tc.says) {
			t.Errorf("%s: %d %s %s; want %d and %q", name, status, kind, text, tc.want, tc.says)
		}
	}
	m.joins(t, ticket) // none of that used the token up
	status, _, text := m.json(t, join.PathJoin, m.request(t, ticket))
	if status != http.StatusUnauthorized || !strings.Contains(text, "was used before") {
		t.Errorf("a token used twice: %d %s", status, text)
	}
}

// TestFewJoinsAtATime: whoever tries to join again and again asks the database few
// questions at a time, and everybody is answered.
func TestFewJoinsAtATime(t *testing.T) {
	t.Parallel()
	f, ctx := newFixture(t), t.Context()
	f.pool("web", 1)
	_, ticket := f.node()
	m := f.machine(ticket)
	guess := m.request(t, ticket)
	guess.Token = "guess"
	body, err := json.Marshal(guess)
	if err != nil {
		t.Fatal(err)
	}
	const few, many = 8, 20
	answered := make(chan string, many)
	try := func() {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://nodes.marina.test"+join.PathJoin, bytes.NewReader(body))
		if err != nil {
			answered <- err.Error()
			return
		}
		answer, err := m.client.Do(r)
		if err != nil {
			answered <- err.Error()
			return
		}
		answer.Body.Close()
		answered <- strconv.Itoa(answer.StatusCode)
	}
	err = f.db.AsWorker(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "LOCK TABLE join_tokens IN ACCESS EXCLUSIVE MODE"); err != nil {
			return err
		}
		for range many {
			go try()
		}
		waiting, reached := 0, time.Time{}
		for begun := time.Now(); time.Since(begun) < 8*time.Second && (reached.IsZero() || time.Since(reached) < 200*time.Millisecond); {
			// A reading lock is that of a join, which looks whether a token is good.
			const q = "SELECT count(*) FROM pg_locks WHERE relation = 'join_tokens'::regclass AND mode = 'AccessShareLock' AND NOT granted"
			if err := tx.QueryRow(ctx, q).Scan(&waiting); err != nil {
				return err
			}
			if waiting >= few && reached.IsZero() {
				reached = time.Now()
			}
		}
		if waiting != few {
			t.Errorf("%d of %d joins are looked into at a time, want %d", waiting, many, few)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for range many {
		if got := <-answered; got != "401" {
			t.Errorf("a guess is answered %s", got)
		}
	}
}

// TestAStrangersCertificate presents one of an authority that is not the
// platform's: the handshake fails.
func TestAStrangersCertificate(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.pool("web", 1)
	n, ticket := f.node()
	m := f.machine(ticket)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	template.Subject.CommonName, template.Subject.Organization = string(n.ID), []string{string(f.cluster)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, m.key.Public(), m.key)
	if err != nil {
		t.Fatal(err)
	}
	m.identity = &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: m.key}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://nodes.marina.test"+join.PathBootstrap, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	if answer, err := m.client.Do(r); err == nil {
		answer.Body.Close()
		t.Errorf("a certificate of a stranger was answered: %s", answer.Status)
	}
}

func TestAClusterOfAnotherOrganization(t *testing.T) {
	t.Parallel()
	f, ctx := newFixture(t), t.Context()
	p, other := f.pool("web", 0), fleettest.Organization(t, f.db)
	if _, err := f.CreatePool(ctx, other, "usr-y", "", f.cluster, fleet.NewPool{Name: "web", Size: "small"}); !errors.Is(err, fleet.ErrNoCluster) {
		t.Errorf("CreatePool: %v, want ErrNoCluster", err)
	}
	if _, err := f.Pools(ctx, other, f.cluster, "", 10); !errors.Is(err, fleet.ErrNoCluster) {
		t.Errorf("Pools: %v, want ErrNoCluster", err)
	}
	if _, err := f.Nodes(ctx, other, f.cluster, "", 10); !errors.Is(err, fleet.ErrNoCluster) {
		t.Errorf("Nodes: %v, want ErrNoCluster", err)
	}
	if _, err := f.Pool(ctx, other, f.cluster, p.ID); !errors.Is(err, fleet.ErrNoPool) {
		t.Errorf("Pool: %v, want ErrNoPool", err)
	}
	if _, err := f.Resize(ctx, other, "usr-y", "", f.cluster, p.ID, 1, nil); !errors.Is(err, fleet.ErrNoPool) {
		t.Errorf("Resize: %v, want ErrNoPool", err)
	}
	if _, err := f.DeletePool(ctx, other, "usr-y", "", f.cluster, p.ID, nil); !errors.Is(err, fleet.ErrNoPool) {
		t.Errorf("DeletePool: %v, want ErrNoPool", err)
	}
	if _, err := f.Pools(ctx, f.org, tenant.NewClusterID(), "", 10); !errors.Is(err, fleet.ErrNoCluster) {
		t.Errorf("Pools of no cluster: %v, want ErrNoCluster", err)
	}
}

func TestAMachineThatDiedIsStartedAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.pool("web", 1)
	n, ticket := f.node()
	f.machine(ticket).joins(t, ticket)
	f.provider.Kill(n.ID)
	f.eventually("the machine runs again", func() bool {
		m, err := f.provider.Machine(t.Context(), n.ID)
		return err == nil && m.Running
	})
}

func TestRelease(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.pool("web", 2)
	f.pool("db", 1)
	f.eventually("three machines run", func() bool {
		machines, err := f.provider.Machines(t.Context(), f.cluster)
		return err == nil && len(machines) == 3
	})
	f.planes.Put(f.cluster, f.org, func(c *fleet.Control) { c.Deleting, c.Purge, c.Running = true, true, false })
	if _, err := f.CreatePool(t.Context(), f.org, "usr-x", "", f.cluster, fleet.NewPool{Name: "late", Size: "small"}); !errors.Is(err, fleet.ErrGoing) {
		t.Errorf("a pool for a cluster that goes: %v, want ErrGoing", err)
	}
	f.eventually("nothing is left", func() bool {
		gone, err := f.Release(t.Context(), f.cluster, true)
		return err == nil && gone
	})
	if machines, err := f.provider.Machines(t.Context(), f.cluster); err != nil || len(machines) > 0 || !f.provider.Released(f.cluster) {
		t.Errorf("left: %v, %v; released %v", machines, err, f.provider.Released(f.cluster))
	}
}

// TestSuspend: a cluster that is gone for now has no machines, and its pools get theirs
// back with it.
func TestSuspend(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p := f.pool("web", 2)
	machines := func(want int) {
		t.Helper()
		f.eventually(fmt.Sprintf("%d machines run", want), func() bool {
			machines, err := f.provider.Machines(t.Context(), f.cluster)
			return err == nil && len(machines) == want
		})
	}
	machines(2)
	f.planes.Put(f.cluster, f.org, func(c *fleet.Control) { c.Deleting, c.Running = true, false })
	f.eventually("nothing is left", func() bool {
		gone, err := f.Release(t.Context(), f.cluster, false)
		return err == nil && gone
	})
	machines(0)
	got, err := f.Pool(t.Context(), f.org, f.cluster, p.ID)
	if err != nil || got.Phase != fleet.PoolSuspended || got.Count != 2 || got.Deleting {
		t.Errorf("the pool is %+v, %v; want it suspended", got, err)
	}
	if err := f.Room(t.Context(), f.org, f.cluster); err != nil {
		t.Errorf("no room for two nodes that were there before: %v", err)
	}
	other := fleettest.Cluster(t, f.db, f.org)
	f.planes.Put(other, f.org, func(c *fleet.Control) { c.Running = false }) // so that no machine is made
	if _, err := f.CreatePool(t.Context(), f.org, "usr-x", "", other, fleet.NewPool{Name: "all", Size: "small", Count: fleet.MaxNodes}); err != nil {
		t.Fatalf("suspended pools take others' places: %v", err)
	}
	if err := f.Room(t.Context(), f.org, f.cluster); !errors.Is(err, fleet.ErrQuota) {
		t.Errorf("room for nodes beyond the quota: error = %v, want ErrQuota", err)
	}
	f.planes.Put(f.cluster, f.org, func(c *fleet.Control) { c.Deleting, c.Running = false, true })
	if _, err := f.Resize(t.Context(), f.org, "usr-x", "", f.cluster, p.ID, 1, nil); err != nil { // which wakes it, as the event of a running cluster does
		t.Fatal(err)
	}
	machines(1)
}

// TestARestartRestoresIdentities starts with what is let in taken away in part, and
// with what is not a node's any more.
func TestARestartRestoresIdentities(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.pool("web", 1)
	n, ticket := f.node()
	f.machine(ticket).joins(t, ticket)
	f.stop()
	mine := []string{filepath.Join(f.home.Nodes(), string(n.ID)), filepath.Join(f.home.Members(f.cluster), n.Name)}
	stale := []string{filepath.Join(f.home.Nodes(), string(tenant.NewNodeID())), filepath.Join(f.home.Members(f.cluster), "web-gone")}
	for i := range mine {
		if err := os.Remove(mine[i]); err != nil {
			t.Errorf("a node that joined is not let in: %v", err)
		}
		if err := os.WriteFile(stale[i], []byte(f.cluster), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f.start()
	for i := range mine {
		f.eventually("the directories are as Postgres says", func() bool {
			_, missing := os.Stat(mine[i])
			_, left := os.Stat(stale[i])
			return missing == nil && errors.Is(left, os.ErrNotExist)
		})
	}
}
