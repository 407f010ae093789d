package controlplane

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"

	"github.com/marina-cloud/marina/internal/fault"
)

// The networks inside a cluster, unless others are asked for.
const (
	DefaultPodCIDR     = "10.244.0.0/16"
	DefaultServiceCIDR = "10.96.0.0/12"
)

// NewCluster is what somebody asks for. Empty fields other than the name stand
// for the defaults.
type NewCluster struct {
	Name        string
	Version     string // Kubernetes minor, as in "1.37"
	PodCIDR     string
	ServiceCIDR string

	DeletionProtection bool
}

// WithDefaults fills in what was left empty.
func (n NewCluster) WithDefaults() NewCluster {
	if n.Version == "" {
		n.Version = DefaultVersion().Minor
	}
	if n.PodCIDR == "" {
		n.PodCIDR = DefaultPodCIDR
	}
	if n.ServiceCIDR == "" {
		n.ServiceCIDR = DefaultServiceCIDR
	}
	return n
}

// maxName keeps room for prefixes and suffixes in the 63 bytes of a DNS label.
const maxName = 40

var dnsLabel = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)

// Validate returns a fault that names every wrong field by the API's name of it,
// or nil. It wants the defaults filled in.
func (n NewCluster) Validate() error {
	var wrong []fault.Field
	add := func(field, reason string) {
		if reason != "" {
			wrong = append(wrong, fault.Field{Name: field, Reason: reason})
		}
	}
	add("name", wrongName(n.Name))
	if _, ok := FindVersion(n.Version); !ok {
		add("version", fmt.Sprintf("is not offered; choose one of %s", offered()))
	}
	pods, podsWrong := privateNetwork(n.PodCIDR, 8, 22)
	services, servicesWrong := privateNetwork(n.ServiceCIDR, 12, 24)
	add("pod_cidr", podsWrong)
	add("service_cidr", servicesWrong)
	if podsWrong == "" && servicesWrong == "" && pods.Overlaps(services) {
		add("service_cidr", fmt.Sprintf("overlaps pod_cidr %s", pods))
	}
	return fault.InvalidFields(wrong)
}

func wrongName(name string) string {
	switch {
	case name == "":
		return "is required"
	case len(name) > maxName:
		return fmt.Sprintf("is longer than %d characters", maxName)
	case !dnsLabel.MatchString(name):
		return "must consist of lower-case letters, digits and dashes, and begin and end with a letter or a digit"
	}
	return ""
}

func offered() string {
	minors := make([]string, len(versions))
	for i, v := range versions {
		minors[i] = v.Minor
	}
	return strings.Join(minors, ", ")
}

// privateRanges are where the networks inside a cluster may lie: RFC 1918, and
// the shared address space of RFC 6598.
var privateRanges = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"),
	netip.MustParsePrefix("172.16.0.0/12"),
	netip.MustParsePrefix("192.168.0.0/16"),
	netip.MustParsePrefix("100.64.0.0/10"),
}

// machines is where the local provider's bridges lie: a cluster network there
// would hide the way to its own nodes.
var machines = netip.MustParsePrefix("172.30.0.0/16")

// privateNetwork parses a network whose prefix length lies between largest and
// smallest, or says what is wrong with it. The limits are Kubernetes': a node
// gets a /24 of the pods' network, which may hold at most 2¹⁶ of them
// (--node-cidr-mask-size), and a Service network has at most 20 bits.
func privateNetwork(cidr string, largest, smallest int) (netip.Prefix, string) {
	p, err := netip.ParsePrefix(cidr)
	switch {
	case err != nil:
		return p, "is not a network in CIDR notation, such as 10.244.0.0/16"
	case !p.Addr().Is4():
		return p, "must be an IPv4 network"
	case p != p.Masked():
		return p, fmt.Sprintf("has bits set after its prefix; did you mean %s", p.Masked())
	case p.Bits() < largest:
		return p, fmt.Sprintf("is too large; the largest is a /%d", largest)
	case p.Bits() > smallest:
		return p, fmt.Sprintf("is too small; the smallest is a /%d", smallest)
	case !private(p):
		return p, "must lie in a private range: 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 or 100.64.0.0/10"
	case p.Overlaps(machines):
		return p, fmt.Sprintf("overlaps %s, which is reserved for machines", machines)
	}
	return p, ""
}

func private(p netip.Prefix) bool {
	for _, r := range privateRanges {
		if r.Bits() <= p.Bits() && r.Contains(p.Addr()) {
			return true
		}
	}
	return false
}

// ServiceAddress returns the n-th address of a cluster's Service network: 1 is
// the Service kubernetes.default, 10 is cluster DNS. The network has been
// validated; it panics on one that was not.
func ServiceAddress(cidr string, n int) netip.Addr {
	a := netip.MustParsePrefix(cidr).Masked().Addr()
	for range n {
		a = a.Next()
	}
	return a
}
