//go:build integration

package gateway_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/gateway/identity"
)

func TestLogIn(t *testing.T) {
	t.Parallel()
	a := start(t)
	who := a.signUp(t, "ada@example.com")
	var again account
	a.do(t, "POST", "/v1/login", `{"email":" ADA@example.com","password":"`+password+`"}`).decode(t, http.StatusCreated, &again)
	if again.User != who.User || again.Name != who.Name || again.Token.Secret == who.Token.Secret {
		t.Errorf("logged in as %+v, want %+v with a new token", again, who)
	}

	same := []string{"X-Request-Id", "the-same-id"} // which answers tell
	wrong := a.do(t, "POST", "/v1/login", `{"email":"ada@example.com","password":"hunter2"}`, same...)
	wrong.problem(t, http.StatusUnauthorized, "bad_credentials")
	for why, body := range map[string]string{
		"an unknown address must not be told from a wrong password":    `{"email":"eve@example.com","password":"hunter2"}`,
		"neither must one that no account can have":                    `{"email":"\u0000","password":"hunter2"}`,
		"a password that was never good is wrong like any other":       `{"email":"ada@example.com","password":""}`,
		"an empty address is an unknown one, like any that is no good": `{"email":"","password":"hunter2"}`,
	} {
		got := a.do(t, "POST", "/v1/login", body, same...)
		got.problem(t, http.StatusUnauthorized, "bad_credentials")
		if got.body != wrong.body {
			t.Errorf("answers differ: %s and %s: %s", got.body, wrong.body, why)
		}
	}
	a.do(t, "POST", "/v1/login", `{}`).errorsAt(t, "body.email", "body.password")
	if strings.Contains(a.log.String(), "hunter2") {
		t.Errorf("the log has the password: %s", a.log)
	}
}

func TestBearer(t *testing.T) {
	t.Parallel()
	a := start(t)
	who := a.signUp(t, "ada@example.com")
	good := who.Token.Secret
	for name, tc := range map[string]struct{ header, code string }{
		"Missing":   {"", "no_credentials"},
		"NoScheme":  {good, "no_credentials"},
		"Basic":     {"Basic " + good, "no_credentials"},
		"NoSecret":  {"Bearer ", "no_credentials"},
		"Malformed": {"Bearer hunter2", "bad_token"},
		"Mistyped":  {"Bearer " + good[:len(good)-1], "bad_token"},
		"Unknown":   {"Bearer " + identity.NewSecret(), "bad_token"},
		"TwoTokens": {"Bearer " + good + " " + good, "bad_token"},
	} {
		t.Run(name, func(t *testing.T) {
			var headers []string
			if tc.header != "" {
				headers = []string{"Authorization", tc.header}
			}
			a.do(t, "GET", "/v1/account", "", headers...).problem(t, http.StatusUnauthorized, tc.code)
		})
	}
	for _, scheme := range []string{"bearer ", "BEARER  "} { // RFC 9110, 11.1: in any case
		if got := a.do(t, "GET", "/v1/account", "", "Authorization", scheme+good); got.status != http.StatusOK {
			t.Errorf("scheme %q: %d", scheme, got.status)
		}
	}

	err := a.db.AsLogin(t.Context(), func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "UPDATE sessions SET expires_at = $2 WHERE id = $1", who.Token.ID, time.Now().Add(-time.Second))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	a.do(t, "GET", "/v1/account", "", who.bearer()...).problem(t, http.StatusUnauthorized, "bad_token")
	if strings.Contains(a.log.String(), good) {
		t.Error("the log has a token's secret")
	}
}
