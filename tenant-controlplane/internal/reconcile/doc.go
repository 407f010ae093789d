// Package reconcile brings clusters to what their owners want, for ever: it looks
// at one cluster, lets controlplane.Plan decide, carries the steps out and saves
// what came of it under the lease.
//
// A reconciliation takes an id and nothing else, keeps no state, and may be
// killed at any line: whoever continues sees what is there and plans anew. There
// is one path for a cluster's first time, for a retry and for a repair.
package reconcile
