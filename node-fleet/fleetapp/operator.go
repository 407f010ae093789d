package fleetapp

import (
	"context"

	"github.com/marina-cloud/marina/internal/tenant"
	fleet "github.com/marina-cloud/marina/node-fleet"
)

// AllNodes returns up to limit nodes of all organizations with ids behind after, the
// oldest first: those whose id, cluster's or organization's id or whose address is
// search, or whose name holds it. It is for operators alone.
func (a *App) AllNodes(ctx context.Context, search, after string, limit int) ([]fleet.Placed, error) {
	nodes, err := a.store.AllNodes(ctx, search, after, limit)
	if err != nil {
		return nil, err
	}
	pools := make([]tenant.PoolID, len(nodes))
	for i, n := range nodes {
		pools[i] = n.Pool
	}
	sizes, err := a.store.Sizes(ctx, pools)
	if err != nil {
		return nil, err
	}
	placed := make([]fleet.Placed, len(nodes))
	for i, n := range nodes {
		placed[i] = fleet.Placed{Node: n, Size: sizes[n.Pool], Provider: a.deps.ProviderName}
	}
	return placed, nil
}

// CountNodes returns how many nodes organizations have. It is for operators alone.
func (a *App) CountNodes(ctx context.Context, orgs []tenant.OrganizationID) (map[tenant.OrganizationID]int, error) {
	return a.store.CountNodes(ctx, orgs)
}
