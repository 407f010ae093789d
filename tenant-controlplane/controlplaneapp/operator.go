package controlplaneapp

import (
	"context"

	"github.com/marina-cloud/marina/internal/tenant"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

// AllClusters returns up to limit clusters of all organizations with ids behind
// after, the oldest first: those whose id or whose organization's id is search, or
// whose name holds it. It is for operators alone.
func (a *App) AllClusters(ctx context.Context, search, after string, limit int) ([]controlplane.Cluster, error) {
	return a.operator.List(ctx, search, after, limit)
}

// CountClusters returns how many clusters organizations have. It is for operators alone.
func (a *App) CountClusters(ctx context.Context, orgs []tenant.OrganizationID) (map[tenant.OrganizationID]int, error) {
	return a.operator.Count(ctx, orgs)
}
