//go:build integration

package controlplaneapp_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/marina-cloud/marina/migrations/pgtest"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
	"github.com/marina-cloud/marina/tenant-controlplane/controlplaneapp"
)

// TestOwnersSeeTheirOwn holds that logs and metrics are the owner's alone, also of a
// cluster whose control plane does not run.
func TestOwnersSeeTheirOwn(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	d := deps(t, db)
	registry := prometheus.NewPedanticRegistry()
	d.Metrics = registry
	app, err := controlplaneapp.New(d)
	if err != nil {
		t.Fatal(err)
	}
	ctx, org, other := t.Context(), organization(t, db), organization(t, db)
	c, err := app.Create(ctx, org, actor, address, controlplane.NewCluster{Name: "a"})
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(d.Home.Tenant(c.ID), "log")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "etcd.log"), []byte("one\ntwo\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	q := controlplane.LogQuery{Component: controlplane.Etcd, Tail: 1}
	send, err := app.Logs(ctx, org, c.ID, q)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := send(ctx, &out); err != nil || out.String() != "two\n" {
		t.Errorf("log: %q, %v", &out, err)
	}
	text, err := app.Metrics(ctx, org, c.ID)
	if err != nil || !strings.Contains(string(text), `marina_cluster_up{component="apiserver"} 0`) || !strings.Contains(string(text), `phase="provisioning"`) {
		t.Errorf("metrics of a cluster that does not run: %s, %v", text, err)
	}
	if _, err := app.Logs(ctx, other, c.ID, q); !errors.Is(err, controlplane.ErrNoCluster) {
		t.Errorf("another organization reads the log: %v", err)
	}
	if _, err := app.Metrics(ctx, other, c.ID); !errors.Is(err, controlplane.ErrNoCluster) {
		t.Errorf("another organization reads the metrics, which are remembered: %v", err)
	}
	if n := testutil.CollectAndCount(registry, "marina_controlplane_clusters"); n != len(controlplane.Phases())-1 {
		t.Errorf("%d phases are shown", n)
	}
}

// TestReadersAreBounded: each of them holds memory, or a connection for which a file
// is looked at again and again.
func TestReadersAreBounded(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	app, err := controlplaneapp.New(deps(t, db))
	if err != nil {
		t.Fatal(err)
	}
	ctx, org := t.Context(), organization(t, db)
	c, err := app.Create(ctx, org, actor, address, controlplane.NewCluster{Name: "a"})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		follow bool
		most   int
		full   error
	}{{true, controlplaneapp.MaxFollowers, controlplane.ErrFollowers}, {false, controlplaneapp.MaxReaders, controlplane.ErrReaders}} {
		q := controlplane.LogQuery{Component: controlplane.Etcd, Tail: 10, Follow: tc.follow}
		var last func()
		for range tc.most {
			send, err := app.Logs(ctx, org, c.ID, q)
			if err != nil {
				t.Fatal(err)
			}
			last = func() {
				left, leave := context.WithCancel(ctx)
				leave()
				if err := send(left, &bytes.Buffer{}); err != nil {
					t.Error(err)
				}
			}
		}
		if _, err := app.Logs(ctx, org, c.ID, q); !errors.Is(err, tc.full) {
			t.Errorf("one more than %d: %v, want %v", tc.most, err, tc.full)
		}
		last()
		if _, err := app.Logs(ctx, org, c.ID, q); err != nil {
			t.Errorf("after one of %d has left: %v", tc.most, err)
		}
	}
}
