// Package reconcile brings node pools and nodes to what their owners want, for
// ever: it looks at one of them, lets the fleet's planner decide, carries the
// steps out and saves what came of it under the lease.
//
// A reconciliation takes a lease and nothing else, keeps no state, and may be
// killed at any line: whoever continues sees what is there and plans anew. There
// is one path for a node's first start, for a retry and for a repair.
package reconcile
