//go:build integration

package gateway_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// operator makes a person who signed up one who runs the installation.
func (a *api) operator(t *testing.T, email string) account {
	t.Helper()
	who := a.signUp(t, email)
	if err := a.db.AsLogin(t.Context(), func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "RESET ROLE")
		if err != nil {
			return err
		}
		_, err = tx.Exec(t.Context(), "UPDATE users SET operator = true WHERE id = $1", who.User)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return who
}

func TestOperatorSeesAllOrganizations(t *testing.T) {
	t.Parallel()
	a := start(t)
	root, ada, eve := a.operator(t, "root@example.com"), a.signUp(t, "ada@example.com"), a.signUp(t, "eve@example.com")
	c, _, n := a.populate(ada.Organization, 0)
	a.populate(eve.Organization, 0)

	type item struct {
		ID, Name, Owner, Size, Provider, Phase string
		Organization                           string `json:"organization_id"`
		OrgName                                string `json:"organization"`
		Members, Clusters, Nodes               int
	}
	list := func(what, search string) (all []item) {
		t.Helper()
		cursor := ""
		for {
			var page struct {
				Items []item `json:"items"`
				Next  string `json:"next_cursor"`
			}
			q := url.Values{"limit": {"2"}, "search": {search}, "cursor": {cursor}}
			a.do(t, "GET", "/v1/operator/"+what+"?"+q.Encode(), "", root.bearer()...).decode(t, http.StatusOK, &page)
			all = append(all, page.Items...)
			if cursor = page.Next; cursor == "" {
				return all
			}
		}
	}
	if all := list("organizations", ""); len(all) != 3 || all[1].ID != string(ada.Organization) || all[1].Owner != "ada@example.com" ||
		all[1].Members != 1 || all[1].Clusters != 1 || all[1].Nodes != 1 || all[0].Clusters != 0 {
		t.Errorf("organizations: %+v", all)
	}
	for _, search := range []string{"ADA@", string(ada.Organization)} {
		if all := list("organizations", search); len(all) != 1 || all[0].ID != string(ada.Organization) {
			t.Errorf("organizations by %q: %+v", search, all)
		}
	}
	for _, search := range []string{"nobody", "%", "_"} { // no pattern
		if all := list("organizations", search); len(all) != 0 {
			t.Errorf("organizations by %q: %+v", search, all)
		}
	}
	if all := list("clusters", ""); len(all) != 2 || all[0].ID != string(c.ID) || all[0].Organization != string(ada.Organization) || all[0].OrgName == "" || all[0].Phase != "running" {
		t.Errorf("clusters: %+v", all)
	}
	if all := list("clusters", string(eve.Organization)); len(all) != 1 || all[0].ID == string(c.ID) {
		t.Errorf("clusters of an organization: %+v", all)
	}
	if all := list("nodes", string(c.ID)); len(all) != 1 || all[0].ID != string(n.ID) || all[0].Size != "small" || all[0].Provider != "local" {
		t.Errorf("nodes of a cluster: %+v", all)
	}
	a.do(t, "GET", "/v1/operator/nodes?search=%00", "", root.bearer()...).errorsAt(t, "query.search")
	a.do(t, "GET", "/v1/operator/nodes?search=%ff", "", root.bearer()...).errorsAt(t, "query.search")

	var v struct {
		Version string
		Ready   bool
		Checks  []struct {
			Name, Message string
			OK            bool
		}
		Disks  []struct{ Name string }
		Backup *time.Time `json:"last_backup_at"`
	}
	a.do(t, "GET", "/v1/operator/installation", "", root.bearer()...).decode(t, http.StatusOK, &v)
	if v.Ready || len(v.Checks) != 2 || v.Checks[1].Message == "" || len(v.Disks) != 1 || v.Backup == nil {
		t.Errorf("installation: %+v", v)
	}
}

// TestOperatorRoutesAreNotThere for owners of an organization, and for an operator's
// own token, which is a program's.
func TestOperatorRoutesAreNotThere(t *testing.T) {
	t.Parallel()
	a := start(t)
	d, _ := describe(t)
	root, ada := a.operator(t, "root@example.com"), a.signUp(t, "ada@example.com")
	var ci token
	a.do(t, "POST", "/v1/tokens", `{"name":"ci"}`, root.bearer()...).decode(t, http.StatusCreated, &ci)
	var tried []string
	for path, operations := range d.Paths {
		if op := operations["get"]; op.Permission == "operator" {
			tried = append(tried, path)
			a.do(t, "GET", path, "", ada.bearer()...).problem(t, http.StatusNotFound, "not_found")
			a.do(t, "GET", path, "", "Authorization", "Bearer "+ci.Secret).problem(t, http.StatusNotFound, "not_found")
			if got := a.do(t, "GET", path, "", root.bearer()...); got.status != http.StatusOK && !strings.Contains(path, "{") {
				t.Errorf("an operator gets %d at %s: %s", got.status, path, got.body)
			}
		}
	}
	for _, path := range []string{"organizations", "clusters", "nodes", "installation"} {
		if !slices.Contains(tried, "/v1/operator/"+path) {
			t.Errorf("nothing is for operators at %s: %v", path, tried)
		}
	}
}
