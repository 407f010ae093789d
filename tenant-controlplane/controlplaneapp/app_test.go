//go:build integration

package controlplaneapp_test

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/internal/fault"
	"github.com/marina-cloud/marina/internal/home"
	"github.com/marina-cloud/marina/internal/seal"
	"github.com/marina-cloud/marina/internal/tenant"
	"github.com/marina-cloud/marina/migrations/pg"
	"github.com/marina-cloud/marina/migrations/pgtest"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
	"github.com/marina-cloud/marina/tenant-controlplane/controlplaneapp"
)

const actor, address = "usr-01jz8v5m3q7x9c2b4d6f8h0k1m", "203.0.113.9"

// deps is what an App needs that is asked and does not Run: no program of a
// control plane is ever started.
func deps(t *testing.T, db *pg.DB) controlplaneapp.Deps {
	t.Helper()
	h, err := home.At(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	secrets, err := seal.Open(t.Context(), db, h.Path("master.key"))
	if err != nil {
		t.Fatal(err)
	}
	const program = "/bin/true"
	return controlplaneapp.Deps{
		DB: db, Home: h, Secrets: secrets, Domain: "marina.localhost", PublicURL: "https://marina.example/",
		Binaries: controlplaneapp.Binaries{Etcd: program, Runc: program, Kubernetes: map[string]string{"1.37": program}, Terminal: program},
		Log:      slog.New(slog.DiscardHandler),
	}
}

func organization(t *testing.T, db *pg.DB) tenant.OrganizationID {
	t.Helper()
	org := tenant.NewOrganizationID()
	if err := db.AsLogin(t.Context(), func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "INSERT INTO organizations (id, name) VALUES ($1, 'test')", org)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return org
}

func TestNewNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	whole := deps(t, pgtest.New(t))
	if _, err := controlplaneapp.New(whole); err != nil {
		t.Fatal(err)
	}
	for want, spoil := range map[string]func(*controlplaneapp.Deps){
		"DB":              func(d *controlplaneapp.Deps) { d.DB = nil },
		"Domain":          func(d *controlplaneapp.Deps) { d.Domain = "" },
		"Binaries.Etcd":   func(d *controlplaneapp.Deps) { d.Binaries.Etcd = "" },
		"/not/there":      func(d *controlplaneapp.Deps) { d.Binaries.Runc = "/not/there" },
		"Kubernetes 1.37": func(d *controlplaneapp.Deps) { d.Binaries.Kubernetes = nil },
		"public URL":      func(d *controlplaneapp.Deps) { d.PublicURL = "marina.example" },
	} {
		d := whole
		spoil(&d)
		if _, err := controlplaneapp.New(d); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error = %v, want one that names %s", err, want)
		}
	}
}

