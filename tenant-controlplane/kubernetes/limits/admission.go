package limits

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/authentication/user"

	"github.com/marina-cloud/marina/tenant-controlplane/kubernetes/config"
)

// PluginName is the name of the admission plugin.
const PluginName = "MarinaLimits"

// plugin decides about writes. It is safe for concurrent use.
type plugin struct {
	*admission.Handler
	limits config.Limits
	gauge  *gauge
}

var _ admission.ValidationInterface = plugin{}

// Register adds the plugin to those that an API server may have. All servers of a
// process share what is known of the usage.
func Register(plugins *admission.Plugins, l config.Limits) {
	p := plugin{Handler: admission.NewHandler(admission.Create, admission.Update), limits: l, gauge: newGauge(l.Etcd, l.Database.Soft)}
	plugins.Register(PluginName, func(io.Reader) (admission.Interface, error) { return p, nil })
}

// Validate refuses a write that would make the cluster larger than it may be.
func (p plugin) Validate(ctx context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	if !stored(a) {
		return nil
	}
	u := p.gauge.usage(ctx)
	objects, database := levelOf(u.Keys, p.limits.Objects), levelOf(u.Size, p.limits.Database)
	w := write{create: a.GetOperation() == admission.Create}
	if objects > roomy || u.Size > p.limits.Database.Soft/2 {
		w = describe(a)
	}
	switch {
	case w.create && !w.passes(objects):
		refused.WithLabelValues("objects").Inc()
		return admission.NewForbidden(a, errors.New(tooMany(u, p.limits)))
	case !w.passes(database):
		refused.WithLabelValues("database").Inc()
		return admission.NewForbidden(a, errors.New(tooLarge(u, p.limits)))
	}
	p.gauge.let(w)
	return nil
}

// stored reports whether the request leaves something behind.
func stored(a admission.Attributes) bool {
	if a.IsDryRun() {
		return false
	}
	switch a.GetResource().Group {
	case "authentication.k8s.io", "authorization.k8s.io": // reviews are questions
		return false
	}
	// What is made below an object is an action (binding, eviction, token), not an
	// object.
	return a.GetOperation() == admission.Update || a.GetSubresource() == ""
}

// describe is what has to be known of a request to decide about it. It encodes the
// object, so it is for clusters that are half full at least.
func describe(a admission.Attributes) write {
	w := write{
		create: a.GetOperation() == admission.Create,
		system: isSystem(a.GetUserInfo()),
		own:    isOwn(a),
		lease:  a.GetResource().Group == "coordination.k8s.io" && a.GetResource().Resource == "leases",
		is:     size(a.GetObject()),
	}
	if !w.create {
		w.was = size(a.GetOldObject())
	}
	return w
}

// isSystem reports whether somebody is a part of the cluster. An administrator may
// impersonate one, and gets no further than etcd's own quota.
func isSystem(u user.Info) bool {
	if u == nil {
		return true // a server's own request
	}
	switch u.GetName() {
	case user.APIServerUser, user.KubeControllerManager, user.KubeScheduler, user.KubeProxy:
		return true
	}
	return slices.ContainsFunc(u.GetGroups(), func(g string) bool {
		return g == user.SystemPrivilegedGroup || g == user.NodesGroup || g == "system:serviceaccounts:kube-system"
	})
}

// isOwn reports whether the cluster itself lives by what is written: nodes, their
// certificates, and all else that is in no namespace, and what is in its own.
func isOwn(a admission.Attributes) bool {
	switch a.GetNamespace() {
	case "", "kube-system", "kube-node-lease", "kube-public":
		return true
	}
	return false
}

// size is about how long an object is, without the bookkeeping of who wrote which
// field, which grows by itself; 0 for one that cannot be told.
func size(o runtime.Object) int {
	if o == nil {
		return 0
	}
	if m, err := meta.Accessor(o); err == nil && len(m.GetManagedFields()) > 0 {
		o = o.DeepCopyObject() // it is the request's
		if m, err = meta.Accessor(o); err == nil {
			m.SetManagedFields(nil)
		}
	}
	data, err := json.Marshal(o)
	if err != nil {
		return 0
	}
	return len(data)
}
