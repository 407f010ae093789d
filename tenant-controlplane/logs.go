package controlplane

import (
	"slices"
	"strings"
	"time"

	"github.com/marina-cloud/marina/internal/fault"
)

// Component is a part of a control plane that has a log of its own.
type Component string

// The components. The first three are one process, and share what it writes:
// lines that nobody signed count as the API server's.
const (
	APIServer         Component = "apiserver"
	ControllerManager Component = "controller-manager"
	Scheduler         Component = "scheduler"
	Etcd              Component = "etcd"
	Audit             Component = "audit" // who did what, without contents
)

// Components returns all of them.
func Components() []Component {
	return []Component{APIServer, ControllerManager, Scheduler, Etcd, Audit}
}

// MaxTail is how many lines of the past may be asked for at once.
const MaxTail = 10_000

// LogQuery is what somebody wants to read of a component's log.
type LogQuery struct {
	Component Component
	Tail      int       // the newest lines of the past; at most MaxTail
	Since     time.Time // nothing older; zero: however old
	Follow    bool      // then what is written from now on, until the reader leaves
}

// Validate returns a fault that names every wrong field.
func (q LogQuery) Validate() error {
	var wrong []fault.Field
	if !slices.Contains(Components(), q.Component) {
		names := make([]string, 0, len(Components()))
		for _, c := range Components() {
			names = append(names, string(c))
		}
		wrong = append(wrong, fault.Field{Name: "component", Reason: "must be one of " + strings.Join(names, ", ")})
	}
	if q.Tail < 0 || q.Tail > MaxTail {
		wrong = append(wrong, fault.Field{Name: "tail", Reason: "must be between 0 and 10000"})
	}
	return fault.InvalidFields(wrong)
}

// ErrReaders means that no more readers may look into a cluster's logs just now.
var ErrReaders = fault.New(fault.Exhausted, "too_many_readers", "The cluster's logs are being read by as many readers as may. Try again in a moment.")

// ErrFollowers means that no more readers may follow a cluster's logs.
var ErrFollowers = fault.New(fault.Conflict, "too_many_followers", "The cluster's logs are being followed by as many readers as may. End one of them first.")
