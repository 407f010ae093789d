package controlplane

import (
	"time"

	"github.com/marina-cloud/marina/internal/fault"
)

// KeepDeleted is how long a deleted cluster can be brought back, unless the operator
// chose another time.
const KeepDeleted = 7 * 24 * time.Hour

// Faults of deleted clusters.
var (
	ErrPurged      = fault.New(fault.Conflict, "cluster_purged", "The cluster is being removed for good: it was deleted too long ago, or with purge. Nothing brings it back.")
	ErrManyDeleted = fault.New(fault.Exhausted, "deleted_cluster_quota", "The organization has as many deleted clusters that can be brought back as it may. Delete this one for good, with purge=true, or one of those.")
)

// Undeletable returns ErrPurged when the cluster cannot be brought back any more.
func (c Cluster) Undeletable() error {
	if c.Purge {
		return ErrPurged.Saying("The cluster %s is being removed for good: it was deleted too long ago, or with purge. Nothing brings it back.", c.Name)
	}
	return nil
}
