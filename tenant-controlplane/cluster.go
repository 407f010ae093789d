// Package controlplane is the domain of hosted Kubernetes control planes: what a
// cluster is, which life it may lead, and what has to be done next to bring it
// from where it is to where its owner wants it.
//
// The package does no I/O. Time comes in as an argument, and the packages below
// internal carry out what Plan decides.
package controlplane

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/marina-cloud/marina/internal/event"
	"github.com/marina-cloud/marina/internal/fault"
	"github.com/marina-cloud/marina/internal/tenant"
)

// Phase is where a cluster stands in its life. It is coarse on purpose: health is
// a condition beside it.
type Phase string

// The phases of a cluster.
const (
	Provisioning Phase = "provisioning" // being made; not usable yet
	Running      Phase = "running"      // usable
	Updating     Phase = "updating"     // usable, and being brought to what is wanted now
	Degraded     Phase = "degraded"     // was usable, and is being repaired
	Deleting     Phase = "deleting"     // going away; not usable any more
	Recoverable  Phase = "recoverable"  // gone for its owner; its data and keys are kept for a while, and nothing runs
	Restoring    Phase = "restoring"    // was recoverable and is being brought back; not usable yet
	Deleted      Phase = "deleted"      // nothing of it is left but its row
	Failed       Phase = "failed"       // could not be made in time; still being tried
)

// life is the whole state machine: how long a phase may last before somebody has
// to look (0: for ever), and where it may lead. What is not listed is not legal.
var life = map[Phase]struct {
	limit time.Duration
	next  []Phase
}{
	Provisioning: {5 * time.Minute, []Phase{Running, Failed, Deleting}},
	Running:      {0, []Phase{Updating, Degraded, Deleting}},
	Updating:     {15 * time.Minute, []Phase{Running, Degraded, Deleting}},
	Degraded:     {15 * time.Minute, []Phase{Running, Deleting}},
	Failed:       {0, []Phase{Running, Deleting}},
	Deleting:     {15 * time.Minute, []Phase{Recoverable, Deleted}},
	Recoverable:  {0, []Phase{Restoring, Deleting}},
	Restoring:    {15 * time.Minute, []Phase{Running, Failed, Deleting}},
	Deleted:      {0, nil},
}

// Phases returns every phase, sorted, for tests and metrics that must miss none.
func Phases() []Phase { return slices.Sorted(maps.Keys(life)) }

// The kinds of conditions, in the order in which a new cluster meets them.
const (
	EtcdHealthy     = "EtcdHealthy"     // etcd answers and accepts writes
	APIServerReady  = "APIServerReady"  // /readyz says ok
	RBACReady       = "RBACReady"       // the bootstrap roles and the default ServiceAccount exist
	CredentialsWork = "CredentialsWork" // a client with a fresh certificate was let in
	SecretsReady    = "SecretsReady"    // the platform can open the cluster's keys; listed only while it cannot
	WithinLimits    = "WithinLimits"    // nothing is refused because the cluster is as large as it may be
	TunnelReady     = "TunnelReady"     // a node's konnectivity agent is connected; not needed without nodes

	// IssuersReachable: the issuers whose tokens the cluster takes can be asked for their
	// keys; listed only where there are any.
	IssuersReachable = "IssuersReachable"
)

// Condition is one aspect of a cluster's health.
type Condition struct {
	Type    string    `json:"type"`
	OK      bool      `json:"ok"`
	Message string    `json:"message,omitempty"` // for people; why it is not OK
	Since   time.Time `json:"since"`             // of OK
}

// Cluster is one hosted control plane. It is a value; changes return a copy.
type Cluster struct {
	ID           tenant.ClusterID
	Organization tenant.OrganizationID
	Name         string
	Version      string // Kubernetes minor, as in "1.37"
	PodCIDR      string
	ServiceCIDR  string
	Issuer       string // of service-account tokens: a public URL; never changes
	UIDSlot      int    // see home.Home.UIDs
	Generation   int64  // counts changes of what is wanted
	Observed     int64  // the newest generation that is fully carried out
	Phase        Phase
	Since        time.Time // when Phase was entered
	Deleting     bool      // the owner wants it gone; taken back by an undeletion
	PurgeAt      time.Time // when nothing of it is kept any more; zero unless Deleting
	Purge        bool      // that time has come, by the database's clock; never taken back
	Conditions   []Condition
	CreatedAt    time.Time

	DeletionProtection bool           // the owner wants to be kept from deleting it by mistake
	Authentication     Authentication // whose tokens it takes besides its own
	Networks           []netip.Prefix // from which people reach its API server; none: from everywhere
}

// Happening is an event with the name of the cluster that it is about, which may be
// gone.
type Happening struct {
	Event event.Event
	Name  string
}

// Faults of this domain.
var (
	ErrNoOrganization = fault.New(fault.NotFound, "organization_not_found", "There is no such organization.")
	ErrNoCluster      = fault.New(fault.NotFound, "cluster_not_found", "There is no such cluster.")
	ErrNameTaken      = fault.New(fault.Conflict, "cluster_name_taken", "A cluster of this name exists already. Choose another name, or delete that cluster first.")
	ErrQuota          = fault.New(fault.Exhausted, "cluster_quota", "The organization has as many clusters as its quota allows. Delete one, or ask for a higher quota.")
	ErrNotRunning     = fault.New(fault.Conflict, "cluster_not_running", "The cluster is not running yet. Wait until its phase is running.")
	ErrBadPhase       = fault.New(fault.Conflict, "cluster_phase", "The cluster cannot do that in its present phase.")
	ErrSecrets        = fault.New(fault.Unavailable, "secrets_unavailable", "The platform cannot open the cluster's keys just now. The cluster goes on; try again in a minute.")
	ErrCapacity       = fault.New(fault.Exhausted, "cluster_capacity", "This installation has no room for another cluster.")
)

// To moves the cluster to phase p, or returns ErrBadPhase.
func (c Cluster) To(p Phase, now time.Time) (Cluster, error) {
	if !slices.Contains(life[c.Phase].next, p) {
		return c, ErrBadPhase
	}
	c.Phase, c.Since = p, now
	return c, nil
}

// Usable reports whether the cluster's API server can be expected to answer.
func (c Cluster) Usable() bool {
	return c.Phase == Running || c.Phase == Updating || c.Phase == Degraded
}

// Leaving reports whether the cluster is on its way out, or gone for now: it has no
// nodes, and nothing of it may be used. One that is wanted again while it goes is
// gone first and comes back then.
func (c Cluster) Leaving() bool {
	return c.Deleting || c.Phase == Deleting || c.Phase == Recoverable
}

// Overdue reports whether the cluster has been in its phase longer than it may.
func (c Cluster) Overdue(now time.Time) bool {
	limit := life[c.Phase].limit
	return limit > 0 && now.Sub(c.Since) > limit
}
