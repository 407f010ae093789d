package server

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"

	"github.com/marina-cloud/marina/gateway"
	"github.com/marina-cloud/marina/internal/tenant"
	fleet "github.com/marina-cloud/marina/node-fleet"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
	"github.com/marina-cloud/marina/tenant-controlplane/controlplaneapp"
)

// The contexts do not know one another's types. What one needs of the other is
// put into its words here.

// gatewayClusters is the control planes as the gateway needs them.
type gatewayClusters struct{ *controlplaneapp.App }

func (g gatewayClusters) Terminal(ctx context.Context, org tenant.OrganizationID, actor string, address netip.Addr, id tenant.ClusterID, n controlplane.NewCredential, columns, rows uint16) (gateway.Terminal, error) {
	t, err := g.App.Terminal(ctx, org, actor, address, id, n, columns, rows)
	if err != nil {
		return nil, err
	}
	return t, nil
}

func (g gatewayClusters) Identity(ctx context.Context, id tenant.ClusterID) (configuration, keys []byte, err error) {
	c, keys, err := g.App.Issuer(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	if configuration, err = json.Marshal(c); err != nil {
		return nil, nil, fmt.Errorf("encode OpenID configuration: %w", err)
	}
	return configuration, keys, nil
}

// fleetClusters is the control planes as the fleet needs them.
type fleetClusters struct{ *controlplaneapp.App }

func (f fleetClusters) Control(ctx context.Context, id tenant.ClusterID) (fleet.Control, error) {
	c, err := f.App.Control(ctx, id)
	return fleet.Control{
		ID: c.ID, Organization: c.Organization, Version: c.Version, KubernetesVersion: c.KubernetesVersion,
		Running: c.Running, Deleting: c.Deleting, Purge: c.Purge, ServerName: c.ServerName, TunnelName: c.TunnelName,
		CA: c.CA, TunnelCA: c.TunnelCA, PodCIDR: c.PodCIDR, ServiceCIDR: c.ServiceCIDR, DNS: c.DNS,
	}, err
}
