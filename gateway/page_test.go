//go:build integration

package gateway_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// TestPages walks every list with pages of several sizes.
func TestPages(t *testing.T) {
	t.Parallel()
	a := start(t)
	ada, eve := a.signUp(t, "ada@example.com"), a.signUp(t, "eve@example.com")
	const many = 23
	c, _, _ := a.populate(ada.Organization, many)
	cluster := "/v1/clusters/" + string(c.ID)
	for i := range many - 1 {
		for path, body := range map[string]string{
			"/v1/clusters":          fmt.Sprintf(`{"name":"c%d"}`, i),
			"/v1/tokens":            fmt.Sprintf(`{"name":"t%d"}`, i),
			cluster + "/node-pools": fmt.Sprintf(`{"name":"p%d","count":0}`, i),
		} {
			a.do(t, "POST", path, body, ada.bearer()...).decode(t, http.StatusCreated, &resource{})
		}
	}
	a.do(t, "POST", "/v1/tokens", `{"name":"last"}`, ada.bearer()...).decode(t, http.StatusCreated, &resource{})
	a.do(t, "POST", "/v1/clusters", `{"name":"hers"}`, eve.bearer()...).decode(t, http.StatusCreated, &resource{})
	for path, want := range map[string]int{
		"/v1/clusters": many, "/v1/tokens": many, cluster + "/node-pools": many, cluster + "/events": many, cluster + "/nodes": 1,
	} {
		for _, limit := range []int{1, 7, 22, 23, 24, 100} {
			if ids := a.walk(t, ada, path, limit); len(ids) != want || !slices.IsSorted(ids) || len(slices.Compact(ids)) != want {
				t.Errorf("%s by %d: %d items, want %d, each once and in order: %v", path, limit, len(ids), want, ids)
			}
		}
		var first list
		a.do(t, "GET", path, "", ada.bearer()...).decode(t, http.StatusOK, &first)
		if len(first.Items) != min(want, 20) {
			t.Errorf("%s: %d items without a limit, want up to 20", path, len(first.Items))
		}
		for _, limit := range []string{"0", "-1", "101", "1.5", "many", "99999999999999999999"} {
			a.do(t, "GET", path+"?limit="+limit, "", ada.bearer()...).errorsAt(t, "query.limit")
		}
		for _, cursor := range []string{"!", "ä", "a", "%00", encode("\x00"), encode("'; --"), encode("KC-1"), encode("\xff"), encode("kc\n")} {
			a.do(t, "GET", path+"?cursor="+url.QueryEscape(cursor), "", ada.bearer()...).problem(t, 422, "bad_cursor")
		}
		a.do(t, "GET", path+"?cursor="+strings.Repeat("A", 201), "", ada.bearer()...).errorsAt(t, "query.cursor")
		a.do(t, "GET", path+"?limt=5&Limit=5", "", ada.bearer()...).errorsAt(t, "query.limt", "query.Limit")
	}
	var none list
	got := a.do(t, "GET", "/v1/clusters", "", a.signUp(t, "new@example.com").bearer()...)
	got.decode(t, http.StatusOK, &none)
	if got.body != `{"items":[]}`+"\n" {
		t.Errorf("an empty list is %s; want [] and no cursor", got.body)
	}
}

func encode(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// walk returns the ids on all pages.
func (a *api) walk(t *testing.T, who account, path string, limit int) (ids []string) {
	t.Helper()
	cursor := ""
	for range 100 {
		var page list
		a.do(t, "GET", fmt.Sprintf("%s?limit=%d&cursor=%s", path, limit, cursor), "", who.bearer()...).decode(t, http.StatusOK, &page)
		if len(page.Items) > limit {
			t.Fatalf("%s: %d items on a page of %d", path, len(page.Items), limit)
		}
		for _, x := range page.Items {
			ids = append(ids, x.ID)
		}
		if page.NextCursor == "" {
			return ids
		}
		cursor = page.NextCursor
	}
	t.Fatalf("%s by %d: no end", path, limit)
	return nil
}
