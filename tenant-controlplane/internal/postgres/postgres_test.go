//go:build integration

package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/internal/event"
	"github.com/marina-cloud/marina/internal/tenant"
	"github.com/marina-cloud/marina/migrations/pg"
	"github.com/marina-cloud/marina/migrations/pgtest"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/postgres"
)

// organization adds one and returns who asks for it.
func organization(t *testing.T, db *pg.DB) postgres.Asker {
	t.Helper()
	by := postgres.Asker{Organization: tenant.NewOrganizationID(), Actor: string(tenant.NewUserID()), Address: "203.0.113.9"}
	if err := db.AsLogin(t.Context(), func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "INSERT INTO organizations (id, name) VALUES ($1, 'test')", by.Organization)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return by
}

func create(ctx context.Context, s postgres.Clusters, by postgres.Asker, name string) (controlplane.Cluster, error) {
	id := tenant.NewClusterID()
	return s.Create(ctx, by, id, "https://issuer/"+string(id), controlplane.NewCluster{Name: name}.WithDefaults())
}

func mustCreate(t *testing.T, s postgres.Clusters, by postgres.Asker, name string) controlplane.Cluster {
	t.Helper()
	c, err := create(t.Context(), s, by, name)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// lease takes the only due cluster.
func lease(t *testing.T, db *pg.DB) pg.Lease {
	t.Helper()
	ls, err := pg.Queue{DB: db, Table: postgres.Table}.Take(t.Context(), 2, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if len(ls) != 1 {
		t.Fatalf("%d clusters are due, want 1", len(ls))
	}
	return ls[0]
}

// bury makes a cluster deleted.
func bury(t *testing.T, db *pg.DB, id tenant.ClusterID) {
	t.Helper()
	if err := db.AsWorker(t.Context(), func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "UPDATE clusters SET phase = 'deleted' WHERE id = $1", id)
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

func TestCreate(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	s, by, other := postgres.Clusters{DB: db}, organization(t, db), organization(t, db)
	c := mustCreate(t, s, by, "demo")
	if c.Phase != controlplane.Provisioning || c.Generation != 1 || c.Observed != 0 || c.Deleting ||
		c.PodCIDR != controlplane.DefaultPodCIDR || c.Issuer != "https://issuer/"+string(c.ID) || c.Since.IsZero() {
		t.Errorf("created %+v", c)
	}
	got, err := s.ByID(t.Context(), by.Organization, c.ID)
	if diff := cmp.Diff(c, got); err != nil || diff != "" {
		t.Errorf("ByID: %v, (- created, + read)\n%s", err, diff)
	}
	if _, err := create(t.Context(), s, by, "demo"); !errors.Is(err, controlplane.ErrNameTaken) {
		t.Errorf("a second one of this name: error = %v, want ErrNameTaken", err)
	}
	twin := mustCreate(t, s, other, "demo") // names are an organization's own
	if twin.UIDSlot == c.UIDSlot {
		t.Error("two clusters have the same user ids")
	}
	for what, err := range map[string]error{
		"ByID": second(s.ByID(t.Context(), other.Organization, c.ID)), "MarkDeleting": second(s.MarkDeleting(t.Context(), other, c.ID, time.Hour, nil)),
		"Undelete": second(s.Undelete(t.Context(), other, c.ID)),
		"Change":   second(s.Change(t.Context(), other, c.ID, controlplane.Change{}, nil)),
		"Events":   third(s.Events(t.Context(), other.Organization, c.ID, "", 10)),
	} {
		if !errors.Is(err, controlplane.ErrNoCluster) {
			t.Errorf("%s for another organization: error = %v, want ErrNoCluster", what, err)
		}
	}
	bury(t, db, c.ID)
	again := mustCreate(t, s, by, "demo") // name and user ids are free again
	if again.UIDSlot != c.UIDSlot {
		t.Errorf("the user ids of a deleted cluster were not used again: %d, want %d", again.UIDSlot, c.UIDSlot)
	}
}

func second[T any](_ T, err error) error { return err }
func third[T any](_ T, err error) error  { return err }

// TestCreateAtOnce holds the quota and the user ids against clusters that are asked
// for in the same moment.
func TestCreateAtOnce(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	s, by := postgres.Clusters{DB: db}, organization(t, db)
	var (
		mu    sync.Mutex
		slots []int
		group sync.WaitGroup
	)
	for n := range postgres.MaxClusters + 5 {
		group.Go(func() {
			c, err := create(t.Context(), s, by, fmt.Sprintf("c-%d", n))
			if err != nil && !errors.Is(err, controlplane.ErrQuota) {
				t.Error(err)
			}
			if err == nil {
				mu.Lock()
				slots = append(slots, c.UIDSlot)
				mu.Unlock()
			}
		})
	}
	group.Wait()
	slices.Sort(slots)
	if n := len(slots); n != postgres.MaxClusters || len(slices.Compact(slots)) != n {
		t.Errorf("%d clusters were made, with the slots %v; want %d different ones", n, slots, postgres.MaxClusters)
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	s, by, other := postgres.Clusters{DB: db}, organization(t, db), organization(t, db)
	var want []tenant.ClusterID
	for _, name := range []string{"c", "a", "b"} {
		want = append(want, mustCreate(t, s, by, name).ID)
	}
	mustCreate(t, s, other, "theirs")
	bury(t, db, mustCreate(t, s, by, "gone").ID)
	slices.Sort(want)
	var got []tenant.ClusterID
	for after := ""; ; {
		page, err := s.List(t.Context(), by.Organization, false, after, 2)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, c := range page {
			got = append(got, c.ID)
		}
		after = string(page[len(page)-1].ID)
	}
	if !slices.Equal(got, want) {
		t.Errorf("pages hold %v, want %v", got, want)
	}
}

func TestMarkDeleting(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	s, by := postgres.Clusters{DB: db}, organization(t, db)
	c := mustCreate(t, s, by, "demo")
	l := lease(t, db)
	for range 2 {
		if _, err := s.MarkDeleting(t.Context(), by, c.ID, time.Hour, nil); err != nil {
			t.Fatal(err)
		}
	}
	// The worker that holds it now finishes, and then it is due again.
	if err := (pg.Queue{DB: db, Table: postgres.Table}).Done(t.Context(), l, time.Hour); err != nil {
		t.Fatal(err)
	}
	if l := lease(t, db); l.ID != string(c.ID) {
		t.Errorf("%s is due", l.ID)
	}
	got, err := s.ByID(t.Context(), by.Organization, c.ID)
	if err != nil || !got.Deleting || got.Generation != 2 {
		t.Errorf("%+v, %v; want it deleting, changed once", got, err)
	}
	bury(t, db, c.ID)
	if _, err := s.MarkDeleting(t.Context(), by, c.ID, time.Hour, nil); !errors.Is(err, controlplane.ErrNoCluster) {
		t.Errorf("deleted again: error = %v, want ErrNoCluster", err)
	}
	var actions []string
	if err := db.AsTenant(t.Context(), by.Organization, func(tx pgx.Tx) error {
		rows, err := tx.Query(t.Context(), "SELECT action || ' ' || subject || ' ' || actor || ' ' || address FROM audit_log ORDER BY id")
		if err != nil {
			return err
		}
		actions, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	}); err != nil {
		t.Fatal(err)
	}
	tail := fmt.Sprintf(" %s %s %s", c.ID, by.Actor, by.Address)
	if want := []string{"cluster.create" + tail, "cluster.delete" + tail}; !slices.Equal(actions, want) {
		t.Errorf("audit log = %q, want %q", actions, want)
	}
}

func TestWork(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	s, work, by := postgres.Clusters{DB: db}, postgres.Work{DB: db}, organization(t, db)
	c := mustCreate(t, s, by, "demo")
	l := lease(t, db)
	read, err := work.Read(t.Context(), l)
	if diff := cmp.Diff(c, read); err != nil || diff != "" {
		t.Errorf("Read: %v, (- created, + read)\n%s", err, diff)
	}

	since := c.Since.Add(time.Second)
	read.Phase, read.Since, read.Observed = controlplane.Running, since, 1
	read.Conditions = []controlplane.Condition{{Type: controlplane.EtcdHealthy, OK: true, Since: since}}
	read.Name, read.Deleting = "changed", true // not the worker's
	say := event.Event{Kind: event.ClusterRunning, Organization: c.Organization, Cluster: c.ID, Subject: string(c.ID), Message: "It runs."}
	if err := work.Save(t.Context(), l, read, say); err != nil {
		t.Fatal(err)
	}
	want := c
	want.Phase, want.Since, want.Observed, want.Conditions = read.Phase, read.Since, 1, read.Conditions
	got, err := work.ByID(t.Context(), c.ID)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("saved: %v, (- want, + got)\n%s", err, diff)
	}

	stale := l
	stale.Token--
	if err := work.Save(t.Context(), stale, read, say); !errors.Is(err, pg.ErrLeaseLost) {
		t.Errorf("Save by a predecessor: error = %v, want ErrLeaseLost", err)
	}
	if _, err := work.Read(t.Context(), stale); !errors.Is(err, pg.ErrLeaseLost) {
		t.Errorf("Read by a predecessor: error = %v, want ErrLeaseLost", err)
	}

	events, err := s.Events(t.Context(), by.Organization, c.ID, "", 10)
	if err != nil {
		t.Fatal(err)
	}
	if len(events) != 2 || events[1].Message != "It runs." || events[1].Kind != event.ClusterRunning {
		t.Errorf("events = %+v", events)
	}
	if rest, err := s.Events(t.Context(), by.Organization, c.ID, events[0].ID, 10); err != nil || len(rest) != 1 {
		t.Errorf("events after the first: %+v, %v", rest, err)
	}

	alive, err := work.Alive(t.Context())
	if err != nil || len(alive) != 1 {
		t.Errorf("alive: %v, %v", alive, err)
	}
	bury(t, db, c.ID)
	if alive, err = work.Alive(t.Context()); err != nil || len(alive) != 0 {
		t.Errorf("alive after the deletion: %v, %v", alive, err)
	}
	if _, err := work.ByID(t.Context(), c.ID); !errors.Is(err, controlplane.ErrNoCluster) {
		t.Errorf("ByID of a deleted cluster: error = %v, want ErrNoCluster", err)
	}
}

func TestSetAuthentication(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	s, by, other := postgres.Clusters{DB: db}, organization(t, db), organization(t, db)
	c := mustCreate(t, s, by, "demo")
	prefix := "oidc:"
	want := controlplane.Authentication{JWT: []controlplane.JWTAuthenticator{{
		Issuer:        controlplane.JWTIssuer{URL: "https://login.example.com", Audiences: []string{"kubernetes"}},
		ClaimMappings: controlplane.ClaimMappings{Username: controlplane.PrefixedClaim{Claim: "sub", Prefix: &prefix}},
	}}}
	if _, err := s.SetAuthentication(t.Context(), other, c.ID, want); !errors.Is(err, controlplane.ErrNoCluster) {
		t.Errorf("another organization: %v, want that there is no such cluster", err)
	}
	for range 2 { // the second time changes nothing
		got, err := s.SetAuthentication(t.Context(), by, c.ID, want)
		if err != nil {
			t.Fatal(err)
		}
		read, err := s.ByID(t.Context(), by.Organization, c.ID)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, read.Authentication) + cmp.Diff(want, got.Authentication); diff != "" {
			t.Errorf("(- wanted, + stored) %s", diff)
		}
	}
	es, err := s.Events(t.Context(), by.Organization, c.ID, "", 10)
	if err != nil {
		t.Fatal(err)
	}
	if len(es) != 2 { // that it was asked for, and this
		t.Errorf("events %v, want one of the change", es)
	}
	if _, err := s.MarkDeleting(t.Context(), by, c.ID, time.Hour, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := s.SetAuthentication(t.Context(), by, c.ID, controlplane.Authentication{}); !errors.Is(err, controlplane.ErrBadPhase) {
		t.Errorf("of a cluster that is being deleted: %v", err)
	}
}
