//go:build integration

package gateway_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/marina-cloud/marina/gateway/identity"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

func TestAuthenticationOfACluster(t *testing.T) {
	t.Parallel()
	a := start(t)
	ada := a.signUp(t, "ada@example.com")
	c, _, _ := a.populate(ada.Organization, 0)
	path := "/v1/clusters/" + string(c.ID) + "/authentication"
	var got struct {
		APIVersion, Kind string
		JWT              []controlplane.JWTAuthenticator
	}
	read := func() {
		t.Helper()
		got.JWT = nil
		r := a.do(t, "GET", path, "", ada.bearer()...)
		r.decode(t, http.StatusOK, &got)
		if strings.Contains(r.body, "null") {
			t.Errorf("a list is null: %s", r.body)
		}
	}
	if read(); len(got.JWT) != 0 || got.Kind != "AuthenticationConfiguration" {
		t.Errorf("at first: %+v", got)
	}

	good := `{"apiVersion":"apiserver.config.k8s.io/v1","kind":"AuthenticationConfiguration","jwt":[{
		"issuer":{"url":"https://login.example.com","audiences":["kubernetes"]},
		"claimMappings":{"username":{"claim":"sub","prefix":"oidc:"},"groups":{"expression":"claims.roles"}}}]}`
	a.do(t, "PUT", path, good, ada.bearer()...).decode(t, http.StatusOK, &got)
	if read(); len(got.JWT) != 1 || got.JWT[0].Issuer.URL != "https://login.example.com" || *got.JWT[0].ClaimMappings.Username.Prefix != "oidc:" {
		t.Errorf("after it was set: %+v", got)
	}

	// Each wrong field is named, by its place; what Kubernetes does not know is no field.
	for body, fields := range map[string][]string{
		`{}`:           {"body.jwt"},
		`{"jwt":[{}]}`: {"body.jwt[0].issuer", "body.jwt[0].claimMappings"},
		`{"jwt":[],"anonymous":{"enabled":true}}`:                                                                           {"body.anonymous"},
		strings.Replace(good, `"oidc:"`, `"system:"`, 1):                                                                    {"body.jwt[0].claimMappings.username.prefix"},
		strings.Replace(good, `"kubernetes"]`, `"kubernetes"],"egressSelectorType":"cluster"`, 1):                           {"body.jwt[0].issuer.egressSelectorType"},
		strings.NewReplacer(`"oidc:"`, `""`, `"expression":"claims.roles"`, `"claim":"g","prefix":"marina:"`).Replace(good): {"body.jwt[0].claimMappings.username.prefix", "body.jwt[0].claimMappings.groups.prefix"},
		strings.Replace(good, `/v1"`, `/v1alpha1"`, 1):                                                                      {"body.apiVersion"},
	} {
		r := a.do(t, "PUT", path, body, ada.bearer()...)
		r.problem(t, http.StatusUnprocessableEntity, "invalid")
		for _, f := range fields {
			if !strings.Contains(r.body, `"location":"`+f+`"`) {
				t.Errorf("%s\ndoes not name %s: %s", body, f, r.body)
			}
		}
	}

	// Who is who in a cluster is not a developer's choice: another issuer could call
	// somebody by a name that has rights.
	for _, role := range []identity.Role{identity.Developer, identity.Viewer, identity.Billing} {
		m := a.member(t, ada.Organization, role)
		a.do(t, "PUT", path, good, m.bearer()...).problem(t, http.StatusForbidden, "not_permitted")
		a.do(t, "DELETE", path, "", m.bearer()...).problem(t, http.StatusForbidden, "not_permitted")
		a.do(t, "GET", path, "", m.bearer()...).decode(t, http.StatusOK, &got)
	}
	if r := a.do(t, "DELETE", path, "", ada.bearer()...); r.status != http.StatusNoContent {
		t.Errorf("deleted: %d %s", r.status, r.body)
	}
	if read(); len(got.JWT) != 0 {
		t.Errorf("after it was deleted: %+v", got)
	}
}

func TestRevokeClusterToken(t *testing.T) {
	t.Parallel()
	a := start(t)
	ada := a.signUp(t, "ada@example.com")
	c, _, _ := a.populate(ada.Organization, 0)
	path := "/v1/clusters/" + string(c.ID) + "/revoked-tokens"
	for _, good := range []string{`{"token_id":"a"}`, `{"token_id":"a","expires_in_seconds":60}`} {
		if r := a.do(t, "POST", path, good, ada.bearer()...); r.status != http.StatusNoContent {
			t.Errorf("%s: %d %s", good, r.status, r.body)
		}
	}
	for wrong, field := range map[string]string{
		`{"token_id":""}`:                                           "body.token_id",
		`{"token_id":"a","expires_in_seconds":-1}`:                  "body.expires_in_seconds",
		`{"token_id":"a","expires_in_seconds":9000000000000000000}`: "body.expires_in_seconds",
	} {
		r := a.do(t, "POST", path, wrong, ada.bearer()...)
		r.problem(t, http.StatusUnprocessableEntity, "invalid")
		if !strings.Contains(r.body, field) {
			t.Errorf("%s does not name %s: %s", wrong, field, r.body)
		}
	}
	a.do(t, "POST", path, `{"token_id":"a"}`, a.member(t, ada.Organization, identity.Developer).bearer()...).problem(t, http.StatusForbidden, "not_permitted")
}
