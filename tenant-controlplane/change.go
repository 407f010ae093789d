package controlplane

import "github.com/marina-cloud/marina/internal/fault"

// Change is what an owner wants to be different of a cluster. A field that is nil
// stays as it is.
type Change struct {
	Name               *string
	DeletionProtection *bool
}

// Precondition is asked about a cluster while nobody else can change it; its error
// keeps a change from being made. Nil asks nothing.
type Precondition func(Cluster) error

// Check asks, if there is something to ask.
func (p Precondition) Check(c Cluster) error {
	if p == nil {
		return nil
	}
	return p(c)
}

// ErrProtected is the fault of a deletion that deletion protection keeps from happening.
var ErrProtected = fault.New(fault.Conflict, "deletion_protected", "Deletion protection is on for this cluster. Take it off first, with PATCH and deletion_protection false, and delete it then.")

// Validate returns a fault that names every wrong field by the API's name of it, or
// nil.
func (n Change) Validate() error {
	if n.Name == nil {
		return nil
	}
	if reason := wrongName(*n.Name); reason != "" {
		return fault.InvalidFields([]fault.Field{{Name: "name", Reason: reason}})
	}
	return nil
}

// Of returns the cluster as it is after the change, and ErrBadPhase when it is on its
// way out.
func (n Change) Of(c Cluster) (Cluster, error) {
	if c.Deleting {
		return c, ErrBadPhase.Saying("The cluster %s is deleted and cannot be changed. Undelete it first.", c.Name)
	}
	if n.Name != nil {
		c.Name = *n.Name
	}
	if n.DeletionProtection != nil {
		c.DeletionProtection = *n.DeletionProtection
	}
	return c, nil
}

// Deletable returns ErrProtected when the owner has to take deletion protection off
// before the cluster may go.
func (c Cluster) Deletable() error {
	if c.DeletionProtection && !c.Deleting {
		return ErrProtected.Saying("Deletion protection is on for the cluster %s. Take it off first (PATCH it with deletion_protection false, or `marina clusters update %s --deletion-protection=false`), and delete it then.", c.Name, c.Name)
	}
	return nil
}
