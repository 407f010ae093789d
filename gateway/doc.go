// Package gateway is Marina's public door: the REST API under /v1, described by
// OpenAPI at /openapi.json, and the identity documents of the clusters' service
// accounts. The router, through which kubectl reaches clusters, is package router.
//
// There is one file for each kind of resource; it holds the resource's view (what
// clients see), its operations, and the interface of what it needs. respond.go is
// the only place where a fault becomes an HTTP status, request.go is what every
// request goes through, and body.go what every body does.
package gateway
