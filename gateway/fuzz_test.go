//go:build integration

package gateway_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/marina-cloud/marina/gateway"
)

// FuzzBody holds that no body brings the API down, whatever is in it: each answer
// is a success or a problem of the client's.
func FuzzBody(f *testing.F) {
	a := startWith(f, func(d *gateway.Deps) {
		d.Log = slog.New(slog.DiscardHandler)
		d.Limits.Attempts, d.Limits.Letters = gateway.Rate{PerSecond: 1000, Burst: 1000}, gateway.Rate{PerSecond: 1000, Burst: 1000}
	})
	post := func(t testing.TB, path, token string, body []byte) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), "POST", path, bytes.NewReader(body))
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		rec := httptest.NewRecorder()
		a.handler.ServeHTTP(rec, r)
		return rec
	}
	who := a.signUp(f, "ada@example.com")
	c, _, _ := a.populate(who.Organization, 0)
	paths := []string{"/v1/clusters", "/v1/clusters/" + string(c.ID) + "/node-pools", "/v1/tokens", "/v1/signup", "/v1/signup/verify", "/v1/password/forgot", "/v1/password/reset", "/v1/account/password"}

	for _, body := range []string{
		``, `{}`, `null`, `[]`, `0`, `"`, `{"name":"a"}`, `{"name":"a","name":7}`, `{"name":"a\u0000b"}`, `{"name":"\ud800"}`, "{\"name\":\"\xff\"}",
		`{"name":"a","version":"1.37","pod_cidr":"10.0.0.0/16","service_cidr":"10.96.0.0/12"}`, `{"name":"a","pod_cidr":"::ffff:10.0.0.0/112"}`,
		`{"name":"a","pod_cidr":"10.0.0.0/-1"}`, `{"name":{"name":{}}}`, `{"":1}`, `{"name":1e999}`, `{"a":[[[[[[]]]]]]}`,
		`{"name":"a","count":9223372036854775808}`, `{"name":"a","count":-0.0}`, `{"name":"b","count":1,"labels":{"":""},"taints":[null]}`,
		`{"name":"b","count":1,"labels":null,"taints":[{}]}`, `{"name":"x","expires_in_seconds":1e18}`, `{"name":"\n"}`,
		`{"email":"\"\u0000\"@a.b","password":"` + password + `"}`, `{"email":"a@b","password":"` + password + `","organization":"\u0000"}`,
		`{"email":"a@[::]","password":"` + password + `"}`, `{"email":"\"a b\"@c.d","password":"` + password + `"}`,
	} {
		for i := range paths {
			f.Add(uint8(i), []byte(body))
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, body []byte) {
		path := paths[int(which)%len(paths)]
		got := post(t, path, who.Token.Secret, body)
		var p gateway.Problem
		switch {
		case got.Code == http.StatusCreated, got.Code == http.StatusAccepted:
		case got.Code < 400 || got.Code >= 500:
			t.Errorf("POST %s %q: %d %s", path, body, got.Code, got.Body)
		case json.Unmarshal(got.Body.Bytes(), &p) != nil || p.Status != got.Code || got.Header().Get("Content-Type") != "application/problem+json":
			t.Errorf("POST %s %q: no problem but %s", path, body, got.Body)
		}
	})
}
