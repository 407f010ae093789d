package gateway_test

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/marina-cloud/marina/gateway"
	"github.com/marina-cloud/marina/internal/tenant"
	fleet "github.com/marina-cloud/marina/node-fleet"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

func (w *world) AllClusters(_ context.Context, search, after string, limit int) ([]controlplane.Cluster, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	found := func(c controlplane.Cluster) bool {
		return search == string(c.ID) || search == string(c.Organization) || strings.Contains(c.Name, search)
	}
	return some(w.clusters, found, func(c controlplane.Cluster) string { return string(c.ID) }, after, limit), nil
}

func (w *world) AllNodes(_ context.Context, search, after string, limit int) (placed []fleet.Placed, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	found := func(n fleet.Node) bool { return search == string(n.Cluster) || strings.Contains(n.Name, search) }
	for _, n := range some(w.nodes, found, func(n fleet.Node) string { return string(n.ID) }, after, limit) {
		placed = append(placed, fleet.Placed{Node: n, Size: "small", Provider: "local"})
	}
	return placed, nil
}

func (w *world) CountClusters(_ context.Context, orgs []tenant.OrganizationID) (map[tenant.OrganizationID]int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	counts := map[tenant.OrganizationID]int{}
	for _, c := range w.clusters {
		if slices.Contains(orgs, c.Organization) {
			counts[c.Organization]++
		}
	}
	return counts, nil
}

func (w *world) CountNodes(_ context.Context, orgs []tenant.OrganizationID) (map[tenant.OrganizationID]int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	counts := map[tenant.OrganizationID]int{}
	for _, n := range w.nodes {
		if slices.Contains(orgs, n.Organization) {
			counts[n.Organization]++
		}
	}
	return counts, nil
}

func (w *world) Health(context.Context) (gateway.Health, error) {
	return gateway.Health{
		Checks:     []gateway.Check{{Name: "postgres", OK: true}, {Name: "router", Message: "no router runs"}},
		Disks:      []gateway.Disk{{Name: "home", Free: 1 << 30, Size: 4 << 30}},
		LastBackup: time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC),
	}, nil
}
