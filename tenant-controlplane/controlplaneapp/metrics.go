package controlplaneapp

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/marina-cloud/marina/internal/metrics"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

var (
	metricClusters = prometheus.NewDesc("marina_controlplane_clusters",
		"Clusters by the phase of their life; deleted ones are not counted.", []string{"phase"}, nil)
	metricOverdue = prometheus.NewDesc("marina_controlplane_overdue_clusters",
		"Clusters that have been in their phase for longer than they may.", nil, nil)
	metricUnmet = prometheus.NewDesc("marina_controlplane_unmet_conditions",
		"Clusters that should be usable, by each condition that they do not meet.", []string{"condition"}, nil)
	metricCertificate = prometheus.NewDesc("marina_controlplane_certificate_expiry_timestamp_seconds",
		"When the first of all certificates that clusters use ends, in Unix time; absent without clusters.", nil, nil)
)

// conditions are those of which the metrics show a number, even if it is zero.
var conditions = []string{controlplane.EtcdHealthy, controlplane.APIServerReady, controlplane.RBACReady, controlplane.CredentialsWork, controlplane.WithinLimits}

// register adds what this context shows to a registry, which may be nil.
func (a *App) register(to prometheus.Registerer) error {
	return metrics.Register(to,
		metrics.NewSnapshot("clusters", a.census, metricClusters, metricOverdue, metricUnmet, metricCertificate),
		a.kms.Metrics(), a.egress.Metrics(),
	)
}

// census counts clusters.
func (a *App) census(ctx context.Context, emit func(prometheus.Metric)) error {
	alive, err := a.work.Alive(ctx)
	if err != nil {
		return err
	}
	phases, unmet, overdue := map[controlplane.Phase]int{}, map[string]int{}, 0
	for _, p := range controlplane.Phases() {
		if p != controlplane.Deleted {
			phases[p] = 0
		}
	}
	for _, t := range conditions {
		unmet[t] = 0
	}
	for _, c := range alive {
		phases[c.Phase]++
		if c.Overdue(now()) {
			overdue++
		}
		for _, condition := range c.Conditions {
			if c.Usable() && !c.Deleting && !condition.OK {
				unmet[condition.Type]++
			}
		}
	}
	for p, n := range phases {
		emit(metrics.Gauge(metricClusters, float64(n), string(p)))
	}
	for t, n := range unmet {
		emit(metrics.Gauge(metricUnmet, float64(n), t))
	}
	emit(metrics.Gauge(metricOverdue, float64(overdue)))
	if first := a.firstExpiry(alive); !first.IsZero() {
		emit(metrics.Gauge(metricCertificate, float64(first.Unix())))
	}
	return nil
}

// expiryEvery is how often certificates are read again: they live for weeks.
const expiryEvery = 5 * time.Minute

// firstExpiry is when the first certificate of any of the clusters ends. The caller
// is one at a time: a Snapshot.
func (a *App) firstExpiry(alive []controlplane.Cluster) time.Time {
	if time.Since(a.expiry.read) < expiryEvery {
		return a.expiry.first
	}
	a.expiry.read, a.expiry.first = time.Now(), time.Time{}
	for _, c := range alive {
		dir, _, _ := a.place.Host.KeysDir(c)
		if end := firstExpiryIn(dir); !end.IsZero() && (a.expiry.first.IsZero() || end.Before(a.expiry.first)) {
			a.expiry.first = end
		}
	}
	return a.expiry.first
}

// firstExpiryIn is when the first of the certificates in a directory ends; zero
// when there is none, as before a cluster's first start.
func firstExpiryIn(dir string) (first time.Time) {
	files, _ := filepath.Glob(filepath.Join(dir, "*.crt")) // the pattern is well-formed
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			continue // being replaced, or gone with its cluster
		}
		for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
			cert, err := x509.ParseCertificate(block.Bytes)
			if err == nil && (first.IsZero() || cert.NotAfter.Before(first)) {
				first = cert.NotAfter
			}
		}
	}
	return first
}
