package router

import "github.com/prometheus/client_golang/prometheus"

var (
	metricOpen = prometheus.NewDesc("marina_router_open_connections",
		"Client connections that are open at this moment.", nil, nil)
	metricHandshaking = prometheus.NewDesc("marina_router_handshaking_connections",
		"Open connections whose client has not said yet where it wants to go.", nil, nil)
	metricLimit = prometheus.NewDesc("marina_router_max_connections",
		"Connections that this router carries at most, at one time.", nil, nil)
	metricServing = prometheus.NewDesc("marina_router_serving",
		"1 while the router accepts connections, 0 after it has handed its sockets over and only lets open ones end.", nil, nil)
	metricAccepted = prometheus.NewDesc("marina_router_accepted_connections_total",
		"Connections accepted, by the side that they came from.", []string{"side"}, nil)
	metricCarried = prometheus.NewDesc("marina_router_carried_connections_total",
		"Connections brought to a server, by what they were for.", []string{"service"}, nil)
	metricRefused = prometheus.NewDesc("marina_router_refused_connections_total",
		"Connections that were refused, by why.", []string{"reason"}, nil)
	metricBytes = prometheus.NewDesc("marina_router_bytes_total",
		"Bytes carried on connections that have ended, by direction: in from clients, out to clients.", []string{"direction"}, nil)
)

// collector shows a router's Stats as metrics. No label holds a name that a
// client chose: there are as many series as this file has, whoever calls.
type collector struct{ router *Router }

func (c collector) Describe(out chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, out) }

func (c collector) Collect(out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v int) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v))
	}
	count := func(d *prometheus.Desc, v int64, label string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), label)
	}
	s := c.router.Stats()
	gauge(metricOpen, s.Open)
	gauge(metricHandshaking, s.Handshaking)
	gauge(metricLimit, c.router.config.MaxConnections)
	serving := 0
	if c.router.Health().Serving {
		serving = 1
	}
	gauge(metricServing, serving)
	for label, v := range s.Accepted {
		count(metricAccepted, v, label)
	}
	for label, v := range s.Carried {
		count(metricCarried, v, label)
	}
	for label, v := range s.Refused {
		count(metricRefused, v, label)
	}
	count(metricBytes, s.BytesIn, "in")
	count(metricBytes, s.BytesOut, "out")
}
