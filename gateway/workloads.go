package gateway

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/marina-cloud/marina/gateway/identity"
	"github.com/marina-cloud/marina/internal/tenant"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

// Workloads is what the gateway asks of what runs in clusters, in a person's name: the
// cluster's own rules decide what they see. Each call is bound to one organization.
type Workloads interface {
	Namespaces(ctx context.Context, org tenant.OrganizationID, id tenant.ClusterID, who controlplane.Person, q controlplane.PageQuery) (controlplane.Objects[controlplane.Namespace], error)
	Pods(ctx context.Context, org tenant.OrganizationID, id tenant.ClusterID, who controlplane.Person, q controlplane.PageQuery) (controlplane.Objects[controlplane.Pod], error)
	// KubernetesEvents are the newest events, the newest first.
	KubernetesEvents(ctx context.Context, org tenant.OrganizationID, id tenant.ClusterID, who controlplane.Person, namespace string, limit int) (controlplane.KubernetesEvents, error)
}

type namespaceView struct {
	Name      string    `json:"name" example:"default"`
	Status    string    `json:"status" example:"Active"`
	CreatedAt time.Time `json:"created_at"`
}

type podView struct {
	Namespace string    `json:"namespace" example:"default"`
	Name      string    `json:"name" example:"web-5d8f7c9b6d-x2x7k"`
	Ready     string    `json:"ready" doc:"Containers that are ready, of all." example:"1/1"`
	Status    string    `json:"status" doc:"As kubectl get pods says it." example:"Running"`
	Restarts  string    `json:"restarts" doc:"How often containers were started again, and when last." example:"3 (2m ago)"`
	Node      string    `json:"node" doc:"Empty while it has none." example:"workers-1"`
	CreatedAt time.Time `json:"created_at"`
}

type kubernetesEventView struct {
	Namespace string    `json:"namespace" example:"default"`
	Warning   bool      `json:"warning" doc:"Else it is a normal event."`
	Reason    string    `json:"reason" example:"FailedScheduling"`
	Object    string    `json:"object" doc:"What it is about." example:"Pod/web"`
	Message   string    `json:"message"`
	Count     int       `json:"count" doc:"How often it happened."`
	LastSeen  time.Time `json:"last_seen"`
}

type kubernetesEventsOutput struct {
	Body struct {
		Items []kubernetesEventView `json:"items" doc:"The newest first."`
		More  bool                  `json:"more" doc:"There are others. Of very many only some are looked at: ask for one namespace."`
	}
}

// ObjectsInput asks for a page of the objects in a cluster.
type ObjectsInput struct {
	ClusterPath
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"How many items at most; fewer come when they are large."`
	Cursor string `query:"cursor" maxLength:"4096" doc:"The next_cursor of the page before. It is good for some minutes."`
}

// InNamespace chooses a namespace.
type InNamespace struct {
	Namespace string `query:"namespace" maxLength:"63" pattern:"^([a-z0-9]([-a-z0-9]*[a-z0-9])?)?$" patternDescription:"the name of a namespace" doc:"All of them when absent." example:"default"`
}

func (in ObjectsInput) page(namespace string) controlplane.PageQuery {
	return controlplane.PageQuery{Namespace: namespace, Limit: in.Limit, Continue: in.Cursor}
}

func (s *server) registerWorkloads(api huma.API) {
	const path, tag = "/v1/clusters/{cluster_id}/workloads", "Workloads"
	look := func(id, what, summary string) huma.Operation {
		op := needs(identity.ClustersUse, operation(id, http.MethodGet, path+what, tag, summary, http.StatusOK, 401, 404, 409))
		op.Description = "The cluster's API server is asked in your name: its own rules (RBAC) decide what you see. What they refuse is answered with the code kubernetes_forbidden."
		return op
	}
	huma.Register(api, look("listNamespaces", "/namespaces", "List the namespaces in a cluster"), s.listNamespaces)
	huma.Register(api, look("listPods", "/pods", "List the pods in a cluster, as kubectl get pods shows them"), s.listPods)
	huma.Register(api, look("listKubernetesEvents", "/events", "List the newest Kubernetes events in a cluster"), s.listKubernetesEvents)
}

// personOf is who the caller is to Kubernetes.
func personOf(c identity.Caller) controlplane.Person {
	return controlplane.Person{User: c.Email, Group: groupOf(c)}
}

func (s *server) listNamespaces(ctx context.Context, in *ObjectsInput) (*pageOutput[namespaceView], error) {
	who := caller(ctx)
	found, err := s.Workloads.Namespaces(ctx, who.Organization, in.cluster(), personOf(who), in.page(""))
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return objectsOf(found, func(n controlplane.Namespace) namespaceView { return namespaceView(n) }), nil
}

func (s *server) listPods(ctx context.Context, in *struct {
	ObjectsInput
	InNamespace
}) (*pageOutput[podView], error) {
	who := caller(ctx)
	found, err := s.Workloads.Pods(ctx, who.Organization, in.cluster(), personOf(who), in.page(in.Namespace))
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return objectsOf(found, func(p controlplane.Pod) podView { return podView(p) }), nil
}

func (s *server) listKubernetesEvents(ctx context.Context, in *struct {
	ClusterPath
	InNamespace
	Limit int `query:"limit" minimum:"1" maximum:"500" default:"100" doc:"How many of the newest."`
}) (*kubernetesEventsOutput, error) {
	who := caller(ctx)
	found, err := s.Workloads.KubernetesEvents(ctx, who.Organization, in.cluster(), personOf(who), in.Namespace, in.Limit)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	out := &kubernetesEventsOutput{}
	out.Body.Items, out.Body.More = make([]kubernetesEventView, 0, len(found.Items)), found.More
	for _, h := range found.Items {
		out.Body.Items = append(out.Body.Items, kubernetesEventView(h))
	}
	return out, nil
}

// objectsOf makes a page of what a cluster answered.
func objectsOf[T, V any](found controlplane.Objects[T], view func(T) V) *pageOutput[V] {
	out := &pageOutput[V]{Body: page[V]{Items: make([]V, 0, len(found.Items)), NextCursor: found.Continue}}
	for _, x := range found.Items {
		out.Body.Items = append(out.Body.Items, view(x))
	}
	return out
}
