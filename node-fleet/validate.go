package fleet

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/marina-cloud/marina/internal/fault"
)

// NewPool is a pool that somebody asks for.
type NewPool struct {
	Name   string
	Size   string
	Count  int
	Labels map[string]string
	Taints []Taint
}

// Limits of a pool. They keep a Node object small; Kubernetes itself has no
// such limits.
const (
	maxPoolName = 30 // a node's name is the pool's and six characters more
	maxLabels   = 32
	maxTaints   = 16
)

// LabelDomain is the domain of the labels by which Marina marks its nodes.
const LabelDomain = "marina.local"

// Labels that every node has from the start.
const (
	LabelPool   = LabelDomain + "/pool"    // the pool's name
	LabelPoolID = LabelDomain + "/pool-id" // the pool's id
	LabelSize   = "node.kubernetes.io/instance-type"
)

// Syntax of names, from k8s.io/apimachinery/pkg/util/validation.
var (
	dnsLabel  = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)
	subdomain = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)
	labelPart = regexp.MustCompile(`^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$`)
)

var taintEffects = []string{"NoSchedule", "PreferNoSchedule", "NoExecute"}

// Validate returns the fault that names every wrong field, or nil.
func (p NewPool) Validate() error {
	var wrong []fault.Field
	add := func(field, format string, args ...any) {
		wrong = append(wrong, fault.Field{Name: field, Reason: fmt.Sprintf(format, args...)})
	}
	if len(p.Name) > maxPoolName || !dnsLabel.MatchString(p.Name) {
		add("name", "must be a DNS label of 1 to %d lower-case letters, digits and dashes, and begin and end with a letter or digit", maxPoolName)
	}
	if _, ok := SizeByName(p.Size); !ok {
		names := make([]string, len(Sizes))
		for i, s := range Sizes {
			names[i] = s.Name
		}
		add("size", "must be one of %s", strings.Join(names, ", "))
	}
	wrong = append(wrong, wrongCount(p.Count)...)
	if len(p.Labels) > maxLabels {
		add("labels", "must be at most %d", maxLabels)
	}
	for _, key := range slices.Sorted(maps.Keys(p.Labels)) {
		field := fmt.Sprintf("labels[%s]", key)
		if why := wrongKey(key); why != "" {
			add(field, "%s", why)
		}
		if why := wrongValue(p.Labels[key]); why != "" {
			add(field, "%s", why)
		}
	}
	wrong = append(wrong, wrongTaints(p.Taints)...)
	return fault.InvalidFields(wrong)
}

// ValidateCount returns the fault for a number of nodes that no pool may have,
// or nil.
func ValidateCount(count int) error { return fault.InvalidFields(wrongCount(count)) }

func wrongCount(count int) []fault.Field {
	if count >= 0 && count <= MaxPoolCount {
		return nil
	}
	return []fault.Field{{Name: "count", Reason: fmt.Sprintf("must be from 0 to %d", MaxPoolCount)}}
}

func wrongTaints(taints []Taint) (wrong []fault.Field) {
	if len(taints) > maxTaints {
		wrong = append(wrong, fault.Field{Name: "taints", Reason: fmt.Sprintf("must be at most %d", maxTaints)})
	}
	type identity struct{ key, effect string } // of a taint, for Kubernetes
	seen := map[identity]bool{}
	for i, t := range taints {
		field := fmt.Sprintf("taints[%d]", i)
		if why := wrongKey(t.Key); why != "" {
			wrong = append(wrong, fault.Field{Name: field + ".key", Reason: why})
		}
		if why := wrongValue(t.Value); why != "" {
			wrong = append(wrong, fault.Field{Name: field + ".value", Reason: why})
		}
		if !slices.Contains(taintEffects, t.Effect) {
			wrong = append(wrong, fault.Field{Name: field + ".effect", Reason: "must be one of " + strings.Join(taintEffects, ", ")})
		}
		id := identity{t.Key, t.Effect}
		if seen[id] {
			wrong = append(wrong, fault.Field{Name: field, Reason: "has the key and effect of an earlier taint"})
		}
		seen[id] = true
	}
	return wrong
}

// wrongKey says what is wrong with the key of a label or taint, or nothing.
func wrongKey(key string) string {
	prefix, name, prefixed := strings.Cut(key, "/")
	if !prefixed {
		prefix, name = "", key
	}
	switch {
	case prefixed && (len(prefix) > 253 || !subdomain.MatchString(prefix)):
		return "must have a DNS name before the slash of its key"
	case len(name) > 63 || !labelPart.MatchString(name):
		return "must have a key whose name is 1 to 63 letters, digits, dashes, underscores and dots, and begins and ends with a letter or digit"
	case key != LabelSize && within(prefix, "node.kubernetes.io"):
		return "" // the one domain of Kubernetes that a node may label itself in
	case within(prefix, "kubernetes.io"), within(prefix, "k8s.io"), within(prefix, LabelDomain), key == LabelSize:
		return "must not have a key of the domains kubernetes.io, k8s.io and " + LabelDomain + ", which belong to the system (node.kubernetes.io is allowed, but for instance-type)"
	}
	return ""
}

func wrongValue(value string) string {
	if value == "" || len(value) <= 63 && labelPart.MatchString(value) {
		return ""
	}
	return "must have a value that is empty, or up to 63 letters, digits, dashes, underscores and dots, beginning and ending with a letter or digit"
}

// within reports whether a DNS name is a domain or below it.
func within(name, domain string) bool {
	return name == domain || strings.HasSuffix(name, "."+domain)
}
