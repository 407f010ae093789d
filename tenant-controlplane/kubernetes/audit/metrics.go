package audit

import (
	"k8s.io/component-base/metrics"
	"k8s.io/component-base/metrics/legacyregistry"
)

var dropped = metrics.NewCounter(&metrics.CounterOpts{
	Name:           "marina_audit_events_dropped_total",
	Help:           "Audit events that were not written because the cluster did more than its audit log may take.",
	StabilityLevel: metrics.ALPHA,
})

func init() { legacyregistry.MustRegister(dropped) }
