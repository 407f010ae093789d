//go:build integration

package gateway_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/marina-cloud/marina/gateway"
)

const other = "another long password"

func TestForgottenPassword(t *testing.T) {
	t.Parallel()
	a := start(t)
	ada, eve := a.signUp(t, "ada@example.com"), a.signUp(t, "eve@example.com")
	var ci token
	a.do(t, "POST", "/v1/tokens", `{"name":"ci"}`, ada.bearer()...).decode(t, http.StatusCreated, &ci)
	a.do(t, "POST", "/v1/password/forgot", `{"email":" ADA@example.com"}`).errorsAt(t, "body.email")
	a.do(t, "POST", "/v1/password/forgot", `{"email":"ADA@example.com"}`).decode(t, http.StatusAccepted, &struct{}{})
	secret := a.link(t, "ada@example.com")
	a.do(t, "GET", "/v1/account", "", ada.bearer()...).decode(t, http.StatusOK, &account{}) // nothing has happened yet
	a.do(t, "POST", "/v1/password/reset", `{"secret":"`+secret+`","password":"short"}`).errorsAt(t, "body.password")
	got := a.do(t, "POST", "/v1/password/reset", `{"secret":"`+secret+`","password":"`+other+`"}`)
	if got.status != http.StatusNoContent || got.header.Get("Set-Cookie") != "" {
		t.Fatalf("reset: %d %s %v; want it without a session, which a second factor may be asked for", got.status, got.body, got.header)
	}
	a.do(t, "GET", "/v1/account", "", ada.bearer()...).problem(t, http.StatusUnauthorized, "bad_token")
	a.do(t, "GET", "/v1/account", "", eve.bearer()...).decode(t, http.StatusOK, &account{})
	a.do(t, "GET", "/v1/account", "", "Authorization", "Bearer "+ci.Secret).decode(t, http.StatusOK, &account{})
	a.do(t, "POST", "/v1/login", credentials).problem(t, http.StatusUnauthorized, "bad_credentials")
	a.do(t, "POST", "/v1/login", strings.Replace(credentials, password, other, 1)).decode(t, http.StatusCreated, &account{})
	if text := a.letters(t, "ada@example.com")[0]; !strings.Contains(text, "was changed") || strings.Contains(text, "#") {
		t.Errorf("who has reset the password is told\n%s", text)
	}
	for _, secret := range []string{secret, other} {
		if strings.Contains(a.log.String(), secret) {
			t.Error("the log has a secret")
		}
	}
}

// TestLinksOfOnePersonAtOnce has somebody open all links that they asked for at the same
// time: one of them is good, and none waits for another for ever.
func TestLinksOfOnePersonAtOnce(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.signUp(t, "ada@example.com")
	var secrets []string
	for range 4 {
		a.do(t, "POST", "/v1/password/forgot", `{"email":"ada@example.com"}`).decode(t, http.StatusAccepted, &struct{}{})
		secrets = append(secrets, a.link(t, "ada@example.com"))
	}
	answers := make(chan answer, len(secrets))
	for _, secret := range secrets {
		go func() {
			answers <- a.do(t, "POST", "/v1/password/reset", `{"secret":"`+secret+`","password":"`+other+`"}`)
		}()
	}
	good := 0
	for range secrets {
		if got := <-answers; got.status == http.StatusNoContent {
			good++
		} else {
			got.problem(t, http.StatusUnprocessableEntity, "link_not_good")
		}
	}
	if good != 1 {
		t.Errorf("%d links were good", good)
	}
}

func TestChangePassword(t *testing.T) {
	t.Parallel()
	a := start(t)
	ada := a.signUp(t, "ada@example.com")
	var phone account
	a.do(t, "POST", "/v1/login", `{"email":"ada@example.com","password":"`+password+`"}`).decode(t, http.StatusCreated, &phone)
	a.do(t, "POST", "/v1/password/forgot", `{"email":"ada@example.com"}`).decode(t, http.StatusAccepted, &struct{}{})
	forgotten := a.link(t, "ada@example.com")
	change := func(present, wanted string, headers ...string) answer {
		return a.do(t, "POST", "/v1/account/password", `{"password":"`+present+`","new_password":"`+wanted+`"}`, headers...)
	}
	if where := change(other, other, phone.bearer()...).problem(t, http.StatusUnprocessableEntity, "wrong_password"); len(where) != 1 || where[0] != "body.password" {
		t.Errorf("a wrong password is named at %v", where)
	}
	change(password, "short", phone.bearer()...).errorsAt(t, "body.new_password")
	var ci token
	a.do(t, "POST", "/v1/tokens", `{"name":"ci"}`, ada.bearer()...).decode(t, http.StatusCreated, &ci)
	change(password, other, "Authorization", "Bearer "+ci.Secret).problem(t, http.StatusForbidden, "not_permitted")
	if got := change(password, other, phone.bearer()...); got.status != http.StatusNoContent {
		t.Fatalf("change: %d %s", got.status, got.body)
	}
	a.do(t, "GET", "/v1/account", "", phone.bearer()...).decode(t, http.StatusOK, &account{})
	a.do(t, "GET", "/v1/account", "", ada.bearer()...).problem(t, http.StatusUnauthorized, "bad_token")
	a.do(t, "POST", "/v1/login", credentials).problem(t, http.StatusUnauthorized, "bad_credentials")
	a.do(t, "POST", "/v1/password/reset", `{"secret":"`+forgotten+`","password":"`+password+`"}`).problem(t, http.StatusUnprocessableEntity, "link_not_good")
	if text := a.letters(t, "ada@example.com")[0]; !strings.Contains(text, "was changed") {
		t.Errorf("who has changed the password is told\n%s", text)
	}
}

// TestGuessingThePresentPassword: whoever has a session does not get at the password by
// trying.
func TestGuessingThePresentPassword(t *testing.T) {
	t.Parallel()
	a := startWith(t, func(d *gateway.Deps) {
		d.Limits.Failures = gateway.Rate{PerSecond: 0.001, Burst: 3}
	})
	ada := a.signUp(t, "ada@example.com")
	for i := range 5 {
		got := a.do(t, "POST", "/v1/account/password", `{"password":"a wrong password","new_password":"`+other+`"}`, ada.bearer()...)
		if (got.status == http.StatusTooManyRequests) != (i >= 3) {
			t.Errorf("guess %d: %d %s", i, got.status, got.body)
		}
	}
}
