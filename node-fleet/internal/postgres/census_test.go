//go:build integration

package postgres_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/internal/tenant"
	fleet "github.com/marina-cloud/marina/node-fleet"
	"github.com/marina-cloud/marina/node-fleet/fleettest"
)

func TestTally(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	if got, err := f.Tally(t.Context(), f.by.Organization); err != nil || len(got) != 0 {
		t.Fatalf("an organization without nodes has %v, %v", got, err)
	}
	p := f.pool("workers", 3)
	if err := f.AddNodes(t.Context(), f.lease(f.Pools(), string(p.ID)), p, []string{"ready", "lost", "new", "gone"}); err != nil {
		t.Fatal(err)
	}
	if err := f.DB.AsWorker(t.Context(), func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `
			UPDATE nodes SET ready = name = 'ready', phase = CASE name WHEN 'new' THEN 'joining' WHEN 'gone' THEN 'deleted' ELSE 'running' END`)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	want := map[tenant.ClusterID][]fleet.Tally{f.cluster: {{Size: "small", Nodes: 3, Ready: 1, Lost: 1}}}
	if got, err := f.Tally(t.Context(), f.by.Organization); err != nil || !cmp.Equal(got, want) {
		t.Errorf("the tally is %v, %v; want %v", got, err, want)
	}
	other := fleettest.Organization(t, f.DB)
	if got, err := f.Tally(t.Context(), other); err != nil || len(got) != 0 {
		t.Errorf("another organization sees %v, %v", got, err)
	}
}
