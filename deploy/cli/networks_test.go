package cli

import (
	"slices"
	"strings"
	"testing"
)

func TestNetworks(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	p := member(t, a)
	p.runs(t, "clusters", "create", "demo")
	says(t, "no limit", p.runs(t, "clusters", "networks", "get", "demo"), "Everybody who has credentials reaches the Kubernetes API, from everywhere.")
	says(t, "with the own address", p.runs(t, "clusters", "networks", "set", "demo", "203.0.113.0/24", "--me"), "only:\n  203.0.113.0/24\n  198.51.100.7\n")

	// Whoever would lock themselves out is asked first.
	r := p.types(t, "", "clusters", "networks", "set", "demo", "203.0.113.0/24", "2001:db8::/48")
	says(t, "without the own address", r.errs, "this would lock you out: the API sees you at 198.51.100.7. Add that with --me, or do it nevertheless with --force")
	if want := []string{"203.0.113.0/24", "198.51.100.7"}; !slices.Equal(a.networks, want) {
		t.Errorf("networks are %v, want %v as before", a.networks, want)
	}
	says(t, "by force", p.runs(t, "clusters", "networks", "set", "demo", "203.0.113.0/24", "--force"), "You are not among them: the API sees you at 198.51.100.7.")
	if out := p.runs(t, "clusters", "networks", "set", "demo", "198.51.100.0/24"); strings.Contains(out, "You are not") {
		t.Errorf("a network with the own address in it:\n%s", out)
	}
	says(t, "for programs", p.runs(t, "clusters", "networks", "get", "demo", "--json"), `"your_address_admitted": true`)
	says(t, "no limit any more", p.runs(t, "clusters", "networks", "set", "demo", "--everybody"), "from everywhere.")
	if len(a.networks) > 0 {
		t.Errorf("networks are %v, want none", a.networks)
	}

	for _, args := range [][]string{{"demo"}, {"demo", "--everybody", "203.0.113.0/24"}, {"demo", "--everybody", "--me"}} {
		r := p.types(t, "", append([]string{"clusters", "networks", "set"}, args...)...)
		says(t, strings.Join(args, " "), r.errs, "say which networks, such as 203.0.113.0/24, or --me for your own address, or else --everybody")
	}
}
