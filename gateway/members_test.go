//go:build integration

package gateway_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/marina-cloud/marina/gateway/identity"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

type memberList struct {
	Items []struct {
		User  string `json:"user_id"`
		Email string
		Role  identity.Role
	}
}

func (a *api) roles(t *testing.T, who account) map[string]identity.Role {
	t.Helper()
	var all memberList
	a.do(t, "GET", "/v1/members?limit=100", "", who.bearer()...).decode(t, http.StatusOK, &all)
	roles := map[string]identity.Role{}
	for _, m := range all.Items {
		roles[m.User] = m.Role
	}
	return roles
}

func TestMembers(t *testing.T) {
	t.Parallel()
	a := start(t)
	ada := a.signUp(t, "ada@example.com")
	admin, dev := a.member(t, ada.Organization, identity.Admin), a.member(t, ada.Organization, identity.Developer)
	if roles := a.roles(t, dev); len(roles) != 3 || roles[string(ada.User)] != identity.Owner || roles[string(dev.User)] != identity.Developer {
		t.Errorf("members: %v", roles)
	}
	path := func(who account) string { return "/v1/members/" + string(who.User) }
	for _, tc := range []struct {
		who, of account
		body    string
		status  int
		code    string
		why     string
	}{
		{dev, dev, `{"role":"admin"}`, 403, "not_permitted", "a developer makes themself an admin"},
		{admin, admin, `{"role":"owner"}`, 403, "not_permitted", "an admin makes themself an owner"},
		{admin, ada, `{"role":"viewer"}`, 403, "not_permitted", "an admin degrades an owner"},
		{ada, ada, `{"role":"admin"}`, 409, "last_owner", "the last owner steps down"},
		{admin, dev, `{"role":"root"}`, 422, "invalid", "there is no such role"},
		{admin, dev, `{"role":""}`, 422, "invalid", "an empty role is no removal"},
	} {
		got := a.do(t, "PATCH", path(tc.of), tc.body, tc.who.bearer()...)
		if got.status != tc.status || !strings.Contains(got.body, tc.code) {
			t.Errorf("%s: %d %s", tc.why, got.status, got.body)
		}
	}
	a.do(t, "DELETE", path(ada), "", admin.bearer()...).problem(t, http.StatusForbidden, "not_permitted")
	a.do(t, "POST", "/v1/organization/leave", "", ada.bearer()...).problem(t, http.StatusConflict, "last_owner")
	if roles := a.roles(t, ada); roles[string(ada.User)] != identity.Owner || roles[string(admin.User)] != identity.Admin || roles[string(dev.User)] != identity.Developer {
		t.Errorf("after attacks: %v", roles)
	}
	a.do(t, "PATCH", path(admin), `{"role":"owner"}`, ada.bearer()...).decode(t, http.StatusOK, &struct{}{})
	if got := a.do(t, "POST", "/v1/organization/leave", "", ada.bearer()...); got.status != http.StatusNoContent {
		t.Errorf("leave: %d %s", got.status, got.body)
	}
	var me account
	a.do(t, "GET", "/v1/account", "", ada.bearer()...).decode(t, http.StatusOK, &me)
	if me.Organization != "" {
		t.Errorf("whoever left is in %q", me.Organization)
	}
	a.do(t, "GET", "/v1/members", "", ada.bearer()...).problem(t, http.StatusForbidden, "not_permitted")
	a.do(t, "POST", "/v1/organization/leave", "", ada.bearer()...).problem(t, http.StatusNotFound, "organization_not_found")
	var own struct{ ID string }
	a.do(t, "POST", "/v1/organizations", `{"name":" Second "}`, ada.bearer()...).decode(t, http.StatusCreated, &own)
	if roles := a.roles(t, ada); len(roles) != 1 || roles[string(ada.User)] != identity.Owner {
		t.Errorf("members of a new organization: %v", roles)
	}
}

