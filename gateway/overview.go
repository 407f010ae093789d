package gateway

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/marina-cloud/marina/billing"
	"github.com/marina-cloud/marina/gateway/identity"
	"github.com/marina-cloud/marina/internal/tenant"
	fleet "github.com/marina-cloud/marina/node-fleet"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

// recentEvents is how many of the last events an overview shows.
const recentEvents = 20

type clusterUseView struct {
	Cluster string     `json:"cluster_id" example:"kc-01k9xw3e5v8m2q4r6t8y0a1b2c"`
	Nodes   int        `json:"nodes" doc:"Of all its pools."`
	Ready   int        `json:"nodes_ready"`
	Lost    int        `json:"nodes_lost" doc:"That were ready before and are not now."`
	Price   *priceView `json:"price" doc:"Of what of it runs now; null when something of it has no price."`
}

type happeningView struct {
	Event   eventView `json:"event"`
	Cluster string    `json:"cluster_id"`
	Name    string    `json:"cluster" doc:"The cluster's name; it may be gone." example:"production"`
}

type overviewView struct {
	Currency string           `json:"currency" doc:"Of all prices, by ISO 4217." example:"EUR"`
	Price    *priceView       `json:"price" doc:"Of all that runs now; null when something of it has no price."`
	Clusters []clusterUseView `json:"clusters" doc:"The oldest first."`
	Events   []happeningView  `json:"events" doc:"What happened last, the newest first."`
}

func (s *server) registerOverview(api huma.API) {
	huma.Register(api, needs(identity.ClustersRead, operation("getOverview", http.MethodGet, "/v1/overview", "Clusters",
		"Say what all clusters use and cost now, and what happened last", http.StatusOK, 401)), s.overview)
}

func (s *server) overview(ctx context.Context, _ *struct{}) (*struct{ Body overviewView }, error) {
	org := caller(ctx).Organization
	clusters, err := pages(func(after string) ([]controlplane.Cluster, error) {
		return s.Clusters.List(ctx, org, false, after, atOnce)
	},
		func(c controlplane.Cluster) string { return string(c.ID) })
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	tallies, err := s.Fleet.Tally(ctx, org)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	happened, err := s.Clusters.Recent(ctx, org, recentEvents)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	book, err := s.Prices.Prices(ctx)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	v := overviewView{Currency: book.Currency, Clusters: []clusterUseView{}, Events: []happeningView{}}
	var all []billing.Use
	for _, c := range clusters {
		uses := usesOf(c, tallies)
		one := clusterUseView{Cluster: string(c.ID)}
		for _, t := range tallies[c.ID] {
			one.Nodes, one.Ready, one.Lost = one.Nodes+t.Nodes, one.Ready+t.Ready, one.Lost+t.Lost
		}
		if one.Price, err = viewCost(book, uses); err != nil {
			return nil, s.failed(ctx, err)
		}
		v.Clusters, all = append(v.Clusters, one), append(all, uses...)
	}
	if v.Price, err = viewCost(book, all); err != nil {
		return nil, s.failed(ctx, err)
	}
	for _, h := range happened {
		v.Events = append(v.Events, happeningView{viewEvent(h.Event), string(h.Event.Cluster), h.Name})
	}
	return &struct{ Body overviewView }{v}, nil
}

// usesOf is what is charged for a cluster as it is: a control plane that serves, and
// nodes that are ready.
func usesOf(c controlplane.Cluster, tallies map[tenant.ClusterID][]fleet.Tally) (uses []billing.Use) {
	if c.Usable() {
		uses = append(uses, billing.Use{Meter: billing.ControlPlane, Item: billing.Running, Count: 1})
	}
	for _, t := range tallies[c.ID] {
		uses = append(uses, billing.Use{Meter: billing.Node, Item: t.Size, Count: int64(t.Ready)})
	}
	return uses
}

// viewCost shows what uses cost together; nil when one of them has no price.
func viewCost(b billing.Book, uses []billing.Use) (*priceView, error) {
	perHour, ok, err := b.Cost(uses)
	if !ok || err != nil {
		return nil, err
	}
	return viewPerHour(billing.Price{PerHour: perHour})
}