func TestRequests(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	app, err := controlplaneapp.New(deps(t, db))
	if err != nil {
		t.Fatal(err)
	}
	ctx, org, other := t.Context(), organization(t, db), organization(t, db)

	_, err = app.Create(ctx, org, actor, address, controlplane.NewCluster{Name: "No Label", Version: "0.1"})
	if f, ok := errors.AsType[*fault.Error](err); !ok || f.Kind != fault.Invalid || len(f.Fields) != 2 {
		t.Errorf("a bad request: error = %v, want both fields named", err)
	}
	c, err := app.Create(ctx, org, actor, address, controlplane.NewCluster{Name: "a"})
	if err != nil {
		t.Fatal(err)
	}
	if want := "https://marina.example/clusters/" + string(c.ID); c.Issuer != want || c.Version != controlplane.DefaultVersion().Minor {
		t.Errorf("created %+v, want the issuer %s", c, want)
	}
	for n := range 2 {
		if _, err := app.Create(ctx, org, actor, address, controlplane.NewCluster{Name: fmt.Sprintf("b-%d", n)}); err != nil {
			t.Fatal(err)
		}
	}
	page, err := app.List(ctx, org, false, "", 2)
	if err != nil || len(page) != 2 {
		t.Fatalf("first page: %d clusters, %v", len(page), err)
	}
	if page, err = app.List(ctx, org, false, string(page[1].ID), 2); err != nil || len(page) != 1 {
		t.Errorf("last page: %d clusters, %v", len(page), err)
	}
	if page, err = app.List(ctx, other, false, "", 10); err != nil || len(page) != 0 {
		t.Errorf("another organization sees %d clusters, %v", len(page), err)
	}
	if events, err := app.Events(ctx, org, c.ID, "", 10); err != nil || len(events) != 1 {
		t.Errorf("events = %v, %v", events, err)
	}

	const server = "https://203.0.113.1:6443"
	wanted := controlplane.NewCredential{User: "ada@example.com", Group: controlplane.AdminsGroup, Life: controlplane.KubeconfigLife}
	nobody, forever := wanted, wanted
	nobody.Group, forever.Life = "", controlplane.MaxCredentialLife+time.Second
	if _, err := app.Kubeconfig(ctx, org, actor, "", c.ID, server, forever); fault.From(err).Kind != fault.Invalid {
		t.Errorf("a kubeconfig for longer than 30 days: error = %v, want one that names the field", err)
	}
	absent := tenant.NewClusterID()
	if control, err := app.Control(ctx, c.ID); err != nil || control.ID != c.ID || control.Organization != org || control.Running || control.CA != nil {
		t.Errorf("control of a cluster without keys: %+v, %v", control, err)
	}
	for what, tc := range map[string]struct{ got, want error }{
		"cluster of another organization":       {second(app.Cluster(ctx, other, c.ID)), controlplane.ErrNoCluster},
		"kubeconfig of another organization":    {second(app.Kubeconfig(ctx, other, actor, "", c.ID, server, wanted)), controlplane.ErrNoCluster},
		"kubeconfig of a new cluster":           {second(app.Kubeconfig(ctx, org, actor, "", c.ID, server, wanted)), controlplane.ErrNotRunning},
		"kubeconfig of somebody without a role": {second(app.Kubeconfig(ctx, org, actor, "", c.ID, server, nobody)), controlplane.ErrNoAccess},
		"credentials of another organization":   {second(app.Credentials(ctx, other, c.ID, "", 10)), controlplane.ErrNoCluster},
		"no such credential":                    {app.RevokeCredential(ctx, org, actor, "", c.ID, tenant.NewCredentialID()), controlplane.ErrNoCredential},
		"control of no cluster":                 {second(app.Control(ctx, absent)), controlplane.ErrNoCluster},
		"client of no cluster":                  {second(app.Client(ctx, absent, "test")), controlplane.ErrNoCluster},
		"bootstrap of no cluster":               {second(app.IssueNodeBootstrap(ctx, absent, "a", nil)), controlplane.ErrNoCluster},
		"deletion by another organization":      {second(app.Delete(ctx, other, actor, address, c.ID, false, nil)), controlplane.ErrNoCluster},
		"deletion":                              {second(app.Delete(ctx, org, actor, address, c.ID, false, nil)), nil},
		"undeletion by another organization":    {second(app.Undelete(ctx, other, actor, address, c.ID)), controlplane.ErrNoCluster},
		"undeletion of what never was":          {second(app.Undelete(ctx, org, actor, address, absent)), controlplane.ErrNoCluster},
		"deletion of what never was":            {second(app.Delete(ctx, org, actor, address, absent, false, nil)), controlplane.ErrNoCluster},
	} {
		if !errors.Is(tc.got, tc.want) {
			t.Errorf("%s: error = %v, want %v", what, tc.got, tc.want)
		}
	}
	if _, _, err := app.Issuer(ctx, absent); !errors.Is(err, controlplane.ErrNoCluster) {
		t.Errorf("issuer of no cluster: error = %v, want ErrNoCluster", err)
	}
	// Keys are made by the reconciler, moments after the cluster.
	if _, _, err := app.Issuer(ctx, c.ID); !errors.Is(err, controlplane.ErrNoCluster) {
		t.Errorf("issuer without keys: error = %v, want ErrNoCluster", err)
	}
	if _, err := app.IssueTunnel(ctx, c.ID, "a", nil); err == nil {
		t.Error("a certificate was issued without keys")
	}
}

func second[T any](_ T, err error) error { return err }
