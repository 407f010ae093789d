//go:build integration

package pki_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/marina-cloud/marina/internal/seal"
	"github.com/marina-cloud/marina/internal/tenant"
	"github.com/marina-cloud/marina/migrations/pg"
	"github.com/marina-cloud/marina/migrations/pgtest"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/pki"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/reconcile"
)

const (
	uid = 212_345
	gid = 212_344
)

// place is a database with a keystore and a clock.
type place struct {
	db   *pg.DB
	keys *pki.Keys
	now  time.Time
	slot int
}

func newPlace(t *testing.T) *place {
	t.Helper()
	p := &place{db: pgtest.New(t), now: time.Now()}
	secrets, err := seal.Open(t.Context(), p.db, filepath.Join(t.TempDir(), "master.key"))
	if err != nil {
		t.Fatal(err)
	}
	p.keys = &pki.Keys{DB: p.db, Secrets: secrets, Domain: "marina.localhost", Now: func() time.Time { return p.now }}
	return p
}

// cluster adds a cluster, as the API would.
func (p *place) cluster(t *testing.T) controlplane.Cluster {
	t.Helper()
	c := controlplane.Cluster{ID: tenant.NewClusterID(), Organization: tenant.NewOrganizationID(), ServiceCIDR: "10.96.0.0/12"}
	err := p.db.AsLogin(t.Context(), func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "INSERT INTO organizations (id, name) VALUES ($1, 'test')", c.Organization)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	p.slot++
	err = p.db.AsTenant(t.Context(), c.Organization, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `INSERT INTO clusters (id, organization_id, name, version, pod_cidr, service_cidr, issuer, uid_slot)
			VALUES ($1, $2, 'test', '1.37', '10.244.0.0/16', $3, '', $4)`, c.ID, c.Organization, c.ServiceCIDR, p.slot)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// issued adds a cluster with keys, and a directory of its files.
func (p *place) issued(t *testing.T) (controlplane.Cluster, string) {
	t.Helper()
	c := p.cluster(t)
	if err := p.keys.Issue(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "run", "pki")
	p.materialize(t, c, dir)
	return c, dir
}

func (p *place) materialize(t *testing.T, c controlplane.Cluster, dir string) {
	t.Helper()
	if err := p.keys.Materialize(t.Context(), c, dir, uid, gid); err != nil {
		t.Fatal(err)
	}
}

func (p *place) settled(t *testing.T, c controlplane.Cluster, dir string) bool {
	t.Helper()
	ok, err := p.keys.Materialized(t.Context(), c, dir)
	if err != nil {
		t.Fatal(err)
	}
	return ok
}

// files returns the contents of all files by name.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all[e.Name()] = string(data)
	}
	return all
}

