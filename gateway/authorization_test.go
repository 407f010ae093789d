//go:build integration

package gateway_test

import (
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/marina-cloud/marina/gateway/gatewaytest"
	"github.com/marina-cloud/marina/gateway/identity"
	"github.com/marina-cloud/marina/internal/tenant"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

// told are the headers that say something about what was asked for.
func told(h http.Header) http.Header {
	h = h.Clone()
	for _, name := range []string{"Date", "X-Request-Id", "Ratelimit"} { // which tell of the time, and of the caller
		h.Del(name)
	}
	return h
}

// ofNothing are about what a new person has not, or take what nobody can write down
// before, or what the last owner of an organization with clusters may not do.
var ofNothing = map[string]bool{
	"enableTOTP": true, "beginIdentity": true, "linkIdentity": true, "beginPasskey": true, "addPasskey": true, "removeTOTP": true, "replaceRecoveryCodes": true,
	"leaveOrganization": true, "acceptInvitation": true, "deleteOrganization": true,
}

// TestAuthorization walks every operation that the API describes: nobody gets in,
// and what belongs to one organization is not there for another.
func TestAuthorization(t *testing.T) {
	t.Parallel()
	a := start(t)
	d, _ := describe(t)
	ada, eve := a.signUp(t, "ada@example.com"), a.signUp(t, "eve@example.com")
	c, p, n := a.populate(ada.Organization, 3)
	hers, _, _ := a.populate(eve.Organization, 0)
	eve.confirm(t, a)
	var ci token
	a.do(t, "POST", "/v1/tokens", `{"name":"ci"}`, ada.bearer()...).decode(t, http.StatusCreated, &ci)
	cred, err := a.IssueCredential(t.Context(), ada.Organization, "", "", c.ID, controlplane.NewCredential{
		Group: controlplane.AdminsGroup, Kind: controlplane.ForExec, Life: controlplane.ExecLife,
	})
	if err != nil {
		t.Fatal(err)
	}
	key, linked := a.addPasskey(t, ada), a.addLink(t, ada)
	var invitation struct{ ID string }
	a.do(t, "POST", "/v1/invitations", `{"email":"grace@example.com","role":"viewer"}`, ada.bearer()...).decode(t, http.StatusCreated, &invitation)
	tried := 0
	for path, operations := range d.Paths {
		for method, op := range operations {
			if _, open := public[op.ID]; open {
				continue
			}
			tried++
			body, ok := gatewaytest.Bodies[op.ID]
			if op.RequestBody != nil && !ok {
				t.Errorf("%s takes a body; give gatewaytest a good one", op.ID)
				continue
			}
			fill := func(cluster string) string {
				return strings.NewReplacer("{cluster_id}", cluster, "{pool_id}", string(p.ID), "{node_id}", string(n.ID), "{token_id}", ci.ID, "{session_id}", ada.Token.ID, "{credential_id}", string(cred.ID), "{passkey_id}", string(key), "{identity_id}", string(linked), "{user_id}", string(ada.User), "{invitation_id}", invitation.ID).Replace(path)
			}
			method := strings.ToUpper(method)
			a.do(t, method, fill(string(c.ID)), body).problem(t, http.StatusUnauthorized, "no_credentials")
			a.do(t, method, fill(string(c.ID)), "{", "Authorization", "Bearer x").problem(t, http.StatusUnauthorized, "bad_token")
			if op.Permission == "operator" { // neither is one
				a.do(t, method, fill(string(c.ID)), body, eve.bearer()...).problem(t, http.StatusNotFound, "not_found")
				continue
			}
			if !strings.Contains(path, "{") { // of the caller's own organization, whichever that is
				got := a.do(t, method, path, body, eve.bearer()...)
				for _, id := range []string{string(c.ID), ada.Token.ID, ci.ID, string(ada.User), string(ada.Organization)} {
					if got.status >= 300 && !ofNothing[op.ID] || strings.Contains(got.body, id) {
						t.Errorf("%s shows another organization %d %s", op.ID, got.status, got.body)
					}
				}
				continue
			}
			asked := append(eve.bearer(), "X-Request-Id", "the-same-id") // which answers tell
			got := a.do(t, method, fill(string(c.ID)), body, asked...)
			if got.status != http.StatusNotFound {
				t.Errorf("%s lets another organization in: %d %s", op.ID, got.status, got.body)
			}
			// What is another's looks like what never was.
			never := strings.NewReplacer("{cluster_id}", string(tenant.NewClusterID()), "{pool_id}", string(tenant.NewPoolID()),
				"{node_id}", string(tenant.NewNodeID()), "{token_id}", string(tenant.NewTokenID()), "{session_id}", string(tenant.NewSessionID()), "{credential_id}", string(tenant.NewCredentialID()), "{passkey_id}", string(tenant.NewPasskeyID()), "{identity_id}", string(tenant.NewLinkID()), "{user_id}", string(tenant.NewUserID()), "{invitation_id}", string(tenant.NewInvitationID())).Replace(path)
			nothing := a.do(t, method, never, body, asked...)
			if got.status != nothing.status || got.body != nothing.body || !maps.EqualFunc(told(got.header), told(nothing.header), slices.Equal) {
				t.Errorf("%s tells what is another's from what is not there:\n%d %v %s\n%d %v %s", op.ID,
					got.status, got.header, got.body, nothing.status, nothing.header, nothing.body)
			}
			if !strings.Contains(path, "{cluster_id}/") || !strings.Contains(strings.TrimPrefix(path, "/v1/clusters/{cluster_id}"), "{") {
				continue
			}
			// Below a cluster of one's own, what is of another's cluster is not there.
			got = a.do(t, method, fill(string(hers.ID)), body, eve.bearer()...)
			if got.status != http.StatusNotFound {
				t.Errorf("%s lets another organization in by its own cluster: %d %s", op.ID, got.status, got.body)
			}
		}
	}
	if tried < 15 {
		t.Errorf("only %d operations: the walk misses some", tried)
	}
	// Nothing of it did anything.
	if got, _ := a.Pool(t.Context(), ada.Organization, c.ID, p.ID); got.Count != 1 {
		t.Errorf("the pool has %d nodes now", got.Count)
	}
	a.do(t, "GET", "/v1/account", "", ada.bearer()...).decode(t, http.StatusOK, &account{})
}

// TestRolesAtEveryRoute calls every operation in every role. The names in the paths
// are of nothing, so that whoever is let through finds nothing.
func TestRolesAtEveryRoute(t *testing.T) {
	t.Parallel()
	a := start(t)
	d, _ := describe(t)
	owner := a.signUp(t, "ada@example.com")
	a.populate(owner.Organization, 0) // an organization with clusters is not deleted
	nothing := regexp.MustCompile(`\{[a-z_]+\}`)
	tried := map[identity.Permission]int{}
	for _, role := range identity.Roles() {
		for path, operations := range d.Paths {
			for method, op := range operations {
				if _, open := public[op.ID]; open {
					continue
				}
				p := identity.Permission(op.Permission)
				may := role.Has(p)
				switch op.Permission {
				case "-", "person":
					may = true
				case "operator":
					may = false
				default:
					if !slices.Contains(identity.AllPermissions(), p) {
						t.Fatalf("%s needs %q, which is no permission", op.ID, p)
					}
				}
				tried[p]++
				who := a.member(t, owner.Organization, role) // one who may end their session, or leave
				got := a.do(t, strings.ToUpper(method), nothing.ReplaceAllString(path, "nothing"), gatewaytest.Bodies[op.ID], who.bearer()...)
				switch {
				case op.Permission == "operator":
					got.problem(t, http.StatusNotFound, "not_found")
				case may && (got.status == http.StatusForbidden || got.status == http.StatusUnauthorized || got.status >= 500):
					t.Errorf("%s (%s) refuses a %s: %d %s", op.ID, p, role, got.status, got.body)
				case !may && got.status != http.StatusForbidden:
					t.Errorf("%s (%s) lets a %s in: %d %s", op.ID, p, role, got.status, got.body)
				case !may:
					got.problem(t, http.StatusForbidden, "not_permitted")
					if !strings.Contains(got.body, string(role)) || !strings.Contains(got.body, string(p)) {
						t.Errorf("%s refuses a %s without saying why: %s", op.ID, role, got.body)
					}
				}
			}
		}
	}
	for _, p := range []identity.Permission{identity.ClustersRead, identity.ClustersWrite, identity.ClustersDelete, identity.ClustersUse, identity.TokensWrite,
		identity.MembersRead, identity.MembersWrite, identity.OrganizationWrite, identity.OrganizationDelete, identity.AuditRead, "person"} {
		if tried[p] == 0 {
			t.Errorf("no operation needs %s: the walk misses some", p)
		}
	}
}
