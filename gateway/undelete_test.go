//go:build integration

package gateway_test

import (
	"net/http"
	"testing"
	"time"
)

func TestUndelete(t *testing.T) {
	t.Parallel()
	a := start(t)
	ada := a.signUp(t, "ada@example.com")
	running, _, _ := a.populate(ada.Organization, 0)
	path := "/v1/clusters/" + string(running.ID)
	var c struct {
		resource
		PurgeAt *time.Time `json:"purge_at"`
	}
	a.do(t, "DELETE", path, "", ada.bearer()...).decode(t, http.StatusAccepted, &c)
	if c.Phase != "deleting" || c.PurgeAt == nil {
		t.Errorf("deletion answered %+v; want until when the cluster can be brought back", c)
	}
	lists := func(query string) (ids []string) {
		var l list
		a.do(t, "GET", "/v1/clusters"+query, "", ada.bearer()...).decode(t, http.StatusOK, &l)
		for _, c := range l.Items {
			ids = append(ids, c.ID)
		}
		return ids
	}
	if there, deleted := lists(""), lists("?deleted=true"); len(there) != 0 || len(deleted) != 1 || deleted[0] != c.ID {
		t.Errorf("there are %v, deleted %v", there, deleted)
	}
	a.do(t, "GET", path, "", ada.bearer()...).decode(t, http.StatusOK, &c)
	if c.Phase != "recoverable" || c.PurgeAt == nil {
		t.Errorf("a deleted cluster is shown as %+v", c)
	}
	a.do(t, "PATCH", path, `{"name":"web"}`, ada.bearer()...).problem(t, http.StatusConflict, "cluster_phase")
	a.do(t, "POST", "/v1/clusters", `{"name":"production"}`, ada.bearer()...).decode(t, http.StatusCreated, &resource{})
	a.do(t, "POST", path+"/undelete", "", ada.bearer()...).problem(t, http.StatusConflict, "cluster_name_taken")
	var other resource
	for _, id := range lists("") {
		a.do(t, "PATCH", "/v1/clusters/"+id, `{"name":"other"}`, ada.bearer()...).decode(t, http.StatusOK, &other)
	}
	c.PurgeAt = nil
	for range 2 { // to say it again changes nothing
		a.do(t, "POST", path+"/undelete", "", ada.bearer()...).decode(t, http.StatusAccepted, &c)
		if c.ID != string(running.ID) || c.Name != "production" || c.PurgeAt != nil {
			t.Errorf("undeletion answered %+v", c)
		}
	}
	a.do(t, "DELETE", path+"?purge=true", "", ada.bearer()...).decode(t, http.StatusAccepted, &resource{})
	a.do(t, "POST", path+"/undelete", "", ada.bearer()...).problem(t, http.StatusNotFound, "cluster_not_found")
}