// changed returns the names of the files that differ, sorted.
func changed(before, after map[string]string) []string {
	var names []string
	for name := range after {
		if before[name] != after[name] {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func TestIssue(t *testing.T) {
	p := newPlace(t)
	c := p.cluster(t)
	ctx := t.Context()
	if ok, err := p.keys.Issued(ctx, c.ID); ok || err != nil {
		t.Errorf("Issued = %v, %v before anything was issued", ok, err)
	}
	if err := p.keys.Materialize(ctx, c, filepath.Join(t.TempDir(), "pki"), uid, gid); !errors.Is(err, pki.ErrNotIssued) {
		t.Errorf("Materialize = %v, want ErrNotIssued", err)
	}
	var all sync.WaitGroup
	for range 4 { // reconcilers may overlap
		all.Go(func() {
			if err := p.keys.Issue(ctx, c); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if ok, err := p.keys.Issued(ctx, c.ID); !ok || err != nil {
		t.Errorf("Issued = %v, %v; want it done", ok, err)
	}
	before, err := p.keys.Certificate(ctx, c.ID, reconcile.ClusterCA)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.keys.Issue(ctx, c); err != nil {
		t.Fatal(err)
	}
	if after, err := p.keys.Certificate(ctx, c.ID, reconcile.ClusterCA); err != nil || !bytes.Equal(before, after) {
		t.Errorf("issuing again changed the authority (%v)", err)
	}
	if _, err := p.keys.Certificate(ctx, c.ID, "service-account"); !errors.Is(err, pki.ErrNotIssued) {
		t.Errorf("Certificate of what is none = %v, want ErrNotIssued", err)
	}
}

func TestNothingPrivateLiesInTheDatabase(t *testing.T) {
	p := newPlace(t)
	c, dir := p.issued(t)
	var stored []byte
	err := p.db.AsWorker(t.Context(), func(tx pgx.Tx) error {
		return tx.QueryRow(t.Context(), "SELECT string_agg(coalesce(certificate, '') || sealed, '') FROM cluster_keys WHERE cluster_id = $1", c.ID).Scan(&stored)
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range files(t, dir) {
		if !strings.HasSuffix(name, ".key") {
			continue
		}
		block, _ := pem.Decode([]byte(data))
		if bytes.Contains(stored, block.Bytes) || bytes.Contains(stored, []byte(data)) {
			t.Errorf("%s lies open in the database", name)
		}
	}
}

func TestMaterialize(t *testing.T) {
	p := newPlace(t)
	c, dir := p.issued(t)
	all := []string{
		"apiserver-kubelet-client.crt", "apiserver-kubelet-client.key", "apiserver.crt", "apiserver.key", "ca.crt", "ca.key",
		"front-proxy-ca.crt", "front-proxy-client.crt", "front-proxy-client.key", "kcm.crt", "kcm.key", "kcm.kubeconfig",
		"sa.key", "sa.pub", "scheduler.crt", "scheduler.key", "scheduler.kubeconfig",
		"tunnel-ca.crt", "tunnel-server.crt", "tunnel-server.key",
	}
	before := files(t, dir)
	if diff := cmp.Diff(all, changed(nil, before)); diff != "" {
		t.Errorf("files: %s", diff)
	}
	for name := range before {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		owner, ok := info.Sys().(*syscall.Stat_t)
		if !ok || owner.Uid != uid || owner.Gid != gid || info.Mode() != 0o440 {
			t.Errorf("%s has mode %v and owner %d:%d", name, info.Mode(), owner.Uid, owner.Gid)
		}
	}
	if !p.settled(t, c, dir) {
		t.Error("Materialized = false right after Materialize")
	}
	p.materialize(t, c, dir)
	if again := changed(before, files(t, dir)); len(again) > 0 {
		t.Errorf("a second Materialize changed %v", again)
	}
}

func TestMaterializeRenews(t *testing.T) {
	p := newPlace(t)
	c, dir := p.issued(t)
	before := files(t, dir)
	p.now = p.now.Add(19 * 24 * time.Hour)
	p.materialize(t, c, dir)
	if names := changed(before, files(t, dir)); len(names) > 0 {
		t.Errorf("%v were renewed eleven days before their end", names)
	}
	p.now = p.now.Add(2 * 24 * time.Hour)
	if p.settled(t, c, dir) {
		t.Error("Materialized = true nine days before the end of the leaves")
	}
	p.materialize(t, c, dir)
	want := []string{
		"apiserver-kubelet-client.crt", "apiserver-kubelet-client.key", "apiserver.crt", "apiserver.key",
		"front-proxy-client.crt", "front-proxy-client.key", "kcm.crt", "kcm.key", "scheduler.crt", "scheduler.key",
		"tunnel-server.crt", "tunnel-server.key",
	}
	if diff := cmp.Diff(want, changed(before, files(t, dir))); diff != "" {
		t.Errorf("renewed: %s", diff)
	}
	if !p.settled(t, c, dir) {
		t.Error("Materialized = false after the renewal")
	}
}

func TestMaterializeRepairs(t *testing.T) {
	p := newPlace(t)
	c, dir := p.issued(t)
	for name := range files(t, dir) {
		path := filepath.Join(dir, name)
		for how, spoil := range map[string]func() error{
			"removed": func() error { return os.Remove(path) },
			"emptied": func() error { return os.Truncate(path, 0) },
			"foreign": func() error { return os.WriteFile(path, []byte(files(t, dir)["tunnel-ca.crt"]+"\n"), 0o440) },
		} {
			if err := spoil(); err != nil {
				t.Fatal(err)
			}
			if p.settled(t, c, dir) {
				t.Errorf("Materialized = true with %s %s", name, how)
			}
			p.materialize(t, c, dir)
			if !p.settled(t, c, dir) {
				t.Errorf("Materialize did not repair %s that was %s", name, how)
			}
		}
	}
	if err := os.Chmod(filepath.Join(dir, "ca.key"), 0o644); err != nil {
		t.Fatal(err)
	}
	p.materialize(t, c, dir)
	if info, err := os.Stat(filepath.Join(dir, "ca.key")); err != nil || info.Mode() != 0o440 {
		t.Errorf("mode = %v, %v; want a key that was opened to be closed again", info.Mode(), err)
	}
}

// TestItWorks has the parts of a control plane talk to one another over TLS.
func TestItWorks(t *testing.T) {
	p := newPlace(t)
	c, dir := p.issued(t)
	other, otherDir := p.issued(t)
	load := func(dir, cert, key string) tls.Certificate {
		t.Helper()
		pair, err := tls.LoadX509KeyPair(filepath.Join(dir, cert), filepath.Join(dir, key))
		if err != nil {
			t.Fatal(err)
		}
		return pair
	}
	pool := func(dir, ca string) *x509.CertPool {
		t.Helper()
		data, err := os.ReadFile(filepath.Join(dir, ca))
		if err != nil {
			t.Fatal(err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(data) {
			t.Fatalf("%s holds no certificate", ca)
		}
		return pool
	}
	api := &tls.Config{Certificates: []tls.Certificate{load(dir, "apiserver.crt", "apiserver.key")}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool(dir, "ca.crt")}
	tunnel := &tls.Config{Certificates: []tls.Certificate{load(dir, "tunnel-server.crt", "tunnel-server.key")}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool(dir, "tunnel-ca.crt")}

	fresh, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signed := func(id tenant.ClusterID, authority string) tls.Certificate {
		t.Helper()
		cert, err := p.keys.SignClient(t.Context(), id, authority, fresh.Public(), "nd-1", nil, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode(cert)
		return tls.Certificate{Certificate: [][]byte{block.Bytes}, PrivateKey: fresh}
	}
	kubeconfig := func(name string) tls.Certificate {
		t.Helper()
		config, err := clientcmd.BuildConfigFromFlags("", filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if config.Host != "https://127.0.0.1:6443" || config.CertData != nil || !filepath.IsAbs(config.CertFile) {
			t.Errorf("%s: %+v, want the loopback address and files", name, config)
		}
		tlsConfig, err := rest.TLSConfigFor(config)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := tlsConfig.GetClientCertificate(&tls.CertificateRequestInfo{})
		if err != nil {
			t.Fatal(err)
		}
		return *cert
	}
	name := string(c.ID) + ".marina.localhost"
	for what, tc := range map[string]struct {
		server     *tls.Config
		client     tls.Certificate
		roots      *x509.CertPool
		serverName string
		good       bool
	}{
		"controllers":                   {api, kubeconfig("kcm.kubeconfig"), pool(dir, "ca.crt"), "127.0.0.1", true},
		"scheduler":                     {api, kubeconfig("scheduler.kubeconfig"), pool(dir, "ca.crt"), "127.0.0.1", true},
		"person":                        {api, signed(c.ID, reconcile.ClusterCA), pool(dir, "ca.crt"), name, true},
		"tunnel agent":                  {tunnel, signed(c.ID, reconcile.TunnelCA), pool(dir, "tunnel-ca.crt"), "tunnel." + name, true},
		"person of another cluster":     {api, signed(other.ID, reconcile.ClusterCA), pool(dir, "ca.crt"), name, false},
		"agent of another cluster":      {tunnel, signed(other.ID, reconcile.TunnelCA), pool(dir, "tunnel-ca.crt"), "tunnel." + name, false},
		"agent at the API":              {api, signed(c.ID, reconcile.TunnelCA), pool(dir, "ca.crt"), name, false},
		"person at the tunnel":          {tunnel, signed(c.ID, reconcile.ClusterCA), pool(dir, "tunnel-ca.crt"), "tunnel." + name, false},
		"front proxy at the API":        {api, load(dir, "front-proxy-client.crt", "front-proxy-client.key"), pool(dir, "ca.crt"), name, false},
		"who trusts another cluster":    {api, signed(c.ID, reconcile.ClusterCA), pool(otherDir, "ca.crt"), name, false},
		"who looks for another cluster": {api, signed(c.ID, reconcile.ClusterCA), pool(dir, "ca.crt"), string(other.ID) + ".marina.localhost", false},
		"server as a client":            {api, load(dir, "apiserver.crt", "apiserver.key"), pool(dir, "ca.crt"), name, false},
	} {
		err := handshake(tc.server, &tls.Config{Certificates: []tls.Certificate{tc.client}, RootCAs: tc.roots, ServerName: tc.serverName})
		if (err == nil) != tc.good {
			t.Errorf("%s: %v, want it to work: %v", what, err, tc.good)
		}
	}
}

// handshake returns the first error of either side. A TLS 1.3 client is done
// before the server has judged its certificate, so it waits for a byte, too.
func handshake(server, client *tls.Config) error {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	served := make(chan error, 1)
	go func() {
		defer a.Close()
		_, err := tls.Server(a, server).Write([]byte{1})
		served <- err
	}()
	_, err := tls.Client(b, client).Read(make([]byte, 1))
	b.Close()
	return errors.Join(err, <-served)
}

func TestServiceAccountKey(t *testing.T) {
	p := newPlace(t)
	c, dir := p.issued(t)
	public, err := p.keys.ServiceAccountKey(t.Context(), c.ID)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "sa.key"))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(data)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	private, ok := key.(*ecdsa.PrivateKey)
	if !ok || !private.PublicKey.Equal(public) || private.Curve != elliptic.P256() {
		t.Errorf("the key is a %T that belongs to the published one: %v", key, ok && private.PublicKey.Equal(public))
	}
}

func TestDestroy(t *testing.T) {
	p := newPlace(t)
	c, dir := p.issued(t)
	other, otherDir := p.issued(t)
	ctx := t.Context()
	for range 2 {
		if err := p.keys.Destroy(ctx, c.ID); err != nil {
			t.Fatalf("Destroy: %v, want it done, also the second time", err)
		}
	}
	if ok, err := p.keys.Issued(ctx, c.ID); ok || err != nil {
		t.Errorf("Issued = %v, %v; want nothing left", ok, err)
	}
	if ok, err := p.keys.Materialized(ctx, c, dir); ok || err != nil {
		t.Errorf("Materialized = %v, %v; want no", ok, err)
	}
	if _, err := p.keys.Certificate(ctx, c.ID, reconcile.ClusterCA); !errors.Is(err, pki.ErrNotIssued) {
		t.Errorf("Certificate = %v, want ErrNotIssued", err)
	}
	if _, err := p.keys.ServiceAccountKey(ctx, c.ID); !errors.Is(err, pki.ErrNotIssued) {
		t.Errorf("ServiceAccountKey = %v, want ErrNotIssued", err)
	}
	var keys int
	if err := p.db.AsWorker(ctx, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, "SELECT count(*) FROM keystore_keys WHERE name = $1", c.ID).Scan(&keys)
	}); err != nil || keys != 0 {
		t.Errorf("%d data keys are left, %v", keys, err)
	}
	if !p.settled(t, other, otherDir) {
		t.Error("another cluster lost its keys")
	}
}

func TestSealedKeysAreBoundToTheirPlace(t *testing.T) {
	p := newPlace(t)
	c, _ := p.issued(t)
	err := p.db.AsWorker(t.Context(), func(tx pgx.Tx) error {
		const swap = `WITH gone AS (DELETE FROM cluster_keys WHERE cluster_id = $1 AND name = 'cluster-ca' RETURNING *)
			INSERT INTO cluster_keys SELECT cluster_id, organization_id, name || '-moved', certificate, sealed FROM gone`
		if _, err := tx.Exec(t.Context(), swap, c.ID); err != nil {
			return err
		}
		_, err := tx.Exec(t.Context(), `INSERT INTO cluster_keys SELECT cluster_id, organization_id, 'cluster-ca', certificate, sealed
			FROM cluster_keys WHERE cluster_id = $1 AND name = 'tunnel-ca'`, c.ID)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.keys.SignClient(t.Context(), c.ID, reconcile.ClusterCA, key.Public(), "x", nil, time.Hour); !errors.Is(err, seal.ErrRefused) {
		t.Errorf("SignClient with a row that was moved = %v, want it refused", err)
	}
}
