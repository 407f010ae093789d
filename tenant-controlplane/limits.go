package controlplane

import "fmt"

// Limits are how much one cluster may use. They keep a cluster's load its own, and
// they fit one another: what the database may hold has to fit, decoded, into the API
// server's memory several times.
type Limits struct {
	Etcd  ProcessLimits
	Stack ProcessLimits // API server, controllers and scheduler
	// Reads and Writes are how many requests the API server serves at once, shared
	// out by its priority and fairness: whoever is over their share is told to come
	// back later (429), while the cluster's own requests pass.
	Reads, Writes int
	Objects       Mark  // how many objects the cluster holds, of all kinds
	Database      Mark  // size of the file of etcd's database, bytes
	DatabaseFile  int64 // size of the database's file at which etcd itself refuses every write, bytes
	Audit         AuditLimits
}

// ProcessLimits are enforced by the kernel.
type ProcessLimits struct {
	MemoryBytes int64   // beyond, the process is killed and started again
	CPUs        float64 // in cores; beyond, it waits
}

// Mark is where writes begin to be refused, in two steps, so that a cluster that is
// full can still be worked with: objects can be deleted, nodes and leader elections
// go on.
type Mark struct {
	// Soft is where the customer's creates, and updates that make something larger,
	// end.
	Soft int64
	// Reserve is where what controllers create on behalf of the customer ends, too.
	// Only deletes, small updates, leases and what the cluster needs for itself
	// still pass.
	Reserve int64
}

// AuditLimits bound the audit log. What is beyond the rates is not written, but
// counted, and the log says how much is missing.
type AuditLimits struct {
	FileMiB int // size of a file
	Files   int // that are kept
	// EventsPerSecond and BytesPerSecond are what may be written for long; ten
	// seconds' worth of it at once. They hold for reads and for writes apart, so
	// that nobody hides a write in a flood of reads.
	EventsPerSecond, BytesPerSecond int
}

const (
	softPercent    = 80
	reservePercent = 95
)

// DatabaseOf is the mark for a database whose file may have this size.
func DatabaseOf(file int64) Mark {
	return Mark{Soft: file / 100 * softPercent, Reserve: file / 100 * reservePercent}
}

// Small are the limits of every cluster, made for one of up to twenty or so nodes.
func Small() Limits {
	const file = 512 << 20
	return Limits{
		// Far above what an ordinary cluster needs: a stack with few nodes holds
		// 200 MiB.
		Etcd:  ProcessLimits{MemoryBytes: 1 << 30, CPUs: 1},
		Stack: ProcessLimits{MemoryBytes: 2 << 30, CPUs: 2},
		// Half of upstream's, which are made for thousands of nodes.
		Reads: 200, Writes: 100,
		Objects:      Mark{Soft: 50_000, Reserve: 60_000},
		Database:     DatabaseOf(file),
		DatabaseFile: file,
		Audit:        AuditLimits{FileMiB: 20, Files: 5, EventsPerSecond: 200, BytesPerSecond: 512 << 10},
	}
}

// Usage is what a cluster's etcd says of itself.
type Usage struct {
	Size int64 // of the database's file, bytes
	Keys int64 // objects
	Full bool  // etcd refuses every write
}

// Complaint says which limit the cluster is at, and what to do, or "". It changes
// slowly, as it is kept.
func (l Limits) Complaint(u Usage) string {
	percent := 100 * u.Size / l.DatabaseFile
	switch {
	case u.Full:
		return "The database is full: nothing can be written until objects are deleted. What is deleted is free again within a minute."
	case u.Size >= l.Database.Reserve:
		return fmt.Sprintf("The database is %d %% full: only deletes and what the cluster needs for itself are accepted. Delete objects that are not needed any more.", percent)
	case u.Size >= l.Database.Soft:
		return fmt.Sprintf("The database is %d %% full: creates and growth are refused. Delete objects that are not needed any more.", percent)
	case u.Keys >= l.Objects.Soft:
		return fmt.Sprintf("The cluster holds as many objects as it may (%d): creates are refused. Delete objects that are not needed any more.", l.Objects.Soft)
	}
	return ""
}
