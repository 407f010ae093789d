package controlplane

import (
	"time"

	"github.com/marina-cloud/marina/internal/fault"
)

// Person is who asks a cluster's API for something through Marina: the cluster's own
// rules decide what they see.
type Person struct {
	User  string // who they are to Kubernetes
	Group string // what they are to Kubernetes; empty: nothing, and they see nothing
}

// PageQuery asks for a page of the objects in a cluster.
type PageQuery struct {
	Namespace string // empty: all of them
	Limit     int    // how many at most; fewer come when they are large
	Continue  string // what came with the page before; empty: the first page
}

// Objects is a page of the objects in a cluster.
type Objects[T any] struct {
	Items    []T
	Continue string // asks for the next page; empty: this is the last one
}

// Namespace is a namespace of a cluster.
type Namespace struct {
	Name      string
	Status    string
	CreatedAt time.Time
}

// Pod is a pod in the words in which the cluster's API server prints it for kubectl.
type Pod struct {
	Namespace, Name string
	Ready           string // containers that are ready, of all, such as "1/2"
	Status          string // such as "CrashLoopBackOff"
	Restarts        string // such as "3 (2m ago)"
	Node            string // empty: none yet
	CreatedAt       time.Time
}

// KubernetesEvent is a Kubernetes event: what some component says about an object.
type KubernetesEvent struct {
	Namespace string
	Warning   bool
	Reason    string // such as "FailedScheduling"
	Object    string // such as "Pod/web"
	Message   string
	Count     int // how often it happened
	LastSeen  time.Time
}

// KubernetesEvents are the newest events, the newest first.
type KubernetesEvents struct {
	Items []KubernetesEvent
	More  bool // there are others, which may even be newer when there are very many
}

// Faults of looking into a cluster.
var (
	ErrNotAllowedInside = fault.New(fault.Forbidden, "kubernetes_forbidden", "The cluster's own rules do not let you see this.")
	ErrListExpired      = fault.New(fault.Conflict, "list_expired", "The list has changed too much since its first page. Begin again without a cursor.")
	ErrBadContinue      = fault.New(fault.Invalid, "bad_cursor", "The cursor is not one that the cluster gave out. Begin again without a cursor.")
	ErrNoAnswerInside   = fault.New(fault.Unavailable, "kubernetes_unavailable", "The cluster's API server does not answer just now. Try again in a moment.")
)
