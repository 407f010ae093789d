//go:build integration

package gateway_test

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/marina-cloud/marina/gateway/identity"
)

type credential struct {
	ID        string
	User      string
	UserID    string `json:"user_id"`
	Groups    []string
	Kind      string
	ExpiresAt time.Time  `json:"expires_at"`
	RevokedAt *time.Time `json:"revoked_at"`
}

// TestCredentialsByRole: what somebody is to Kubernetes follows from their role.
func TestCredentialsByRole(t *testing.T) {
	t.Parallel()
	a := start(t)
	owner := a.signUp(t, "ada@example.com")
	c, _, _ := a.populate(owner.Organization, 0)
	path := "/v1/clusters/" + string(c.ID) + "/credentials"
	want := map[identity.Role]string{
		identity.Owner: "marina:admins", identity.Admin: "marina:admins", identity.Developer: "marina:developers", identity.Viewer: "marina:viewers",
		identity.Billing: "", // none
	}
	given := map[string]string{} // group by user
	for _, role := range identity.Roles() {
		who := a.member(t, owner.Organization, role)
		got := a.do(t, "POST", path, "", who.bearer()...)
		if want[role] == "" {
			got.problem(t, http.StatusForbidden, "not_permitted")
			continue
		}
		var exec struct {
			APIVersion, Kind string
			Spec             struct {
				Cluster map[string]string
			}
			Status struct {
				ExpirationTimestamp                  time.Time
				ClientCertificateData, ClientKeyData string
			}
		}
		got.decode(t, http.StatusCreated, &exec)
		authority := base64.StdEncoding.EncodeToString([]byte("CA"))
		if exec.APIVersion != "client.authentication.k8s.io/v1" || exec.Kind != "ExecCredential" || exec.Status.ClientCertificateData != "CERT" || exec.Status.ClientKeyData != "KEY" ||
			exec.Spec.Cluster["server"] != "https://203.0.113.7:6443" || exec.Spec.Cluster["tls-server-name"] != string(c.ID)+".test" || exec.Spec.Cluster["certificate-authority-data"] != authority {
			t.Errorf("%s: %s", role, got.body)
		}
		if life := time.Until(exec.Status.ExpirationTimestamp); life < 59*time.Minute || life > time.Hour {
			t.Errorf("%s: good for %s, want an hour", role, life)
		}
		given[who.Email] = want[role]
	}
	// A program that may only look at Marina may only look at Kubernetes.
	var ci token
	a.do(t, "POST", "/v1/tokens", `{"name":"ci","scopes":["clusters:read","clusters:use"]}`, owner.bearer()...).decode(t, http.StatusCreated, &ci)
	a.do(t, "POST", path, "", "Authorization", "Bearer "+ci.Secret).decode(t, http.StatusCreated, &struct{}{})
	given["ada@example.com"] = "marina:viewers"

	var list struct{ Items []credential }
	a.do(t, "GET", path+"?limit=100", "", owner.bearer()...).decode(t, http.StatusOK, &list)
	if len(list.Items) != len(given) {
		t.Errorf("%d credentials are listed, %d were issued", len(list.Items), len(given))
	}
	for _, x := range list.Items {
		if len(x.Groups) != 1 || x.Groups[0] != given[x.User] || x.Kind != "exec" {
			t.Errorf("%s is %v, want %s", x.User, x.Groups, given[x.User])
		}
	}
}

func TestRevokingCredentials(t *testing.T) {
	t.Parallel()
	a := start(t)
	owner := a.signUp(t, "ada@example.com")
	c, _, _ := a.populate(owner.Organization, 0)
	path := "/v1/clusters/" + string(c.ID)
	developer, viewer := a.member(t, owner.Organization, identity.Developer), a.member(t, owner.Organization, identity.Viewer)
	for _, who := range []account{owner, developer, viewer} {
		if got := a.do(t, "GET", path+"/kubeconfig?expires_in_seconds=600", "", who.bearer()...); got.status != http.StatusOK {
			t.Fatalf("kubeconfig: %d %s", got.status, got.body)
		}
	}
	for _, life := range []string{"599", "2592001", "-1", "x"} {
		got := a.do(t, "GET", path+"/kubeconfig?expires_in_seconds="+life, "", owner.bearer()...)
		got.problem(t, http.StatusUnprocessableEntity, "invalid")
		if !strings.Contains(got.body, "query.expires_in_seconds") {
			t.Errorf("a life of %s: %s", life, got.body)
		}
	}
	var list struct{ Items []credential }
	a.do(t, "GET", path+"/credentials", "", viewer.bearer()...).decode(t, http.StatusOK, &list)
	of := map[string]string{}
	for _, x := range list.Items {
		of[x.UserID] = path + "/credentials/" + x.ID
		if life := time.Until(x.ExpiresAt); life > 10*time.Minute || x.Kind != "kubeconfig" {
			t.Errorf("%+v: want ten minutes, for a kubeconfig", x)
		}
	}
	revoke := func(who account, whose account, status int) {
		t.Helper()
		if got := a.do(t, "DELETE", of[string(whose.User)], "", who.bearer()...); got.status != status {
			t.Errorf("revoking: %d %s, want %d", got.status, got.body, status)
		}
	}
	revoke(viewer, developer, http.StatusForbidden)
	revoke(developer, owner, http.StatusForbidden) // who would be locked out
	revoke(developer, developer, http.StatusNoContent)
	revoke(owner, viewer, http.StatusNoContent)
	revoke(owner, viewer, http.StatusNoContent)
	a.do(t, "GET", path+"/credentials", "", owner.bearer()...).decode(t, http.StatusOK, &list)
	for _, x := range list.Items {
		if revoked := x.RevokedAt != nil; revoked == (x.UserID == string(owner.User)) {
			t.Errorf("%s: revoked %v", x.User, revoked)
		}
	}
	a.do(t, "DELETE", path+"/credentials/nothing", "", owner.bearer()...).problem(t, http.StatusNotFound, "credential_not_found")
}
