package metrics

import (
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// HTTP counts the requests of this process's HTTP servers. It is safe for
// concurrent use; the methods of a nil HTTP do nothing.
type HTTP struct {
	requests *prometheus.HistogramVec
	open     *prometheus.GaugeVec
}

// NewHTTP returns the metrics of all servers of this process.
func NewHTTP() *HTTP {
	return &HTTP{
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "marina_http_request_duration_seconds", Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
			Help: "Answered requests by server, method, route and status; a stream counts when it ends. Route is a pattern, and none for addresses that do not exist.",
		}, []string{"server", "method", "route", "code"}),
		open: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "marina_http_open_requests", Help: "Requests that are being answered at this moment.",
		}, []string{"server"}),
	}
}

// Register adds the metrics to a registry.
func (h *HTTP) Register(to prometheus.Registerer) error { return Register(to, h.requests, h.open) }

// The servers.
const (
	API     = "api"
	NodeAPI = "nodes"
)

// methods are those that are shown by their names: others may be made up.
var methods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

// Begin notes that a request came, and returns what is to be called when it was
// answered: with its route's pattern, empty when it has none, and the status.
func (h *HTTP) Begin(server, method string) (answered func(route string, status int)) {
	if h == nil {
		return func(string, int) {}
	}
	if !slices.Contains(methods, method) {
		method = "other"
	}
	begun := time.Now()
	h.open.WithLabelValues(server).Inc()
	return func(route string, status int) {
		if route == "" {
			route = "none"
		}
		h.open.WithLabelValues(server).Dec()
		h.requests.WithLabelValues(server, method, route, strconv.Itoa(status)).Observe(time.Since(begun).Seconds())
	}
}
