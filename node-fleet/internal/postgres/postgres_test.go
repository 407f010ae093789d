//go:build integration

package postgres_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/internal/tenant"
	"github.com/marina-cloud/marina/migrations/pg"
	"github.com/marina-cloud/marina/migrations/pgtest"
	fleet "github.com/marina-cloud/marina/node-fleet"
	"github.com/marina-cloud/marina/node-fleet/fleettest"
	"github.com/marina-cloud/marina/node-fleet/internal/postgres"
)

// fixture is a store with one organization and one cluster.
type fixture struct {
	*postgres.Store
	t       *testing.T
	by      postgres.By
	cluster tenant.ClusterID
}

func newFixture(t *testing.T) fixture {
	t.Helper()
	db := pgtest.New(t)
	org := fleettest.Organization(t, db)
	return fixture{
		Store: &postgres.Store{DB: db}, t: t, cluster: fleettest.Cluster(t, db, org),
		by: postgres.By{Organization: org, Actor: "usr-x", Address: "192.0.2.7"},
	}
}

func (f fixture) pool(name string, count int) fleet.Pool {
	f.t.Helper()
	p, err := f.CreatePool(f.t.Context(), f.by, f.cluster, fleet.NewPool{Name: name, Size: "small", Count: count})
	if err != nil {
		f.t.Fatal(err)
	}
	return p
}

// lease takes everything that is due in a queue and returns the lease of one row.
func (f fixture) lease(q pg.Queue, id string) pg.Lease {
	f.t.Helper()
	leases, err := q.Take(f.t.Context(), 100, time.Minute)
	if err != nil {
		f.t.Fatal(err)
	}
	i := slices.IndexFunc(leases, func(l pg.Lease) bool { return l.ID == id })
	if i < 0 {
		f.t.Fatalf("%s is not due", id)
	}
	return leases[i]
}

func (f fixture) node(p fleet.Pool, name string) (fleet.Node, pg.Lease) {
	f.t.Helper()
	if err := f.AddNodes(f.t.Context(), f.lease(f.Pools(), string(p.ID)), p, []string{name}); err != nil {
		f.t.Fatal(err)
	}
	n, err := f.ExpectedByName(f.t.Context(), f.cluster, name)
	if err != nil {
		f.t.Fatal(err)
	}
	return n, f.lease(f.Nodes(), string(n.ID))
}

