package addons

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/marina-cloud/marina/internal/tenant"
	fleet "github.com/marina-cloud/marina/node-fleet"
)

const (
	// manager is who owns the fields that Marina sets.
	manager = "marina"
	// record is the ConfigMap that says which version of what was applied.
	record = "marina-addons"
	// conflicts is how often an object is applied without fields that somebody
	// else owns, before it is left to them.
	conflicts = 3
)

// Addons applies system workloads. It is safe for concurrent use.
type Addons struct {
	Client func(context.Context, tenant.ClusterID) (dynamic.Interface, error)
	Log    *slog.Logger

	mu   sync.Mutex
	done map[tenant.ClusterID]string // DNS address for which everything is as it should be
}

// Ensure makes sure that this version of Marina's system workloads was applied to
// the cluster. It asks the cluster once for each life of the process.
func (a *Addons) Ensure(ctx context.Context, c fleet.Control) error {
	if a.isDone(c) {
		return nil
	}
	components, err := render(c)
	if err != nil {
		return err
	}
	client, err := a.Client(ctx, c.ID)
	if err != nil {
		return err
	}
	known, err := readRecord(ctx, client)
	if err != nil {
		return err
	}
	changed := false
	for _, component := range components {
		before := known[component.name]
		if before == component.version {
			continue
		}
		if err := a.install(ctx, c.ID, client, component, before != ""); err != nil {
			return err
		}
		known[component.name], changed = component.version, true
	}
	if changed {
		if err := writeRecord(ctx, client, known); err != nil {
			return err
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.done == nil {
		a.done = map[tenant.ClusterID]string{}
	}
	a.done[c.ID] = c.DNS
	return nil
}

func (a *Addons) isDone(c fleet.Control) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	dns, ok := a.done[c.ID]
	return ok && dns == c.DNS
}

// Forget forgets what is known of a cluster that is gone.
func (a *Addons) Forget(id tenant.ClusterID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.done, id)
}

// install applies a component, unless it was installed before and its owner has
// removed it since.
func (a *Addons) install(ctx context.Context, id tenant.ClusterID, client dynamic.Interface, c component, before bool) error {
	if before {
		_, err := client.Resource(deployments).Namespace(namespace).Get(ctx, c.name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			a.Log.InfoContext(ctx, "system workload was removed by its owner", "cluster", id, "component", c.name)
			return nil
		}
		if err != nil {
			return fmt.Errorf("look for %s: %w", c.name, err)
		}
	}
	for _, o := range c.objects {
		if err := a.apply(ctx, id, client, o); err != nil {
			return fmt.Errorf("apply %s %s of %s: %w", o.GetKind(), o.GetName(), c.name, err)
		}
	}
	a.Log.InfoContext(ctx, "system workload applied", "cluster", id, "component", c.name, "version", c.version)
	return nil
}

// apply applies an object without the fields that others own.
func (a *Addons) apply(ctx context.Context, id tenant.ClusterID, client dynamic.Interface, o *unstructured.Unstructured) error {
	r, namespaced := resource(o)
	var objects dynamic.ResourceInterface = client.Resource(r)
	if namespaced {
		objects = client.Resource(r).Namespace(o.GetNamespace())
	}
	for range conflicts {
		_, err := objects.Apply(ctx, o.GetName(), o, metav1.ApplyOptions{FieldManager: manager})
		if !apierrors.IsConflict(err) {
			return err
		}
		pruned := false
		for _, field := range contested(err) {
			pruned = prune(o.Object, field) || pruned
			a.Log.InfoContext(ctx, "field is left to its owner", "cluster", id, "kind", o.GetKind(), "name", o.GetName(), "field", field)
		}
		if !pruned {
			break
		}
	}
	a.Log.WarnContext(ctx, "object is left to its owner", "cluster", id, "kind", o.GetKind(), "name", o.GetName())
	return nil
}

// contested returns the fields that others own, by a conflict.
func contested(err error) (fields []string) {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || status.Status().Details == nil {
		return nil
	}
	for _, cause := range status.Status().Details.Causes {
		if cause.Type == metav1.CauseTypeFieldManagerConflict {
			fields = append(fields, cause.Field)
		}
	}
	return fields
}

var (
	configMaps  = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
	deployments = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}
)

// readRecord returns the version that was applied of each component.
func readRecord(ctx context.Context, client dynamic.Interface) (map[string]string, error) {
	o, err := client.Resource(configMaps).Namespace(namespace).Get(ctx, record, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return map[string]string{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read which system workloads there are: %w", err)
	}
	known, _, err := unstructured.NestedStringMap(o.Object, "data")
	if err != nil || known == nil {
		return map[string]string{}, nil // somebody spoiled it: applying again does no harm
	}
	return known, nil
}

func writeRecord(ctx context.Context, client dynamic.Interface, known map[string]string) error {
	data := map[string]any{}
	for _, name := range names {
		data[name] = known[name]
	}
	o := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{"name": record, "namespace": namespace},
		"data":     data,
	}}
	_, err := client.Resource(configMaps).Namespace(namespace).Apply(ctx, record, o, metav1.ApplyOptions{FieldManager: manager, Force: true})
	if err != nil {
		return fmt.Errorf("record which system workloads there are: %w", err)
	}
	return nil
}
