package addons

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	fleet "github.com/marina-cloud/marina/node-fleet"
)

func TestRender(t *testing.T) {
	t.Parallel()
	components, err := render(fleet.Control{DNS: "10.32.0.10"})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, c := range components {
		deployment := false
		for _, o := range c.objects {
			id := o.GetKind() + "/" + o.GetName()
			if o.GetKind() == "" || o.GetName() == "" || o.GetAPIVersion() == "" || seen[id] {
				t.Errorf("%s: object %q is incomplete or there twice", c.name, id)
			}
			seen[id] = true
			if _, namespaced := resource(o); namespaced != (o.GetNamespace() == namespace) {
				t.Errorf("%s: %s has namespace %q", c.name, id, o.GetNamespace())
			}
			deployment = deployment || o.GetKind() == "Deployment" && o.GetName() == c.name
			text, err := json.Marshal(o.Object)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(text), "{{") || strings.Contains(string(text), "<no value>") {
				t.Errorf("%s: %s is not filled in: %s", c.name, id, text)
			}
			if o.GetKind() == "Service" && o.GetName() == "kube-dns" && !strings.Contains(string(text), `"clusterIP":"10.32.0.10"`) {
				t.Errorf("kube-dns is not at the cluster's DNS address: %s", text)
			}
		}
		if !deployment {
			t.Errorf("%s has no Deployment of its name, by which its removal is noticed", c.name)
		}
	}
	others, err := render(fleet.Control{DNS: "10.96.0.10"})
	if err != nil {
		t.Fatal(err)
	}
	if others[0].version == components[0].version {
		t.Error("CoreDNS for another address has the same version")
	}
	if others[1].version != components[1].version {
		t.Error("metrics-server changes with an address that is not in it")
	}
}

func TestPrune(t *testing.T) {
	t.Parallel()
	const object = `{"metadata": {"annotations": {"a.b/c": "1", "a": "2"}}, "data": {"Corefile": "x"}, "spec": {"replicas": 2,
		"containers": [{"name": "a", "image": "1"}, {"name": "b\"]", "image": "2"}],
		"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP", "name": "t"}]}}`
	for path, tc := range map[string]struct {
		why  string
		want string // what is gone, as a replacement of the object's text; empty: nothing
	}{
		".spec.replicas":                              {"a plain field", `"replicas": 2,`},
		".data.Corefile":                              {"a value of a map", `"Corefile": "x"`},
		".metadata.annotations.a.b/c":                 {"a key with dots is not a path", `"a.b/c": "1", `},
		`.spec.containers[name="a"].image`:            {"an element by its key", `, "image": "1"`},
		`.spec.containers[name="b\"]"].image`:         {"a key may hold what ends a selector", `, "image": "2"`},
		`.spec.ports[port=53,protocol="TCP"].name`:    {"an element by two keys", `, "name": "t"`},
		`.spec.ports[port=53,protocol="SCTP"].name`:   {"no such element", ""},
		".spec.nothing":                               {"no such field", ""},
		".spec.repl":                                  {"half a name is no name", ""},
		`.spec.containers[name="a"]`:                  {"a whole element is never dropped: that would remove it", ""},
		`.spec.finalizers[="x"]`:                      {"sets are not used in the manifests", ""},
		`.spec.containers[name="a"].image.deeper[0].`: {"below a plain value there is nothing", ""},
	} {
		var got, want any
		if err := json.Unmarshal([]byte(object), &got); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(strings.Replace(object, tc.want, "", 1)), &want); err != nil {
			t.Fatal(err)
		}
		if pruned := prune(got, path); pruned != (tc.want != "") {
			t.Errorf("prune(%s) = %v: %s", path, pruned, tc.why)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("prune(%s): %s\n%s", path, tc.why, diff)
		}
	}
}
