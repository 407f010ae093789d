package limits

import (
	"fmt"

	"github.com/marina-cloud/marina/tenant-controlplane/kubernetes/config"
)

// Usage is how full a cluster is, as its etcd says.
type Usage struct {
	Size int64 `json:"size"` // of the database's file, bytes: it is what etcd's own quota bounds
	Keys int64 `json:"keys"` // objects
}

// write is what is to be decided about: an object that is made or changed. Deletes
// and what is not stored are none.
type write struct {
	create bool
	system bool // by the control plane itself, a node, or Marina
	own    bool // of a kind or in a namespace that the cluster itself lives by
	lease  bool
	was    int // bytes, roughly; 0 for a create
	is     int
}

const (
	// slack is by how much an update may make an object larger and still not count
	// as growth: a changed number, a label, a finalizer.
	slack = 1 << 10
	// small is what an update may write when nearly nothing is left: each leaves
	// the old object behind for a while.
	small = 8 << 10
)

// level is how full something is.
type level int

const (
	roomy level = iota
	soft        // only what does not make it larger, and what is not the customer's
	tight       // only what is needed to go on
)

func levelOf(used int64, m config.Mark) level {
	switch {
	case used >= m.Reserve:
		return tight
	case used >= m.Soft:
		return soft
	}
	return roomy
}

// passes says whether a write may be made at this level.
func (w write) passes(l level) bool {
	switch {
	case l == roomy, w.system && (w.own || !w.create), w.lease && w.is <= small && (l < tight || !w.create):
		return true
	case w.system:
		return l < tight // what controllers make for the customer
	case w.create:
		return false
	case l == soft:
		return w.is <= w.was+slack
	}
	return w.is < w.was || w.is <= w.was+slack && w.is <= small
}

// tooMany and tooLarge tell a person what is the matter and what to do.
func tooMany(u Usage, l config.Limits) string {
	return fmt.Sprintf("cluster %s holds %d objects, and its limit is %d. "+
		"Delete objects that are not needed any more; deletes are always accepted.",
		l.Cluster, u.Keys, l.Objects.Soft)
}

func tooLarge(u Usage, l config.Limits) string {
	return fmt.Sprintf("cluster %s: its database holds %d MiB, and beyond %d MiB nothing may be added or made larger. "+
		"Delete objects that are not needed any more, or make them smaller; deletes are always accepted, and their space is free again within minutes.",
		l.Cluster, u.Size>>20, l.Database.Soft>>20)
}
