//go:build integration

package gateway_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

type createdToken struct {
	token
	CreatedAt  time.Time  `json:"created_at"`
	ExpiresAt  time.Time  `json:"expires_at"`
	LastUsedAt *time.Time `json:"last_used_at"`
}

func TestTokens(t *testing.T) {
	t.Parallel()
	a := start(t)
	ada, eve := a.signUp(t, "ada@example.com"), a.signUp(t, "eve@example.com")
	var ci createdToken
	a.do(t, "POST", "/v1/tokens", `{"name":"ci","expires_in_seconds":3600}`, ada.bearer()...).decode(t, http.StatusCreated, &ci)
	if ci.Name != "ci" || ci.Secret == "" || ci.ExpiresAt.Sub(ci.CreatedAt) != time.Hour || ci.LastUsedAt != nil {
		t.Errorf("token is %+v", ci)
	}
	a.do(t, "GET", "/v1/account", "", "Authorization", "Bearer "+ci.Secret).decode(t, http.StatusOK, &account{})

	got := a.do(t, "GET", "/v1/tokens", "", ada.bearer()...)
	var tokens struct{ Items []createdToken }
	got.decode(t, http.StatusOK, &tokens)
	if len(tokens.Items) != 1 || tokens.Items[0].ID != ci.ID || tokens.Items[0].LastUsedAt == nil {
		t.Errorf("tokens are %s; want the used ci", got.body)
	}
	if strings.Contains(got.body, "secret") || strings.Contains(got.body, ci.Secret) {
		t.Errorf("the list shows secrets: %s", got.body)
	}
	a.do(t, "GET", "/v1/tokens", "", eve.bearer()...).decode(t, http.StatusOK, &tokens)
	if len(tokens.Items) != 0 {
		t.Errorf("another organization sees %+v", tokens.Items)
	}

	a.do(t, "DELETE", "/v1/tokens/"+ci.ID, "", eve.bearer()...).problem(t, http.StatusNotFound, "token_not_found")
	if got := a.do(t, "DELETE", "/v1/tokens/"+ci.ID, "", ada.bearer()...); got.status != http.StatusNoContent || got.body != "" {
		t.Errorf("revoke: %d %q", got.status, got.body)
	}
	a.do(t, "DELETE", "/v1/tokens/"+ci.ID, "", ada.bearer()...).problem(t, http.StatusNotFound, "token_not_found")
	a.do(t, "GET", "/v1/account", "", "Authorization", "Bearer "+ci.Secret).problem(t, http.StatusUnauthorized, "bad_token")
}

func TestTokenLimits(t *testing.T) {
	t.Parallel()
	a := start(t)
	ada := a.signUp(t, "ada@example.com")
	for life, want := range map[string]time.Duration{"60": time.Minute, "31536000": 365 * 24 * time.Hour, "": 30 * 24 * time.Hour, "null": 30 * 24 * time.Hour} {
		body := `{"name":"ci"}`
		if life != "" {
			body = fmt.Sprintf(`{"name":"ci","expires_in_seconds":%s}`, life)
		}
		var got createdToken
		a.do(t, "POST", "/v1/tokens", body, ada.bearer()...).decode(t, http.StatusCreated, &got)
		if got := got.ExpiresAt.Sub(got.CreatedAt); got != want {
			t.Errorf("expires_in_seconds %q: %s, want %s", life, got, want)
		}
	}
	const life = "body.expires_in_seconds"
	for body, want := range map[string][]string{
		`{"name":"ci","expires_in_seconds":0}`:                    {life}, // not the same as absent
		`{"name":"ci","expires_in_seconds":59}`:                   {life},
		`{"name":"ci","expires_in_seconds":-1}`:                   {life},
		`{"name":"ci","expires_in_seconds":31536001}`:             {life},
		`{"name":"ci","expires_in_seconds":9223372036854775807}`:  {life}, // times 1e9 is negative
		`{"name":"ci","expires_in_seconds":9223372036854775808}`:  {life}, // no int64
		`{"name":"ci","expires_in_seconds":-9223372036854775809}`: {life},
		`{"name":"ci","expires_in_seconds":1e300}`:                {life},
		`{"name":"ci","expires_in_seconds":60.5}`:                 {life},
		`{"name":"ci","expires_in_seconds":"3600"}`:               {life},
		`{"name":7}`:          {"body.name"}, // and not the life, which is absent
		`{"name":" "}`:        {"body.name"},
		`{"name":"a\u0000b"}`: {"body.name"},
		`{"name":"` + strings.Repeat("x", 101) + `"}`:       {"body.name"},
		`{"expires_in_seconds":1,"scope":"all","x":{}}`:     {"body.name", life, "body.scope", "body.x"},
		`{"name":"` + strings.Repeat("ä", 100) + `","x":1}`: {"body.x"}, // characters, not bytes
	} {
		t.Run(body[:min(len(body), 60)], func(t *testing.T) {
			a.do(t, "POST", "/v1/tokens", body, ada.bearer()...).errorsAt(t, want...)
		})
	}
}

