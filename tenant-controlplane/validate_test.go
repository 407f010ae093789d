package controlplane_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/marina-cloud/marina/internal/fault"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

func TestValidate(t *testing.T) {
	t.Parallel()
	type edit func(*controlplane.NewCluster)
	name := func(s string) edit { return func(n *controlplane.NewCluster) { n.Name = s } }
	version := func(s string) edit { return func(n *controlplane.NewCluster) { n.Version = s } }
	pods := func(s string) edit { return func(n *controlplane.NewCluster) { n.PodCIDR = s } }
	services := func(s string) edit { return func(n *controlplane.NewCluster) { n.ServiceCIDR = s } }

	for _, tc := range []struct {
		why   string
		edits []edit
		wrong []string // fields
	}{
		{"the defaults are right", nil, nil},
		{"a name is required", []edit{name("")}, []string{"name"}},
		{"one letter is a DNS label", []edit{name("a")}, nil},
		{"so is one digit", []edit{name("1")}, nil},
		{"dashes may be inside", []edit{name("my-cluster-2")}, nil},
		{"but not at the ends", []edit{name("-my")}, []string{"name"}},
		{"neither end", []edit{name("my-")}, []string{"name"}},
		{"DNS has no case, so only one is taken", []edit{name("My")}, []string{"name"}},
		{"a dot would make two labels", []edit{name("my.cluster")}, []string{"name"}},
		{"a label is ASCII", []edit{name("wölkchen")}, []string{"name"}},
		{"a trailing newline is not part of a name", []edit{name("my\n")}, []string{"name"}},
		{"40 characters fit", []edit{name(strings.Repeat("a", 40))}, nil},
		{"41 do not", []edit{name(strings.Repeat("a", 41))}, []string{"name"}},
		{"only offered minors", []edit{version("1.10")}, []string{"version"}},
		{"a minor, not a patch release", []edit{version("v1.37.2")}, []string{"version"}},
		{"networks are in CIDR notation", []edit{pods("10.1.0.0")}, []string{"pod_cidr"}},
		{"garbage is refused, not crashed on", []edit{services("%%")}, []string{"service_cidr"}},
		{"host bits are a typing error", []edit{pods("10.244.0.1/16")}, []string{"pod_cidr"}},
		{"a public range would hide a part of the internet", []edit{pods("8.8.0.0/16")}, []string{"pod_cidr"}},
		{"a range that begins private must stay it", []edit{pods("192.0.0.0/8")}, []string{"pod_cidr"}},
		{"shared address space is private enough", []edit{pods("100.64.0.0/12")}, nil},
		{"IPv6 is not offered", []edit{pods("fd00::/48")}, []string{"pod_cidr"}},
		{"four nodes need a /22", []edit{pods("10.244.0.0/22")}, nil},
		{"and not less", []edit{pods("10.244.0.0/23")}, []string{"pod_cidr"}},
		{"Kubernetes takes at most 2¹⁶ nodes' networks", []edit{pods("10.0.0.0/8"), services("192.168.0.0/16")}, nil},
		{"a /24 of Services is the least", []edit{services("10.96.0.0/24")}, nil},
		{"and not less", []edit{services("10.96.0.0/25")}, []string{"service_cidr"}},
		{"Kubernetes takes at most 20 bits of Services", []edit{services("100.64.0.0/11")}, []string{"service_cidr"}},
		{"they must not overlap", []edit{services("10.244.128.0/20")}, []string{"service_cidr"}},
		{"nor be one another", []edit{services("10.244.0.0/16")}, []string{"service_cidr"}},
		{"machines are reached at these addresses", []edit{pods("172.16.0.0/12")}, []string{"pod_cidr"}},
		{
			"every wrong field is named at once",
			[]edit{name("X"), version("0"), pods("a"), services("b")},
			[]string{"name", "version", "pod_cidr", "service_cidr"},
		},
	} {
		n := controlplane.NewCluster{Name: "my-cluster"}
		for _, e := range tc.edits {
			e(&n)
		}
		err := n.WithDefaults().Validate()
		var wrong []string
		if f, ok := errors.AsType[*fault.Error](err); ok {
			if f.Kind != fault.Invalid {
				t.Errorf("%+v: kind = %v, want Invalid: %s", n, f.Kind, tc.why)
			}
			for _, w := range f.Fields {
				wrong = append(wrong, w.Name)
			}
		}
		if !slices.Equal(wrong, tc.wrong) {
			t.Errorf("%+v: wrong fields %v (%v), want %v: %s", n, wrong, err, tc.wrong, tc.why)
		}
	}
}

func TestServiceAddress(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{1: "10.96.0.1", 10: "10.96.0.10"} {
		if got := controlplane.ServiceAddress(controlplane.DefaultServiceCIDR, n).String(); got != want {
			t.Errorf("address %d = %s, want %s", n, got, want)
		}
	}
}

func TestVersions(t *testing.T) {
	t.Parallel()
	for _, v := range controlplane.Versions() {
		if !strings.HasPrefix(v.Full, "v"+v.Minor+".") {
			t.Errorf("%s is not a release of %s", v.Full, v.Minor)
		}
		if got, ok := controlplane.FindVersion(v.Minor); !ok || got != v {
			t.Errorf("FindVersion(%s) = %v, %v", v.Minor, got, ok)
		}
	}
	if _, ok := controlplane.FindVersion(""); ok {
		t.Error("an empty minor was found")
	}
}
