// Package router carries every connection to a tenant's control plane: people's
// and nodes', through one TCP port, told apart by the name that the client asks
// for in its TLS ClientHello (SNI, RFC 6066 section 3).
//
//	<cluster>.<domain>         the cluster's API server, TLS end to end
//	tunnel.<cluster>.<domain>  the cluster's konnectivity server, TLS end to end
//	nodes.<domain>             the API for machines, TLS end to end
//	nodes.<domain> with the protocol (ALPN) of PodProtocol or KubeletProtocol
//	                           the API server again, for programs inside pods
//	                           and for the node itself: here the router ends the
//	                           TLS connection, because the node's certificate
//	                           says which cluster it is
//
// The router holds no key of a tenant, no state and no opinion: where a cluster
// is comes from its route file (package route), looked at for each connection. It is
// a process of its own, so that neither an upgrade nor a crash of the rest of
// Marina cuts a connection; and it is itself replaced by handing its listening
// sockets to its successor, so that its own upgrade cuts none either.
//
// A cluster's owner may limit from which networks people reach its API server. What
// they connect to is the cluster's own name; nodes are let in by certificate wherever
// they are, under the other names. A change holds for the next connection, and cuts
// within a second what is open from elsewhere.
//
// An API server hears the client's address in a PROXY protocol v2 header
// (https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt) that only the
// router can write: its socket is reachable from nowhere else, and a header that
// arrives from outside is refused.
package router
