package fleetapp

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/marina-cloud/marina/internal/metrics"
	fleet "github.com/marina-cloud/marina/node-fleet"
	"github.com/marina-cloud/marina/node-fleet/internal/authority"
)

var (
	metricNodes = prometheus.NewDesc("marina_fleet_nodes",
		"Nodes by the phase of their life; deleted ones are not counted.", []string{"phase"}, nil)
	metricUnready = prometheus.NewDesc("marina_fleet_unready_nodes",
		"Nodes that were ready once, should be, and are not.", nil, nil)
	metricPools = prometheus.NewDesc("marina_fleet_pools",
		"Node pools by the phase of their life; deleted ones are not counted.", []string{"phase"}, nil)
	metricServing = prometheus.NewDesc("marina_fleet_certificate_expiry_timestamp_seconds",
		"When the serving certificate of the node API ends, in Unix time; it is also what nodes know the router by.", nil, nil)
)

// register adds what this context shows to a registry, which may be nil.
func (a *App) register(to prometheus.Registerer) error {
	return metrics.Register(to,
		metrics.NewSnapshot("fleet", a.census, metricNodes, metricUnready, metricPools),
		metrics.NewSnapshot("node-api", func(_ context.Context, emit func(prometheus.Metric)) error {
			end, err := authority.Expiry(a.certificates())
			emit(metrics.Gauge(metricServing, float64(end.Round(time.Second).Unix())))
			return err
		}, metricServing),
	)
}

// census counts nodes and pools.
func (a *App) census(ctx context.Context, emit func(prometheus.Metric)) error {
	c, err := a.store.Count(ctx)
	if err != nil {
		return err
	}
	for _, p := range []fleet.NodePhase{fleet.NodeProvisioning, fleet.NodeJoining, fleet.NodeRunning, fleet.NodeDraining, fleet.NodeDeleting} {
		emit(metrics.Gauge(metricNodes, float64(c.Nodes[p]), string(p)))
	}
	for _, p := range []fleet.PoolPhase{fleet.PoolProvisioning, fleet.PoolRunning, fleet.PoolDeleting} {
		emit(metrics.Gauge(metricPools, float64(c.Pools[p]), string(p)))
	}
	emit(metrics.Gauge(metricUnready, float64(c.Unready)))
	return nil
}
