package controlplaneapp

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/internal/home"
	"github.com/marina-cloud/marina/internal/tenant"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/etcd"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/kube"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/postgres"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/reconcile"
)

// Living returns all clusters that are not deleted, of whatever organization, as
// a transaction of a worker sees them.
func Living(ctx context.Context, tx pgx.Tx) ([]controlplane.Cluster, error) {
	return postgres.Alive(ctx, tx)
}

// Transplanted prepares the rows of all clusters after the database came from
// elsewhere: none of them runs, which they and their owners are told, with why as
// the reason. It returns the clusters that are not deleted. Tx is a worker's.
func Transplanted(ctx context.Context, tx pgx.Tx, why string) ([]controlplane.Cluster, error) {
	return postgres.Transplanted(ctx, tx, now(), why)
}

// Data is what clusters keep on this machine besides their rows and keys: the
// contents of their etcds. It needs no App, and nothing that runs.
type Data struct {
	Home home.Home
	Etcd string // the program
}

// EtcdCopy is what is in a copy of an etcd.
type EtcdCopy = etcd.Copy

// ErrNoData says that a cluster keeps nothing yet.
var ErrNoData = errors.New("the cluster has no data yet")

// Copy copies a cluster's data to a new file, whether the cluster runs or not, and
// returns a revision that the copy holds. Every write that was acknowledged before
// is in it. Scratch names a directory that does not exist, for its use. A cluster
// that has never run may have nothing, which is ErrNoData; of one that has, that
// is an error like others.
func (d Data) Copy(ctx context.Context, c controlplane.Cluster, file, scratch string) (revision int64, err error) {
	revision, err = etcd.Take(ctx, etcd.Source{
		Program: d.Etcd, Socket: filepath.Join(reconcile.Sockets(d.Home, c.ID), kube.EtcdSocket), Dir: d.dir(c.ID),
	}, file, scratch)
	if errors.Is(err, etcd.ErrNothing) && c.Observed == 0 {
		return 0, ErrNoData
	}
	if err != nil {
		return 0, fmt.Errorf("copy the data of cluster %s: %w", c.ID, err)
	}
	return revision, nil
}

// Restore puts a copy in the place of the cluster's data. The cluster must not run.
func (d Data) Restore(ctx context.Context, c controlplane.Cluster, file string) (EtcdCopy, error) {
	if err := os.MkdirAll(d.Home.Tenant(c.ID), 0o700); err != nil {
		return EtcdCopy{}, fmt.Errorf("make directory: %w", err)
	}
	uid, _ := d.Home.UIDs(c.UIDSlot)
	found, err := etcd.Restore(ctx, d.Etcd, file, d.dir(c.ID), uid, uid)
	if err != nil {
		return found, fmt.Errorf("cluster %s: %w", c.ID, err)
	}
	return found, nil
}

// Check looks at every page of a copy.
func (d Data) Check(ctx context.Context, file string) (EtcdCopy, error) {
	return etcd.Check(ctx, d.Etcd, file)
}

func (d Data) dir(id tenant.ClusterID) string { return reconcile.EtcdData(d.Home, id) }