// TestRemovedMember: everything that a member had ends with the membership, in this
// organization alone.
func TestRemovedMember(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"removed", "left", "made a viewer"} {
		t.Run(how, func(t *testing.T) {
			a := start(t)
			ada := a.signUp(t, "ada@example.com")
			c, _, _ := a.populate(ada.Organization, 0)
			dev := a.member(t, ada.Organization, identity.Developer)
			var ci token
			a.do(t, "POST", "/v1/tokens", `{"name":"ci"}`, dev.bearer()...).decode(t, http.StatusCreated, &ci)
			credentials := "/v1/clusters/" + string(c.ID) + "/credentials"
			a.do(t, "POST", credentials, "", dev.bearer()...).decode(t, http.StatusCreated, &struct{}{})
			a.do(t, "POST", credentials, "", ada.bearer()...).decode(t, http.StatusCreated, &struct{}{})
			var got answer
			switch how {
			case "removed":
				got = a.do(t, "DELETE", "/v1/members/"+string(dev.User), "", ada.bearer()...)
			case "left":
				got = a.do(t, "POST", "/v1/organization/leave", "", dev.bearer()...)
			default:
				got = a.do(t, "PATCH", "/v1/members/"+string(dev.User), `{"role":"viewer"}`, ada.bearer()...)
			}
			if got.status >= 300 {
				t.Fatalf("%s: %d %s", how, got.status, got.body)
			}
			a.do(t, "GET", "/v1/clusters", "", "Authorization", "Bearer "+ci.Secret).problem(t, http.StatusUnauthorized, "bad_token")
			if how == "made a viewer" {
				a.do(t, "POST", "/v1/clusters", `{"name":"x"}`, dev.bearer()...).problem(t, http.StatusForbidden, "not_permitted")
			} else {
				a.do(t, "GET", "/v1/clusters", "", append(dev.bearer(), "Marina-Organization", string(ada.Organization))...).problem(t, http.StatusNotFound, "organization_not_found")
			}
			all, err := a.Credentials(t.Context(), ada.Organization, c.ID, "", 10)
			if err != nil || len(all) != 2 {
				t.Fatal(all, err)
			}
			for _, x := range all {
				if (x.RevokedAt != nil) != (x.Holder == dev.User) {
					t.Errorf("%s has a credential that was revoked at %v", x.Holder, x.RevokedAt)
				}
			}
		})
	}
}

func TestOrganizations(t *testing.T) {
	t.Parallel()
	a := start(t)
	ada := a.signUp(t, "ada@example.com")
	c, _, _ := a.populate(ada.Organization, 0)
	const script = `<script>alert(1)</script>`
	var renamed struct{ Name string }
	a.do(t, "PATCH", "/v1/organization", fmt.Sprintf(`{"name":" %s "}`, script), ada.bearer()...).decode(t, http.StatusOK, &renamed)
	if renamed.Name != script {
		t.Errorf("renamed to %q", renamed.Name)
	}
	for _, bad := range []string{"", " ", strings.Repeat("x", 101), `a\nb`, `a\u0000b`} {
		a.do(t, "PATCH", "/v1/organization", fmt.Sprintf(`{"name":"%s"}`, bad), ada.bearer()...).errorsAt(t, "body.name")
		a.do(t, "POST", "/v1/organizations", fmt.Sprintf(`{"name":"%s"}`, bad), ada.bearer()...).errorsAt(t, "body.name")
	}
	a.do(t, "DELETE", "/v1/organization", "", ada.bearer()...).problem(t, http.StatusConflict, "organization_has_clusters")
	a.changeCluster(c.ID, func(c *controlplane.Cluster) { c.Organization = "org-elsewhere" })
	var ci token
	a.do(t, "POST", "/v1/tokens", `{"name":"ci"}`, ada.bearer()...).decode(t, http.StatusCreated, &ci)
	a.do(t, "POST", "/v1/organizations", `{"name":"x"}`, "Authorization", "Bearer "+ci.Secret).problem(t, http.StatusForbidden, "not_permitted")
	if got := a.do(t, "DELETE", "/v1/organization", "", ada.bearer()...); got.status != http.StatusNoContent {
		t.Fatalf("delete: %d %s", got.status, got.body)
	}
	a.do(t, "GET", "/v1/account", "", "Authorization", "Bearer "+ci.Secret).problem(t, http.StatusUnauthorized, "bad_token")
	a.do(t, "GET", "/v1/account", "", append(ada.bearer(), "Marina-Organization", string(ada.Organization))...).problem(t, http.StatusNotFound, "organization_not_found")
}

// TestMemberOfNone has somebody who was removed from their only organization go on with
// what is their own; nothing of it is in the log of where they were.
func TestMemberOfNone(t *testing.T) {
	t.Parallel()
	a := start(t)
	ada := a.signUp(t, "ada@example.com")
	owner := a.member(t, ada.Organization, identity.Owner)
	remove := func(path string, who account) {
		if got := a.do(t, "DELETE", path, "", who.bearer()...); got.status != http.StatusNoContent {
			t.Fatalf("DELETE %s: %d %s", path, got.status, got.body)
		}
	}
	remove("/v1/members/"+string(ada.User), owner)
	log := func() int {
		var all struct{ Items []struct{ ID string } }
		a.do(t, "GET", "/v1/audit?limit=100", "", owner.bearer()...).decode(t, http.StatusOK, &all)
		return len(all.Items)
	}
	before := log()
	var again account
	a.do(t, "POST", "/v1/login", `{"email":"ada@example.com","password":"`+password+`"}`).decode(t, http.StatusCreated, &again)
	a.do(t, "PATCH", "/v1/account", `{"name":"Ada"}`, ada.bearer()...).decode(t, http.StatusOK, &struct{}{})
	remove("/v1/sessions/"+again.Token.ID, ada)
	if after := log(); before == 0 || after != before {
		t.Errorf("%d lines before, %d after somebody did what is their own", before, after)
	}
}
