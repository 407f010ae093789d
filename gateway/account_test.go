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

func TestSignUpNamesEveryWrongField(t *testing.T) {
	t.Parallel()
	a := start(t)
	const goodEmail, goodPassword = `"email":"ada@example.com"`, `"password":"correct horse battery"`
	long := strings.Repeat("x", 101)
	for name, tc := range map[string]struct {
		body, why string
		want      []string
	}{
		"Empty":           {`{}`, "what is missing is named, each by itself", []string{"body.email", "body.password"}},
		"Email":           {`{"email":"ada",` + goodPassword + `}`, "", []string{"body.email"}},
		"EmailWithName":   {`{"email":"Ada <ada@example.com>",` + goodPassword + `}`, "it must be the bare address", []string{"body.email"}},
		"EmailNUL":        {`{"email":"\u0000@example.com",` + goodPassword + `}`, "Postgres refuses it", []string{"body.email"}},
		"EmailNotASCII":   {`{"email":"äda@example.com",` + goodPassword + `}`, "look-alikes", []string{"body.email"}},
		"EmailType":       {`{"email":7,` + goodPassword + `}`, "one complaint for one field", []string{"body.email"}},
		"PasswordShort":   {`{` + goodEmail + `,"password":"hunter2"}`, "", []string{"body.password"}},
		"PasswordLong":    {`{` + goodEmail + `,"password":"hunter2` + strings.Repeat("x", 194) + `"}`, "hashing stays cheap", []string{"body.password"}},
		"PasswordNull":    {`{` + goodEmail + `,"password":null}`, "null is not a password", []string{"body.password"}},
		"Organization":    {`{` + goodEmail + `,` + goodPassword + `,"organization":"` + long + `"}`, "", []string{"body.organization"}},
		"OrganizationNUL": {`{` + goodEmail + `,` + goodPassword + `,"organization":"a\u0000b"}`, "Postgres refuses it", []string{"body.organization"}},
		"Unknown":         {`{` + goodEmail + `,` + goodPassword + `,"organisation":"x"}`, "a misspelled field is not ignored", []string{"body.organisation"}},
		"Case":            {`{` + goodEmail + `,` + goodPassword + `,"Organization":"x"}`, "names are exact", []string{"body.Organization"}},
		"All":             {`{"email":"no","password":"hunter2","organization":"` + long + `","x":1}`, "all at once", []string{"body.email", "body.password", "body.organization", "body.x"}},
		"NoObject":        {`["hunter2"]`, "", []string{"body", "body.email", "body.password"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := a.do(t, "POST", "/v1/signup", tc.body)
			got.errorsAt(t, tc.want...)
			if strings.Contains(got.body, "hunter2") {
				t.Errorf("the answer repeats the password: %s", got.body)
			}
		})
	}
	if strings.Contains(a.log.String(), "hunter2") {
		t.Errorf("the log has the password: %s", a.log)
	}
}

func TestSignUp(t *testing.T) {
	t.Parallel()
	a := start(t)
	got := a.do(t, "POST", "/v1/signup", `{"email":"Ada@Example.com","password":"`+password+`","organization":" Analytical Engines "}`)
	var who account
	got.decode(t, http.StatusCreated, &who)
	if who.Email != "ada@example.com" || who.Name != "Analytical Engines" || who.Token.Secret == "" {
		t.Errorf("signed up as %+v", who)
	}
	if strings.Contains(got.body, password) {
		t.Errorf("the answer repeats the password: %s", got.body)
	}
	var me account
	a.do(t, "GET", "/v1/account", "", who.bearer()...).decode(t, http.StatusOK, &me)
	if me.User != who.User || me.Organization != who.Organization || me.Name != who.Name || me.Token.Secret != "" {
		t.Errorf("account is %+v, want that of %+v without a token", me, who)
	}
	a.do(t, "POST", "/v1/signup", `{"email":"ADA@example.com","password":"another long password"}`).problem(t, http.StatusConflict, "email_taken")

	long := strings.Repeat("a", 60) + "@" + strings.Repeat("b", 60) + ".test"
	if who := a.signUp(t, long); who.Name != long[:100] {
		t.Errorf("organization without a name is called %q", who.Name)
	}
	for _, secret := range []string{password, "another long password", who.Token.Secret} {
		if strings.Contains(a.log.String(), secret) {
			t.Errorf("the log has the secret %q", secret)
		}
	}
}

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
