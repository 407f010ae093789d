// Package addons keeps a cluster's system workloads: CoreDNS and metrics-server.
//
// They are ordinary objects, applied on the server's side by the field manager
// "marina" and never by force: a field that a user has changed is the user's from
// then on, and a component that a user has removed stays removed. They are
// applied when the cluster first gets nodes, and again only when Marina has
// another version of them.
package addons

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"text/template"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	fleet "github.com/marina-cloud/marina/node-fleet"
)

//go:embed manifests/*.yaml
var manifests embed.FS

// names of the components. Each has a manifest and a Deployment of its name.
var names = []string{"coredns", "metrics-server"}

// namespace is where the components live.
const namespace = "kube-system"

// component is one system workload, ready to be applied.
type component struct {
	name    string
	version string // a hash of everything below
	objects []*unstructured.Unstructured
}

// render returns the components of a cluster.
func render(c fleet.Control) ([]component, error) {
	var components []component
	for _, name := range names {
		text, err := manifests.ReadFile("manifests/" + name + ".yaml")
		if err != nil {
			return nil, fmt.Errorf("read manifest of %s: %w", name, err)
		}
		t, err := template.New(name).Option("missingkey=error").Parse(string(text))
		if err != nil {
			return nil, fmt.Errorf("read manifest of %s: %w", name, err)
		}
		var out bytes.Buffer
		if err := t.Execute(&out, struct{ DNS, Domain string }{c.DNS, fleet.DNSDomain}); err != nil {
			return nil, fmt.Errorf("fill in manifest of %s: %w", name, err)
		}
		objects, err := parse(out.String())
		if err != nil {
			return nil, fmt.Errorf("read manifest of %s: %w", name, err)
		}
		sum := sha256.Sum256(out.Bytes())
		components = append(components, component{name: name, version: hex.EncodeToString(sum[:8]), objects: objects})
	}
	return components, nil
}

func parse(text string) ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured
	for document := range strings.SplitSeq(text, "\n---\n") {
		o := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(document), &o.Object); err != nil {
			return nil, err
		}
		objects = append(objects, o)
	}
	return objects, nil
}

// clusterWide are the kinds that have no namespace.
var clusterWide = []string{"ClusterRole", "ClusterRoleBinding", "APIService"}

// resource returns where the API keeps objects of o's kind. The plural is the
// regular one for every kind that is used here.
func resource(o *unstructured.Unstructured) (r schema.GroupVersionResource, namespaced bool) {
	kind := o.GroupVersionKind()
	return kind.GroupVersion().WithResource(strings.ToLower(kind.Kind) + "s"), !slices.Contains(clusterWide, kind.Kind)
}
