// Package event is what the contexts tell one another.
//
// An event is written to the outbox in the transaction that made it true, and
// relayed to NATS from there. It wakes and notifies; it is never the only copy
// of a fact. Fields are only ever added.
package event

import (
	"encoding/json"
	"time"

	"github.com/marina-cloud/marina/internal/tenant"
)

// Kind names what happened, as "<context>.<noun>.<past participle>". With the
// prefix "marina." it is the NATS subject.
type Kind string

// The events of this system.
const (
	ClusterChanged Kind = "controlplane.cluster.changed" // wanted or observed state of a cluster changed
	ClusterRunning Kind = "controlplane.cluster.running" // a cluster became usable
	ClusterDeleted Kind = "controlplane.cluster.deleted" // nothing of a cluster is left
	PoolChanged    Kind = "fleet.pool.changed"           // wanted state of a pool changed
	NodeChanged    Kind = "fleet.node.changed"           // a node entered another phase
	NodeReady      Kind = "fleet.node.ready"             // a node became usable
	NodeDeleted    Kind = "fleet.node.deleted"           // nothing of a node is left
)

// Event is one thing that happened.
type Event struct {
	ID           string                `json:"id"` // a ULID; also the key by which NATS drops duplicates
	Kind         Kind                  `json:"kind"`
	Organization tenant.OrganizationID `json:"organization_id"`
	Cluster      tenant.ClusterID      `json:"cluster_id,omitempty"`
	Subject      string                `json:"subject"` // the id of what it happened to
	At           time.Time             `json:"at"`
	Message      string                `json:"message"` // a sentence for the customer; empty when it is not for people
	Data         json.RawMessage       `json:"data,omitempty"`
}
