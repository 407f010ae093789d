package limits

import (
	"k8s.io/component-base/metrics"
	"k8s.io/component-base/metrics/legacyregistry"
)

var refused = metrics.NewCounterVec(&metrics.CounterOpts{
	Name:           "marina_limits_refused_total",
	Help:           "Writes refused because the cluster is as large as it may be, by what was used up.",
	StabilityLevel: metrics.ALPHA,
}, []string{"limit"})

func init() { legacyregistry.MustRegister(refused) }
