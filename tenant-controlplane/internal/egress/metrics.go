package egress

import "github.com/prometheus/client_golang/prometheus"

// What became of a request.
const (
	carried    = "carried"
	refused    = "refused"    // the target is not allowed, or no target
	slowed     = "slowed"     // more than the cluster may ask for
	unanswered = "unanswered" // the target could not be reached
)

func newMetrics() *prometheus.CounterVec {
	v := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "marina_egress_connections_total",
		Help: "Connections that API servers wanted to the Internet, by what became of them.",
	}, []string{"result"})
	for _, result := range []string{carried, refused, slowed, unanswered} {
		v.WithLabelValues(result)
	}
	return v
}

// Metrics shows the connections of all clusters together.
func (s *Server) Metrics() prometheus.Collector { return s.counted }
