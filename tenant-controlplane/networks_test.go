package controlplane_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/marina-cloud/marina/internal/fault"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

func TestParseNetworks(t *testing.T) {
	t.Parallel()
	many := make([]string, controlplane.MaxNetworks+1)
	for i := range many {
		many[i] = fmt.Sprintf("10.0.%d.0/24", i)
	}
	for _, tc := range []struct {
		why   string
		texts []string
		want  []string
		wrong []string // fields
	}{
		{"none is everywhere", nil, nil, nil},
		{"a network of each kind, in their order", []string{"203.0.113.0/24", "2001:db8::/48"}, []string{"203.0.113.0/24", "2001:db8::/48"}, nil},
		{"an address is a network of one", []string{"203.0.113.7", "2001:db8::7"}, []string{"203.0.113.7/32", "2001:db8::7/128"}, nil},
		{"spelled in another way", []string{"2001:0DB8:0:0::/48"}, []string{"2001:db8::/48"}, nil},
		{"spaces come with pasting", []string{" 203.0.113.0/24\n"}, []string{"203.0.113.0/24"}, nil},
		{"twice is once", []string{"203.0.113.7", "203.0.113.7/32"}, []string{"203.0.113.7/32"}, nil},
		{"all of IPv4 is not all of IPv6", []string{"0.0.0.0/0"}, []string{"0.0.0.0/0"}, nil},
		{"as many as are allowed", many[1:], many[1:], nil},
		{"one more", many, nil, []string{"networks"}},
		{"every wrong entry is named, by its place", []string{"a", "203.0.113.0/24", "", "1.2.3"}, nil, []string{"networks[0]", "networks[2]", "networks[3]"}},
		{"bits after the prefix are a typing error", []string{"203.0.113.7/24"}, nil, []string{"networks[0]"}},
		{"a prefix that is too long", []string{"203.0.113.0/33"}, nil, []string{"networks[0]"}},
		{"a name is not an address", []string{"example.com"}, nil, []string{"networks[0]"}},
		{"a zone is of one machine", []string{"fe80::1%eth0"}, nil, []string{"networks[0]"}},
		{"no client has such an address", []string{"::ffff:203.0.113.0/120"}, nil, []string{"networks[0]"}},
		{"nor such a port", []string{"203.0.113.7:6443"}, nil, []string{"networks[0]"}},
	} {
		got, err := controlplane.ParseNetworks(tc.texts)
		var wrong []string
		if err != nil {
			for _, f := range fault.From(err).Fields {
				wrong = append(wrong, f.Name)
			}
		}
		if !slices.Equal(wrong, tc.wrong) {
			t.Errorf("%s: wrong are %v, want %v", tc.why, wrong, tc.wrong)
		}
		if err == nil && !slices.EqualFunc(got, tc.want, func(p netip.Prefix, s string) bool { return p.String() == s }) {
			t.Errorf("%s: %v, want %v", tc.why, got, tc.want)
		}
	}
}
