package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/marina-cloud/marina/deploy/client"
	"github.com/marina-cloud/marina/deploy/installation"
	"github.com/marina-cloud/marina/internal/home"
	"github.com/marina-cloud/marina/internal/tenant"
)

const (
	idleTenants = 10
	// settle is how long the tenants are left alone before they are measured: what
	// a start has left behind is gone by then.
	settle = time.Minute
	// pause is between two looks at all tenants.
	pause = 6 * time.Second
)

// density measures what an idle control plane costs: ten of one installation, which
// nobody but Marina talks to. Runs are looks at the same tenants.
func density(ctx context.Context, m *measurement) (err error) {
	i, err := installation.New(os.Stderr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, i.Close(context.WithoutCancel(ctx))) }()
	if _, err := i.Start(ctx, false); err != nil {
		return err
	}
	h, err := home.At(i.Home)
	if err != nil {
		return err
	}
	var ids []tenant.ClusterID
	for n := range idleTenants {
		s := m.log.Begin("Tenant %d of %d", n+1, idleTenants)
		id, err := freshTenant(ctx, i.Client, h, n, m)
		if err != nil {
			s.Failed()
			return err
		}
		ids = append(ids, id)
		s.Done("Tenant %d of %d: usable", n+1, idleTenants)
	}
	m.log.Say("All are left alone for %s", settle)
	if err := sleep(ctx, settle); err != nil {
		return err
	}
	for range m.runs {
		before, err := lookAt(h, ids)
		if err != nil {
			return err
		}
		began := time.Now()
		if err := sleep(ctx, pause); err != nil {
			return err
		}
		after, err := lookAt(h, ids)
		if err != nil {
			return err
		}
		record(m, before, after, time.Since(began))
	}
	return nil
}

// freshTenant makes a cluster, waits until it can be used, and measures its etcd's
// directory.
func freshTenant(ctx context.Context, c *client.Client, h home.Home, n int, m *measurement) (tenant.ClusterID, error) {
	k, err := c.CreateCluster(ctx, client.NewCluster{Name: fmt.Sprintf("idle-%d", n)})
	if err != nil {
		return "", err
	}
	kube, err := reach(ctx, c, k.ID)
	if err != nil {
		return "", err
	}
	if err := use(ctx, kube); err != nil {
		return "", err
	}
	id := tenant.ClusterID(k.ID)
	apparent, allocated, err := diskUse(filepath.Join(h.Tenant(id), "etcd"))
	if err != nil {
		return "", err
	}
	m.record("etcd_disk_mib_fresh", mib(allocated))
	m.record("etcd_apparent_mib_fresh", mib(apparent))
	return id, nil
}

// record adds the mean tenant of one look. Both looks find the same processes,
// unless one died meanwhile, which is no idle tenant.
func record(m *measurement, before, after look, took time.Duration) {
	total := func(l look, of func(part) float64) (sum float64) {
		for _, p := range l {
			sum += of(p)
		}
		return sum / idleTenants
	}
	pss := func(p part) float64 { return mib(p.pss) }
	m.record("awake_pss_mib_per_tenant", total(after, pss))
	m.record("awake_anonymous_mib_per_tenant", total(after, func(p part) float64 { return mib(p.anonymous) }))
	m.record("awake_cgroup_mib_per_tenant", total(after, func(p part) float64 { return mib(p.charge) }))
	for _, name := range parts {
		m.record(name+"_pss_mib", mib(after[name].pss)/idleTenants)
		m.record(name+"_anonymous_mib", mib(after[name].anonymous)/idleTenants)
		spent := after[name].cpu - before[name].cpu
		m.record(name+"_cpu_percent_of_core", 100*spent.Seconds()/took.Seconds()/idleTenants)
	}
}

func mib(bytes int64) float64 { return float64(bytes) / (1 << 20) }

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// diskUse is the size of all files below dir: as they say, and as they take on the
// disk.
func diskUse(dir string) (apparent, allocated int64, err error) {
	err = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if errors.Is(err, os.ErrNotExist) {
			return nil // etcd renames files as it goes
		}
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		apparent += info.Size()
		allocated += blocks(info)
		return nil
	})
	if err != nil {
		return 0, 0, fmt.Errorf("measure %s: %w", dir, err)
	}
	return apparent, allocated, nil
}

// partOf tells from a control group which tenant's which process is in it.
func partOf(cgroup, parent string) (id tenant.ClusterID, name string, ok bool) {
	rest, ok := strings.CutPrefix(cgroup, parent+"/")
	if !ok {
		return "", "", false
	}
	cluster, name, ok := strings.Cut(rest, "/")
	id, valid := tenant.ParseClusterID(cluster)
	return id, name, ok && valid
}
