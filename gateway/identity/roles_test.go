package identity_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/marina-cloud/marina/gateway/identity"
)

// TestRoles is the role matrix, written a second time: whoever changes one has to
// say so in both.
func TestRoles(t *testing.T) {
	t.Parallel()
	const matrix = `
		                     owner admin developer viewer billing
		audit:read             x     x       .       .       .
		billing:read           x     x       .       .       x
		billing:write          x     x       .       .       x
		clusters:delete        x     x       x       .       .
		clusters:read          x     x       x       x       x
		clusters:use           x     x       x       x       .
		clusters:write         x     x       x       .       .
		members:read           x     x       x       x       x
		members:write          x     x       .       .       .
		organization:delete    x     .       .       .       .
		organization:write     x     x       .       .       .
		tokens:write           x     x       x       .       .`
	lines := strings.Split(strings.TrimSpace(matrix), "\n")
	var roles, permissions []string
	for _, r := range identity.Roles() {
		roles = append(roles, string(r))
	}
	if got := strings.Fields(lines[0]); !slices.Equal(got, roles) {
		t.Fatalf("the roles are %v, this test has %v", roles, got)
	}
	for _, line := range lines[1:] {
		cells := strings.Fields(line)
		permissions = append(permissions, cells[0])
		for i, r := range identity.Roles() {
			p := identity.Permission(cells[0])
			if want := cells[i+1] == "x"; r.Has(p) != want || slices.Contains(r.Permissions(nil), p) != want {
				t.Errorf("%s has %s: %t, want %t", r, p, !want, want)
			}
		}
	}
	if got := fmt.Sprint(identity.AllPermissions()); got != fmt.Sprint(permissions) {
		t.Errorf("the permissions are %s, this test has %s", got, permissions)
	}
	if identity.Role("root").Known() || identity.Role("").Known() || len(identity.Role("").Permissions(nil)) > 0 {
		t.Error("a role that does not exist may do something")
	}
}

func TestScopes(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		role      identity.Role
		scopes    []identity.Permission
		want, why string
	}{
		{identity.Viewer, nil, "[clusters:read clusters:use members:read]", "a token without scopes has all of the role"},
		{identity.Viewer, []identity.Permission{identity.ClustersRead}, "[clusters:read]", "scopes narrow the role"},
		{identity.Viewer, []identity.Permission{identity.ClustersWrite}, "[]", "scopes add nothing: the role may have shrunk since"},
		{identity.Owner, []identity.Permission{}, "[]", "no scopes are not all scopes"},
	} {
		if got := fmt.Sprint(tc.role.Permissions(tc.scopes)); got != tc.want {
			t.Errorf("%s with %v: %s, want %s: %s", tc.role, tc.scopes, got, tc.want, tc.why)
		}
	}
}

// TestGrant: nobody gives a token more than they have.
func TestGrant(t *testing.T) {
	t.Parallel()
	developer := identity.Caller{Role: identity.Developer, Permissions: identity.Developer.Permissions(nil)}
	scoped := identity.Caller{Role: identity.Owner, Permissions: []identity.Permission{identity.ClustersRead, identity.TokensWrite}, Scoped: true}
	for _, tc := range []struct {
		who       identity.Caller
		wanted    []identity.Permission
		want, why string
	}{
		{developer, nil, "[] <nil>", "all of the role, whatever it will be"},
		{developer, []identity.Permission{identity.ClustersRead}, "[clusters:read] <nil>", ""},
		{developer, []identity.Permission{identity.ClustersRead, identity.MembersWrite}, "invalid", "more than a developer may"},
		{scoped, nil, "[clusters:read tokens:write] <nil>", "a token does not make a mightier one by saying nothing"},
		{scoped, []identity.Permission{identity.ClustersWrite}, "invalid", "nor by asking for it"},
	} {
		got, err := tc.who.Grant(tc.wanted)
		text := fmt.Sprint(got, " ", err)
		if err != nil {
			text = "invalid"
		}
		if text != tc.want {
			t.Errorf("Grant(%v) = %s, want %s: %s", tc.wanted, text, tc.want, tc.why)
		}
	}
}

func TestMayChange(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		who, from, to identity.Role
		ok            bool
		why           string
	}{
		{identity.Owner, identity.Owner, identity.Viewer, true, "owners change owners"},
		{identity.Owner, "", identity.Owner, true, "and invite them"},
		{identity.Admin, identity.Developer, identity.Admin, true, "an admin makes admins"},
		{identity.Admin, identity.Viewer, "", true, "and removes members"},
		{identity.Admin, identity.Developer, identity.Owner, false, "an admin would make themselves an owner next"},
		{identity.Admin, identity.Owner, identity.Viewer, false, "or take an owner's place"},
		{identity.Admin, identity.Owner, "", false, "or throw the owners out"},
		{identity.Admin, "", identity.Owner, false, "or invite one"},
	} {
		if err := tc.who.MayChange(tc.from, tc.to); (err == nil) != tc.ok || err != nil && !errors.Is(err, identity.ErrOwnerOnly) {
			t.Errorf("%s from %q to %q: %v: %s", tc.who, tc.from, tc.to, err, tc.why)
		}
	}
}
