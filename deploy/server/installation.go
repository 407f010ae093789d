package server

import (
	"context"

	"github.com/marina-cloud/marina/deploy/backup"
	"github.com/marina-cloud/marina/gateway"
	"github.com/marina-cloud/marina/internal/home"
	"github.com/marina-cloud/marina/internal/tenant"
	fleet "github.com/marina-cloud/marina/node-fleet"
	"github.com/marina-cloud/marina/node-fleet/fleetapp"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
	"github.com/marina-cloud/marina/tenant-controlplane/controlplaneapp"
)

// installation is all that operators see in the console.
type installation struct {
	planes *controlplaneapp.App
	nodes  *fleetapp.App
	checks checks
	home   home.Home
}

func (i installation) AllClusters(ctx context.Context, search, after string, limit int) ([]controlplane.Cluster, error) {
	return i.planes.AllClusters(ctx, search, after, limit)
}

func (i installation) AllNodes(ctx context.Context, search, after string, limit int) ([]fleet.Placed, error) {
	return i.nodes.AllNodes(ctx, search, after, limit)
}

func (i installation) CountClusters(ctx context.Context, orgs []tenant.OrganizationID) (map[tenant.OrganizationID]int, error) {
	return i.planes.CountClusters(ctx, orgs)
}

func (i installation) CountNodes(ctx context.Context, orgs []tenant.OrganizationID) (map[tenant.OrganizationID]int, error) {
	return i.nodes.CountNodes(ctx, orgs)
}

// Health is what GET /readyz and the metrics of this machine tell.
func (i installation) Health(ctx context.Context) (h gateway.Health, err error) {
	for _, c := range i.checks.look(ctx).Checks {
		h.Checks = append(h.Checks, gateway.Check{Name: c.Name, OK: c.OK, Message: c.Message})
	}
	all, err := disks(i.home)
	if err != nil {
		return h, err
	}
	for _, d := range all {
		h.Disks = append(h.Disks, gateway.Disk{Name: d.name, Free: d.free, Size: d.size})
	}
	h.LastBackup, _, err = backup.Last(i.home)
	return h, err
}
