package router

import "sync/atomic"

// Stats is what a router has done since it was made. The keys of the maps are
// fixed and fit for labels of metrics.
type Stats struct {
	Open        int              // connections at this moment
	Handshaking int              // those of them that have not said yet where they want to go
	Accepted    map[string]int64 // by side: "public", "nodes"
	Carried     map[string]int64 // by service: "api", "tunnel", "nodes", "pod-api", "kubelet-api"
	Refused     map[string]int64 // by reason: "not-tls", "bad-hello", "slow-hello", "unknown-name", "bad-certificate", "busy", "unavailable", "no-certificate", "no-proxy-header", "unauthorized-network"
	BytesIn     int64            // from clients, of connections that have ended
	BytesOut    int64            // to clients, of connections that have ended
}

type counters struct {
	accepted [sides]atomic.Int64
	carried  [services]atomic.Int64
	refused  [reasons]atomic.Int64
	in, out  atomic.Int64
}

// Stats returns the present figures. Each is exact; together they may be a
// moment apart.
func (r *Router) Stats() Stats {
	s := Stats{
		Open:        r.counted.open(),
		Handshaking: r.queue.waits(),
		Accepted:    make(map[string]int64, sides),
		Carried:     make(map[string]int64, services),
		Refused:     make(map[string]int64, reasons),
		BytesIn:     r.counters.in.Load(),
		BytesOut:    r.counters.out.Load(),
	}
	for i := range sides {
		s.Accepted[i.String()] = r.counters.accepted[i].Load()
	}
	for i := range services {
		s.Carried[i.String()] = r.counters.carried[i].Load()
	}
	for i := range reasons {
		s.Refused[i.String()] = r.counters.refused[i].Load()
	}
	return s
}