// TestTokenScopes: a token does what its scopes and its person's role both allow, and
// makes no mightier one.
func TestTokenScopes(t *testing.T) {
	t.Parallel()
	a := start(t)
	ada := a.signUp(t, "ada@example.com")
	dev, viewer := a.member(t, ada.Organization, "developer"), a.member(t, ada.Organization, "viewer")
	create := func(who []string, scopes string) (t2 token, got answer) {
		got = a.do(t, "POST", "/v1/tokens", `{"name":"x"`+scopes+`}`, who...)
		if got.status == http.StatusCreated {
			got.decode(t, http.StatusCreated, &t2)
		}
		return t2, got
	}
	reader, _ := create(dev.bearer(), `,"scopes":["clusters:read","tokens:write"]`)
	does := func(method, path, body, secret string, status int) answer {
		t.Helper()
		got := a.do(t, method, path, body, "Authorization", "Bearer "+secret)
		if got.status != status {
			t.Errorf("%s %s: %d %s, want %d", method, path, got.status, got.body, status)
		}
		return got
	}
	does("GET", "/v1/clusters", "", reader.Secret, http.StatusOK)
	refused := does("POST", "/v1/clusters", `{"name":"x"}`, reader.Secret, http.StatusForbidden)
	refused.problem(t, http.StatusForbidden, "not_permitted")
	if !strings.Contains(refused.body, "clusters:write") || !strings.Contains(refused.body, "scopes") {
		t.Errorf("the refusal does not say what is missing: %s", refused.body)
	}
	_, got := create([]string{"Authorization", "Bearer " + reader.Secret}, `,"scopes":["clusters:read","clusters:write"]`)
	got.errorsAt(t, "body.scopes[1]")
	again, _ := create([]string{"Authorization", "Bearer " + reader.Secret}, "")
	does("POST", "/v1/clusters", `{"name":"x"}`, again.Secret, http.StatusForbidden)
	_, got = create(dev.bearer(), `,"scopes":["members:write"]`)
	got.errorsAt(t, "body.scopes[0]")
	_, got = create(dev.bearer(), `,"scopes":["clusters:all"]`)
	got.errorsAt(t, "body.scopes[0]")
	_, got = create(viewer.bearer(), "")
	got.problem(t, http.StatusForbidden, "not_permitted")

	// A developer sees and revokes their own alone, an owner everybody's.
	own, _ := create(ada.bearer(), "")
	var tokens struct{ Items []createdToken }
	a.do(t, "GET", "/v1/tokens", "", dev.bearer()...).decode(t, http.StatusOK, &tokens)
	if len(tokens.Items) != 2 {
		t.Errorf("a developer sees %+v", tokens.Items)
	}
	a.do(t, "DELETE", "/v1/tokens/"+own.ID, "", dev.bearer()...).problem(t, http.StatusNotFound, "token_not_found")
	a.do(t, "GET", "/v1/tokens", "", ada.bearer()...).decode(t, http.StatusOK, &tokens)
	if len(tokens.Items) != 3 {
		t.Errorf("an owner sees %+v", tokens.Items)
	}
	if got := a.do(t, "DELETE", "/v1/tokens/"+reader.ID, "", ada.bearer()...); got.status != http.StatusNoContent {
		t.Errorf("an owner revokes a developer's token: %d", got.status)
	}
	does("GET", "/v1/clusters", "", reader.Secret, http.StatusUnauthorized)

	// A program is not its person.
	for _, op := range [][2]string{{"GET", "/v1/sessions"}, {"DELETE", "/v1/sessions/" + ada.Token.ID}} {
		does(op[0], op[1], "", own.Secret, http.StatusForbidden).problem(t, http.StatusForbidden, "not_permitted")
	}
}