// strings returns the column of a query.
func (f fixture) strings(sql string) (list []string) {
	f.t.Helper()
	err := f.DB.AsWorker(f.t.Context(), func(tx pgx.Tx) error {
		rows, err := tx.Query(f.t.Context(), sql)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return list
}

// audit is read as the organization, as its people will.
func (f fixture) audit() (list []string) {
	f.t.Helper()
	err := f.DB.AsTenant(f.t.Context(), f.by.Organization, func(tx pgx.Tx) error {
		rows, err := tx.Query(f.t.Context(), "SELECT actor || ' ' || action || ' ' || address FROM audit_log ORDER BY id")
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return list
}

func TestPoolsOfAnOwner(t *testing.T) {
	t.Parallel()
	f, ctx := newFixture(t), t.Context()
	asked := fleet.NewPool{Name: "web", Size: "medium", Count: 2, Labels: map[string]string{"a": "b"}, Taints: []fleet.Taint{{Key: "k", Effect: "NoSchedule"}}}
	p, err := f.CreatePool(ctx, f.by, f.cluster, asked)
	if err != nil {
		t.Fatal(err)
	}
	want := fleet.Pool{
		ID: p.ID, Organization: f.by.Organization, Cluster: f.cluster, Name: "web", Size: "medium", Count: 2,
		Labels: asked.Labels, Taints: asked.Taints, Generation: 1, Phase: fleet.PoolProvisioning, Since: p.Since, CreatedAt: p.CreatedAt,
	}
	got, err := f.PoolByID(ctx, f.by.Organization, f.cluster, p.ID)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Fatalf("PoolByID: %v\n%s", err, diff)
	}
	if _, err := f.CreatePool(ctx, f.by, f.cluster, asked); !errors.Is(err, fleet.ErrNameTaken) {
		t.Errorf("a second pool of the name: %v, want ErrNameTaken", err)
	}
	if p, err = f.Resize(ctx, f.by, f.cluster, p.ID, 3, nil); err != nil || p.Count != 3 || p.Generation != 2 {
		t.Errorf("Resize = %+v, %v", p, err)
	}
	if p, err = f.Resize(ctx, f.by, f.cluster, p.ID, 3, nil); err != nil || p.Generation != 2 {
		t.Errorf("Resize to what it is = %+v, %v; want it left alone", p, err)
	}
	for range 2 {
		if p, err = f.DeletePool(ctx, f.by, f.cluster, p.ID, nil); err != nil || !p.Deleting || p.Generation != 3 {
			t.Errorf("DeletePool = %+v, %v", p, err)
		}
	}
	if _, err := f.Resize(ctx, f.by, f.cluster, p.ID, 4, nil); !errors.Is(err, fleet.ErrPoolGoing) {
		t.Errorf("Resize of a pool that goes: %v, want ErrPoolGoing", err)
	}
	if diff := cmp.Diff([]string{"usr-x pool.create 192.0.2.7", "usr-x pool.resize 192.0.2.7", "usr-x pool.delete 192.0.2.7"}, f.audit()); diff != "" {
		t.Errorf("audit log:\n%s", diff)
	}
	messages := f.strings("SELECT message FROM outbox ORDER BY seq")
	if diff := cmp.Diff([]string{
		"Node pool web: 2 nodes of size medium asked for.",
		"Node pool web: 3 nodes wanted instead of 2.",
		"Node pool web is being deleted.",
	}, messages); diff != "" {
		t.Errorf("events:\n%s", diff)
	}
}

func TestPoolsOfOthers(t *testing.T) {
	t.Parallel()
	f, ctx := newFixture(t), t.Context()
	p := f.pool("web", 1)
	n, _ := f.node(p, "web-1")
	other := fleettest.Organization(t, f.DB)
	by := postgres.By{Organization: other, Actor: "usr-y"}
	if _, err := f.PoolByID(ctx, other, f.cluster, p.ID); !errors.Is(err, fleet.ErrNoPool) {
		t.Errorf("PoolByID: %v, want ErrNoPool", err)
	}
	if _, err := f.Resize(ctx, by, f.cluster, p.ID, 0, nil); !errors.Is(err, fleet.ErrNoPool) {
		t.Errorf("Resize: %v, want ErrNoPool", err)
	}
	if _, err := f.DeletePool(ctx, by, f.cluster, p.ID, nil); !errors.Is(err, fleet.ErrNoPool) {
		t.Errorf("DeletePool: %v, want ErrNoPool", err)
	}
	if _, err := f.NodeByID(ctx, other, f.cluster, n.ID); !errors.Is(err, fleet.ErrNoNode) {
		t.Errorf("NodeByID: %v, want ErrNoNode", err)
	}
	if list, err := f.ListPools(ctx, other, f.cluster, "", 10); err != nil || len(list) > 0 {
		t.Errorf("ListPools = %v, %v", list, err)
	}
	if list, err := f.ListNodes(ctx, other, f.cluster, "", 10); err != nil || len(list) > 0 {
		t.Errorf("ListNodes = %v, %v", list, err)
	}
	// Of another cluster of the same organization it is not either.
	if _, err := f.PoolByID(ctx, f.by.Organization, fleettest.Cluster(t, f.DB, f.by.Organization), p.ID); !errors.Is(err, fleet.ErrNoPool) {
		t.Errorf("PoolByID by way of another cluster: %v, want ErrNoPool", err)
	}
}

func TestListsGoOnAfterTheLast(t *testing.T) {
	t.Parallel()
	f, ctx := newFixture(t), t.Context()
	for _, name := range []string{"a", "b", "c"} {
		f.pool(name, 0)
	}
	var names []string
	after := ""
	for {
		page, err := f.ListPools(ctx, f.by.Organization, f.cluster, after, 2)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, p := range page {
			names = append(names, p.Name)
		}
		after = string(page[len(page)-1].ID)
	}
	if diff := cmp.Diff([]string{"a", "b", "c"}, names); diff != "" {
		t.Errorf("pages:\n%s", diff)
	}
}

func TestQuotaHoldsUnderConcurrency(t *testing.T) {
	t.Parallel()
	f, ctx := newFixture(t), t.Context()
	const each, callers = 10, 8 // of which MaxNodes/each fit
	errs := make([]error, callers)
	var group sync.WaitGroup
	for i := range callers {
		group.Go(func() {
			_, errs[i] = f.CreatePool(ctx, f.by, f.cluster, fleet.NewPool{Name: string(rune('a' + i)), Size: "small", Count: each})
		})
	}
	group.Wait()
	made := 0
	for _, err := range errs {
		if err == nil {
			made++
		} else if !errors.Is(err, fleet.ErrQuota) {
			t.Errorf("CreatePool: %v, want ErrQuota", err)
		}
	}
	if made != fleet.MaxNodes/each {
		t.Errorf("%d pools of %d nodes were made, want %d", made, each, fleet.MaxNodes/each)
	}
	list, err := f.ListPools(ctx, f.by.Organization, f.cluster, "", 10)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Resize(ctx, f.by, f.cluster, list[0].ID, each+1, nil); !errors.Is(err, fleet.ErrQuota) {
		t.Errorf("Resize over the quota: %v, want ErrQuota", err)
	}
	if _, err := f.Resize(ctx, f.by, f.cluster, list[0].ID, each-1, nil); err != nil {
		t.Errorf("Resize to less: %v", err)
	}
}

func TestOneOrganization(t *testing.T) {
	t.Parallel()
	f, ctx := newFixture(t), t.Context()
	f.OneOrganization = true
	p := f.pool("web", 1)
	other := fleettest.Organization(t, f.DB)
	cluster := fleettest.Cluster(t, f.DB, other)
	by := postgres.By{Organization: other, Actor: "usr-y"}
	if _, err := f.CreatePool(ctx, by, cluster, fleet.NewPool{Name: "web", Size: "small", Count: 1}); !errors.Is(err, fleet.ErrUntrusted) {
		t.Errorf("nodes for a second organization: %v, want ErrUntrusted", err)
	}
	empty, err := f.CreatePool(ctx, by, cluster, fleet.NewPool{Name: "web", Size: "small"})
	if err != nil {
		t.Fatalf("an empty pool needs no trust: %v", err)
	}
	if _, err := f.Resize(ctx, by, cluster, empty.ID, 1, nil); !errors.Is(err, fleet.ErrUntrusted) {
		t.Errorf("Resize: %v, want ErrUntrusted", err)
	}
	if _, err := f.Resize(ctx, f.by, f.cluster, p.ID, 2, nil); err != nil {
		t.Errorf("the first organization may have more: %v", err)
	}
}

// TestOneOrganizationAtOnce: of two who ask for the first nodes at the same moment, the
// second hears what comes of the first.
func TestOneOrganizationAtOnce(t *testing.T) {
	t.Parallel()
	f, ctx := newFixture(t), t.Context()
	f.OneOrganization = true
	other := fleettest.Organization(t, f.DB)
	cluster := fleettest.Cluster(t, f.DB, other)
	second := make(chan error, 1)
	// The first is in the middle of it: it has looked, and nobody sees its pool yet.
	err := f.DB.AsTenant(ctx, f.by.Organization, func(tx pgx.Tx) error {
		var others bool
		if err := tx.QueryRow(ctx, "SELECT others_have_nodes($1)", f.by.Organization).Scan(&others); err != nil || others {
			return fmt.Errorf("others have nodes: %v, %w", others, err)
		}
		_, err := tx.Exec(ctx, "INSERT INTO pools (id, organization_id, cluster_id, name, size, count) VALUES ($1, $2, $3, 'web', 'small', 1)",
			tenant.NewPoolID(), f.by.Organization, f.cluster)
		if err != nil {
			return err
		}
		go func() {
			_, err := f.CreatePool(ctx, postgres.By{Organization: other, Actor: "usr-x"}, cluster, fleet.NewPool{Name: "web", Size: "small", Count: 1})
			second <- err
		}()
		for waiting := 0; waiting == 0; {
			select {
			case err := <-second:
				return fmt.Errorf("the second did not wait for the first: %w", err)
			case <-time.After(time.Millisecond):
			}
			if err := f.DB.AsWorker(ctx, func(tx pgx.Tx) error {
				return tx.QueryRow(ctx, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())").Scan(&waiting)
			}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-second; !errors.Is(err, fleet.ErrUntrusted) {
		t.Errorf("CreatePool: %v, want ErrUntrusted", err)
	}
}

func TestNodeUnderALease(t *testing.T) {
	t.Parallel()
	f, ctx := newFixture(t), t.Context()
	p := f.pool("web", 1)
	n, lease := f.node(p, "web-1")
	after := n
	after.Address, after.Phase, after.Ready = "172.30.0.2", fleet.NodeRunning, true
	if err := f.SaveNode(ctx, lease, n, after); err != nil {
		t.Fatal(err)
	}
	got, pool, err := f.ReadNode(ctx, lease)
	if diff := cmp.Diff(after, got, cmp.AllowUnexported(time.Location{})); err != nil || diff != "" || pool.ID != p.ID {
		t.Errorf("ReadNode: %v\n%s", err, diff)
	}
	if kinds := f.strings("SELECT kind FROM outbox WHERE subject LIKE 'nd-%' ORDER BY seq"); !slices.Equal(kinds, []string{"fleet.node.changed", "fleet.node.ready"}) {
		t.Errorf("events: %v", kinds)
	}
	stale := lease
	stale.Token--
	if err := f.SaveNode(ctx, stale, n, after); !errors.Is(err, pg.ErrLeaseLost) {
		t.Errorf("SaveNode under a lease of the past: %v, want ErrLeaseLost", err)
	}
	if _, _, err := f.ReadNode(ctx, stale); !errors.Is(err, pg.ErrLeaseLost) {
		t.Errorf("ReadNode under a lease of the past: %v, want ErrLeaseLost", err)
	}
}

func TestJoinToken(t *testing.T) {
	t.Parallel()
	f, ctx := newFixture(t), t.Context()
	n, lease := f.node(f.pool("web", 1), "web-1")
	issue := func(life time.Duration) string {
		t.Helper()
		token, err := f.IssueToken(ctx, n, life)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	admitted := 0
	admit := func(fleet.Node) error { admitted++; return nil }

	expired := issue(-time.Second)
	if err := f.Join(ctx, n.ID, expired, admit); !errors.Is(err, fleet.ErrBadToken) {
		t.Errorf("a token past its time: %v, want ErrBadToken", err)
	}
	if err := f.Join(ctx, n.ID, "guess", admit); !errors.Is(err, fleet.ErrBadToken) {
		t.Errorf("a guess: %v, want ErrBadToken", err)
	}
	good, spare := issue(time.Minute), issue(time.Minute)
	if err := f.Join(ctx, tenant.NewNodeID(), good, admit); !errors.Is(err, fleet.ErrBadToken) {
		t.Errorf("the token of another node: %v, want ErrBadToken", err)
	}
	boom := errors.New("boom")
	if err := f.Join(ctx, n.ID, good, func(fleet.Node) error { return boom }); !errors.Is(err, boom) {
		t.Errorf("Join = %v, want the error of admit", err)
	}
	if admitted != 0 {
		t.Fatalf("admitted %d times without a join", admitted)
	}
	// Many at once: a failure of ours has not used the token up, and one wins.
	var group sync.WaitGroup
	var mu sync.Mutex
	won := 0
	for range 8 {
		group.Go(func() {
			err := f.Join(ctx, n.ID, good, func(fleet.Node) error { return nil })
			if err != nil && !errors.Is(err, fleet.ErrBadToken) {
				t.Errorf("Join: %v", err)
			}
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				won++
			}
		})
	}
	group.Wait()
	if won != 1 {
		t.Errorf("%d machines joined with one token", won)
	}
	if err := f.Join(ctx, n.ID, spare, admit); !errors.Is(err, fleet.ErrBadToken) {
		t.Errorf("an earlier token after the node joined: %v, want ErrBadToken", err)
	}
	joined, err := f.Joined(ctx)
	if err != nil || len(joined) != 1 || joined[0].JoinedAt == nil {
		t.Errorf("Joined = %+v, %v", joined, err)
	}

	later := issue(time.Minute)
	going := n
	going.Phase = fleet.NodeDeleting
	if err := f.SaveNode(ctx, lease, n, going); err != nil {
		t.Fatal(err)
	}
	if err := f.Join(ctx, n.ID, later, admit); !errors.Is(err, fleet.ErrNotExpected) {
		t.Errorf("a node that goes: %v, want ErrNotExpected", err)
	}
	if _, _, err := f.Expected(ctx, f.cluster, n.ID); !errors.Is(err, fleet.ErrNotExpected) {
		t.Errorf("Expected of a node that goes: %v, want ErrNotExpected", err)
	}
	if kept := f.strings("SELECT encode(hash, 'escape') FROM join_tokens"); slices.ContainsFunc(kept, func(s string) bool { return strings.Contains(s, later) }) {
		t.Error("a token is kept in the clear")
	}
}

// TestANodeIsOfOneCluster: whoever has a node's identity has credentials of its cluster
// and of no other.
func TestANodeIsOfOneCluster(t *testing.T) {
	t.Parallel()
	f, ctx := newFixture(t), t.Context()
	n, _ := f.node(f.pool("web", 1), "web-1")
	if got, _, err := f.Expected(ctx, f.cluster, n.ID); err != nil || got.ID != n.ID {
		t.Errorf("control: Expected = %+v, %v", got, err)
	}
	if _, err := f.ExpectedByName(ctx, f.cluster, "web-1"); err != nil {
		t.Errorf("control: ExpectedByName: %v", err)
	}
	for whose, org := range map[string]tenant.OrganizationID{"its owner's": f.by.Organization, "another's": fleettest.Organization(t, f.DB)} {
		other := fleettest.Cluster(t, f.DB, org)
		if _, _, err := f.Expected(ctx, other, n.ID); !errors.Is(err, fleet.ErrNotExpected) {
			t.Errorf("Expected in a cluster of %s: %v, want ErrNotExpected", whose, err)
		}
		if _, err := f.ExpectedByName(ctx, other, "web-1"); !errors.Is(err, fleet.ErrNotExpected) {
			t.Errorf("ExpectedByName in a cluster of %s: %v, want ErrNotExpected", whose, err)
		}
	}
}

func TestReleaseCluster(t *testing.T) {
	t.Parallel()
	f, ctx := newFixture(t), t.Context()
	p := f.pool("web", 1)
	n, lease := f.node(p, "web-1")
	for range 2 { // it is asked until nothing is left
		left, err := f.ReleaseCluster(ctx, f.cluster)
		if err != nil || left != 2 {
			t.Fatalf("ReleaseCluster = %d, %v; want the pool and the node", left, err)
		}
	}
	if log := f.audit(); len(log) != 2 || log[1] != "marina pool.delete " {
		t.Errorf("audit log: %q", log)
	}
	gone := n
	gone.Phase = fleet.NodeDeleted
	if err := f.SaveNode(ctx, lease, n, gone); err != nil {
		t.Fatal(err)
	}
	if left, err := f.ReleaseCluster(ctx, f.cluster); err != nil || left != 1 {
		t.Errorf("ReleaseCluster = %d, %v; want the pool", left, err)
	}
	if clusters, err := f.Clusters(ctx); err != nil || len(clusters) > 0 {
		t.Errorf("Clusters = %v, %v; want none with nodes", clusters, err)
	}
}
