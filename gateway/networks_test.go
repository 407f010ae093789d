//go:build integration

package gateway_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

func TestAuthorizedNetworks(t *testing.T) {
	t.Parallel()
	a := start(t)
	ada := a.signUp(t, "ada@example.com")
	c, _, _ := a.populate(ada.Organization, 0)
	path := "/v1/clusters/" + string(c.ID)
	type networks struct {
		Networks []string `json:"networks"`
		Address  string   `json:"your_address"`
		Admitted bool     `json:"your_address_admitted"`
	}
	var got networks
	a.do(t, "GET", path+"/authorized-networks", "", ada.bearer()...).decode(t, http.StatusOK, &got)
	if got.Networks == nil || len(got.Networks) > 0 || !got.Admitted {
		t.Errorf("of a new cluster: %+v, want none, which lets everybody in", got)
	}
	here := got.Address

	set := func(body string) answer { return a.do(t, "PUT", path+"/authorized-networks", body, ada.bearer()...) }
	set(`{"networks":["203.0.113.7","2001:DB8::/48","203.0.113.7/32"]}`).decode(t, http.StatusOK, &got)
	if want := []string{"203.0.113.7/32", "2001:db8::/48"}; !slices.Equal(got.Networks, want) || got.Admitted || got.Address != here {
		t.Errorf("two networks: %+v, want %v, and to be told that %s is not in them", got, want, here)
	}
	set(`{"networks":["`+here+`"]}`).decode(t, http.StatusOK, &got)
	if !got.Admitted {
		t.Errorf("the own address: %+v, want it let in", got)
	}
	var shown struct {
		Networks []string `json:"authorized_networks"`
	}
	a.do(t, "GET", path, "", ada.bearer()...).decode(t, http.StatusOK, &shown)
	if !slices.Equal(shown.Networks, got.Networks) {
		t.Errorf("the cluster shows %v, want %v", shown.Networks, got.Networks)
	}

	for body, wrong := range map[string][]string{
		`{"networks":["203.0.113.0/24","a","","203.0.113.7/24"]}`:                        {"body.networks[1]", "body.networks[2]", "body.networks[3]"},
		`{"networks":[` + strings.Repeat(`"203.0.113.0/24",`, 64) + `"203.0.113.0/24"]}`: {"body.networks"},
		`{"networks":null}`: {"body.networks"},
		`{}`:                {"body.networks"},
		`{"networks":[1]}`:  {"body.networks[0]"},
	} {
		if fields := set(body).problem(t, http.StatusUnprocessableEntity, "invalid"); !slices.Equal(fields, wrong) {
			t.Errorf("%.60s: wrong are %v, want %v", body, fields, wrong)
		}
	}
	a.do(t, "GET", path+"/authorized-networks", "", ada.bearer()...).decode(t, http.StatusOK, &got)
	if !slices.Equal(got.Networks, []string{here + "/32"}) && !slices.Equal(got.Networks, []string{here + "/128"}) {
		t.Errorf("after refused changes: %v, want what there was", got.Networks)
	}
	set(`{"networks":[]}`).decode(t, http.StatusOK, &got)
	if len(got.Networks) > 0 || !got.Admitted {
		t.Errorf("none any more: %+v, want everybody let in", got)
	}
}
