package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/marina-cloud/marina/internal/fault"
	"github.com/marina-cloud/marina/internal/tenant"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

// asTable has the API server print objects as it does for kubectl
// (https://kubernetes.io/docs/reference/using-api/api-concepts/#receiving-resources-as-tables).
// Nothing of an object but its metadata comes with it.
const asTable = "application/json;as=Table;v=v1;g=meta.k8s.io"

// Bounds of what is shown of words that others have written.
const (
	maxName = 253 // bytes; of a name (RFC 1123)
	maxText = 1024
)

// Namespaces returns a page of a cluster's namespaces as a person sees them.
func (s *Clusters) Namespaces(ctx context.Context, id tenant.ClusterID, who controlplane.Person, q controlplane.PageQuery) (controlplane.Objects[controlplane.Namespace], error) {
	return page(ctx, s, id, who, "/api/v1/namespaces", q, func(r row) controlplane.Namespace {
		return controlplane.Namespace{Name: r.name(), Status: r.cell("Status"), CreatedAt: r.created()}
	})
}

// Pods returns a page of a cluster's pods as a person sees them.
func (s *Clusters) Pods(ctx context.Context, id tenant.ClusterID, who controlplane.Person, q controlplane.PageQuery) (controlplane.Objects[controlplane.Pod], error) {
	path, err := namespaced(q.Namespace, "pods")
	if err != nil {
		return controlplane.Objects[controlplane.Pod]{}, err
	}
	return page(ctx, s, id, who, path, q, func(r row) controlplane.Pod {
		node := r.cell("Node")
		if node == "<none>" {
			node = ""
		}
		return controlplane.Pod{
			Namespace: printable(r.Object.Metadata.Namespace, maxName), Name: r.name(), Ready: r.cell("Ready"), Status: r.cell("Status"),
			Restarts: r.cell("Restarts"), Node: node, CreatedAt: r.created(),
		}
	})
}

// namespaced is the path of a core resource in a namespace, or in all of them. What is
// no name might lead elsewhere.
func namespaced(namespace, resource string) (string, error) {
	if namespace == "" {
		return "/api/v1/" + resource, nil
	}
	if len(validation.IsDNS1123Label(namespace)) > 0 {
		return "", fault.InvalidFields([]fault.Field{{Name: "namespace", Reason: "must be the name of a namespace"}})
	}
	return "/api/v1/namespaces/" + namespace + "/" + resource, nil
}

// page asks for a page of a list. Large objects come in smaller pages: metadata alone
// may be a quarter of a mebibyte each.
func page[T any](ctx context.Context, s *Clusters, id tenant.ClusterID, who controlplane.Person, path string, q controlplane.PageQuery, view func(row) T) (out controlplane.Objects[T], err error) {
	for limit := q.Limit; ; limit /= 2 {
		query := url.Values{"limit": {strconv.Itoa(limit)}, "includeObject": {"Metadata"}}
		if q.Continue != "" {
			query.Set("continue", q.Continue)
		}
		data, err := s.ask(ctx, id, who, path, query, asTable)
		if errors.Is(err, errLarge) && limit > 1 {
			continue
		}
		if err != nil {
			return out, err
		}
		var t table
		if err := json.Unmarshal(data, &t); err != nil {
			return out, fmt.Errorf("read a list of a cluster: %w", err)
		}
		out.Continue, out.Items = t.Metadata.Continue, make([]T, 0, len(t.Rows))
		for _, r := range t.Rows {
			r.columns = t.Columns
			out.Items = append(out.Items, view(r))
		}
		return out, nil
	}
}

// table is what is read of a meta.k8s.io/v1 Table.
type table struct {
	Metadata struct {
		Continue string `json:"continue"`
	} `json:"metadata"`
	Columns []column `json:"columnDefinitions"`
	Rows    []row    `json:"rows"`
}

type column struct {
	Name string `json:"name"`
}

type row struct {
	Cells  []any `json:"cells"`
	Object struct {
		Metadata struct {
			Name              string    `json:"name"`
			Namespace         string    `json:"namespace"`
			CreationTimestamp time.Time `json:"creationTimestamp"`
		} `json:"metadata"`
	} `json:"object"`
	columns []column
}

func (r row) name() string { return printable(r.Object.Metadata.Name, maxName) }

func (r row) created() time.Time { return r.Object.Metadata.CreationTimestamp }

// cell is what stands in the column of that name; empty when there is none.
func (r row) cell(name string) string {
	for i, c := range r.columns {
		if c.Name == name && i < len(r.Cells) && r.Cells[i] != nil {
			return printable(fmt.Sprint(r.Cells[i]), maxName)
		}
	}
	return ""
}

// printable cuts a text short, and takes out what would not be seen as it is: control
// characters, and those that turn the direction of writing.
func printable(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}
