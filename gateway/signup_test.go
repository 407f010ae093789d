//go:build integration

package gateway_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/marina-cloud/marina/gateway"
	"github.com/marina-cloud/marina/gateway/identity"
)

func TestSignUpNamesEveryWrongField(t *testing.T) {
	t.Parallel()
	a := start(t)
	const goodSecret, goodPassword = `"secret":"x"`, `"password":"correct horse battery"`
	long := strings.Repeat("x", 101)
	for name, tc := range map[string]struct {
		path, body, why string
		want            []string
	}{
		"Empty":           {"", `{}`, "what is missing is named", []string{"body.email"}},
		"Email":           {"", `{"email":"ada"}`, "", []string{"body.email"}},
		"EmailWithName":   {"", `{"email":"Ada <ada@example.com>"}`, "it must be the bare address", []string{"body.email"}},
		"EmailNUL":        {"", `{"email":"\u0000@example.com"}`, "Postgres refuses it", []string{"body.email"}},
		"EmailLine":       {"", `{"email":"ada@example.com\r\nBcc: eve@example.com"}`, "a header of its own", []string{"body.email"}},
		"EmailNotASCII":   {"", `{"email":"äda@example.com"}`, "look-alikes", []string{"body.email"}},
		"EmailType":       {"", `{"email":7}`, "one complaint for one field", []string{"body.email"}},
		"PasswordTooSoon": {"", `{"email":"ada@example.com","password":"hunter2"}`, "it is chosen when the mail was read", []string{"body.password"}},
		"EmptyVerify":     {"/verify", `{}`, "each by itself", []string{"body.secret", "body.password"}},
		"PasswordShort":   {"/verify", `{` + goodSecret + `,"password":"hunter2"}`, "", []string{"body.password"}},
		"PasswordLong":    {"/verify", `{` + goodSecret + `,"password":"hunter2` + strings.Repeat("x", 194) + `"}`, "hashing stays cheap", []string{"body.password"}},
		"PasswordNull":    {"/verify", `{` + goodSecret + `,"password":null}`, "null is not a password", []string{"body.password"}},
		"Organization":    {"/verify", `{` + goodSecret + `,` + goodPassword + `,"organization":"` + long + `"}`, "", []string{"body.organization"}},
		"OrganizationNUL": {"/verify", `{` + goodSecret + `,` + goodPassword + `,"organization":"a\u0000b"}`, "Postgres refuses it", []string{"body.organization"}},
		"Unknown":         {"/verify", `{` + goodSecret + `,` + goodPassword + `,"organisation":"x"}`, "a misspelled field is not ignored", []string{"body.organisation"}},
		"Case":            {"/verify", `{` + goodSecret + `,` + goodPassword + `,"Organization":"x"}`, "names are exact", []string{"body.Organization"}},
		"All":             {"/verify", `{` + goodSecret + `,"password":"hunter2","name":"a\nb","organization":"` + long + `","x":1}`, "all at once", []string{"body.password", "body.name", "body.organization", "body.x"}},
		"NoObject":        {"/verify", `["hunter2"]`, "", []string{"body", "body.password"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := a.do(t, "POST", "/v1/signup"+tc.path, tc.body)
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
	a.do(t, "POST", "/v1/signup", `{"email":"Ada@Example.com"}`).decode(t, http.StatusAccepted, &struct{}{})
	secret := a.link(t, "ada@example.com")
	got := a.do(t, "POST", "/v1/signup/verify", `{"secret":"`+secret+`","password":"`+password+`","name":" Ada ","organization":" Analytical Engines "}`)
	var who account
	got.decode(t, http.StatusCreated, &who)
	if who.Email != "ada@example.com" || who.Name != "Analytical Engines" || who.Token.Secret == "" {
		t.Errorf("signed up as %+v", who)
	}
	if strings.Contains(got.body, password) || strings.Contains(got.body, secret) {
		t.Errorf("the answer repeats a secret: %s", got.body)
	}
	var me account
	a.do(t, "GET", "/v1/account", "", who.bearer()...).decode(t, http.StatusOK, &me)
	if me.User != who.User || me.Organization != who.Organization || me.Name != who.Name || me.Token.Secret != "" {
		t.Errorf("account is %+v, want that of %+v without a token", me, who)
	}
	a.do(t, "POST", "/v1/login", credentials).decode(t, http.StatusCreated, &account{})

	long := strings.Repeat("a", 60) + "@" + strings.Repeat("b", 60) + ".test"
	if who := a.signUp(t, long); who.Name != long[:100] {
		t.Errorf("organization without a name is called %q", who.Name)
	}
	for _, secret := range []string{password, secret, who.Token.Secret} {
		if strings.Contains(a.log.String(), secret) {
			t.Errorf("the log has the secret %q", secret)
		}
	}
}

// TestLinks: a link is good once, for its time, for what it was sent for, and whole.
func TestLinks(t *testing.T) {
	t.Parallel()
	a := start(t)
	ada := a.signUp(t, "ada@example.com")
	ask := func(path, email string) string {
		a.do(t, "POST", path, `{"email":"`+email+`"}`).decode(t, http.StatusAccepted, &struct{}{})
		return a.link(t, email)
	}
	use := func(path, secret string) answer {
		return a.do(t, "POST", path, `{"secret":"`+secret+`","password":"another long password"}`)
	}
	const verify, reset = "/v1/signup/verify", "/v1/password/reset"
	first, second := ask("/v1/signup", "bob@example.com"), ask("/v1/signup", "bob@example.com")
	forgotten, again := ask("/v1/password/forgot", "ada@example.com"), ask("/v1/password/forgot", "ada@example.com")
	for why, got := range map[string]answer{
		"a part of it is missing":           use(verify, first[:len(first)-1]),
		"it was never sent":                 use(verify, identity.NewSecret()),
		"it is a session's":                 use(verify, ada.Token.Secret),
		"it is that of a forgotten one":     use(verify, forgotten),
		"it is no secret":                   use(reset, "x"),
		"it is that of a sign-up":           use(reset, first),
		"it is nobody's, in another letter": use(reset, strings.ToUpper(forgotten)),
	} {
		if got.problem(t, http.StatusUnprocessableEntity, "link_not_good"); strings.Contains(got.body, "marina_") {
			t.Errorf("%s: the answer repeats it: %s", why, got.body)
		}
	}
	use(verify, first).decode(t, http.StatusCreated, &account{})
	if got := use(reset, forgotten); got.status != http.StatusNoContent {
		t.Fatalf("a good link: %d %s", got.status, got.body)
	}
	for why, got := range map[string]answer{
		"it was used": use(verify, first),
		"another sign-up of the address was used": use(verify, second),
		"it was used to reset":                    use(reset, forgotten),
		"another reset of the account was used":   use(reset, again),
	} {
		if got.status != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d %s", why, got.status, got.body)
		}
	}
	late, old := ask("/v1/signup", "eve@example.com"), ask("/v1/password/forgot", "ada@example.com")
	a.exec(t, "UPDATE signups SET expires_at = now() - interval '1 second'")
	a.exec(t, "UPDATE password_resets SET expires_at = now() - interval '1 second'")
	use(verify, late).problem(t, http.StatusUnprocessableEntity, "link_not_good")
	use(reset, old).problem(t, http.StatusUnprocessableEntity, "link_not_good")
	for _, secret := range []string{first, second, forgotten, again, late, old} {
		if strings.Contains(a.log.String(), secret) {
			t.Errorf("the log has the secret of a link")
		}
	}
}

// TestLinkAtOnce: many readers of one mail make one account.
func TestLinkAtOnce(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.do(t, "POST", "/v1/signup", `{"email":"ada@example.com"}`).decode(t, http.StatusAccepted, &struct{}{})
	secret := a.link(t, "ada@example.com")
	var all sync.WaitGroup
	statuses := make(chan int, 6)
	for range cap(statuses) {
		all.Go(func() {
			statuses <- a.do(t, "POST", "/v1/signup/verify", `{"secret":"`+secret+`","password":"`+password+`"}`).status
		})
	}
	all.Wait()
	close(statuses)
	var made int
	for status := range statuses {
		switch status {
		case http.StatusCreated:
			made++
		case http.StatusUnprocessableEntity:
		default:
			t.Errorf("answer %d", status)
		}
	}
	if made != 1 {
		t.Errorf("%d accounts of one link", made)
	}
}

// TestPasswordOfAStranger: whoever signs up with somebody else's address has chosen
// nothing that is theirs later.
func TestPasswordOfAStranger(t *testing.T) {
	t.Parallel()
	a := start(t)
	stranger := a.do(t, "POST", "/v1/signup", `{"email":"ada@example.com"}`)
	stranger.decode(t, http.StatusAccepted, &struct{}{})
	if text := a.letters(t, "ada@example.com")[0]; strings.Contains(stranger.body, a.link(t, "ada@example.com")) || !strings.Contains(text, "http://localhost:8080/verify#") {
		t.Errorf("the stranger is told %s; the mail says\n%s", stranger.body, text)
	}
	// A page in front of Marina may call itself what it wants: links lead to Marina.
	a.do(t, "POST", "/v1/signup", `{"email":"ada@example.com"}`, "X-Forwarded-Host", "evil.example", "Origin", "http://localhost:8080").decode(t, http.StatusAccepted, &struct{}{})
	if text := a.letters(t, "ada@example.com")[0]; strings.Contains(text, "evil.example") {
		t.Errorf("the mail says\n%s", text)
	}
}

// TestEnumeration: whether an address has an account is told to nobody but who reads
// its mails.
func TestEnumeration(t *testing.T) {
	t.Parallel()
	a := startWith(t, func(d *gateway.Deps) {
		d.Limits.Attempts, d.Limits.Letters = gateway.Rate{PerSecond: 1000, Burst: 1000}, gateway.Rate{PerSecond: 1000, Burst: 1000}
	})
	a.signUp(t, "ada@example.com")
	for path, mails := range map[string][2]string{
		"/v1/signup":          {"It has an account already.", "/verify#"},
		"/v1/password/forgot": {"/reset#", "There is none."},
	} {
		took := [2][]time.Duration{}
		var answers [2]answer
		for n := range 15 {
			for i, email := range []string{"ada@example.com", "bob@example.com"} {
				begun := time.Now()
				answers[i] = a.do(t, "POST", path, `{"email":"`+email+`"}`, "X-Request-Id", "the-same-id")
				took[i] = append(took[i], time.Since(begun))
				if answers[i].status != http.StatusAccepted {
					t.Fatalf("%s: %d %s", path, answers[i].status, answers[i].body)
				}
				if n == 0 {
					if text := a.letters(t, email)[0]; !strings.Contains(text, mails[i]) {
						t.Errorf("%s: the mail to %s says\n%s", path, email, text)
					}
				}
			}
		}
		if known, unknown := strings.Replace(answers[0].body, "ada", "bob", 1), answers[1].body; known != unknown ||
			!maps.EqualFunc(told(answers[0].header), told(answers[1].header), slices.Equal) {
			t.Errorf("%s tells a known address from an unknown one:\n%s %v\n%s %v", path, known, answers[0].header, unknown, answers[1].header)
		}
		slices.Sort(took[0])
		slices.Sort(took[1])
		if known, unknown := took[0][7], took[1][7]; known > 3*unknown || unknown > 3*known {
			t.Errorf("%s takes %s for a known address and %s for an unknown one", path, known, unknown)
		}
	}
}

// TestFloodOfMails: nobody fills somebody's mailbox by Marina, and guesses of links are
// counted.
func TestFloodOfMails(t *testing.T) {
	t.Parallel()
	a := startWith(t, func(d *gateway.Deps) {
		behindProxy(d)
		d.Limits.Letters = gateway.Rate{PerSecond: 0.001, Burst: 3}
		d.Limits.Attempts = gateway.Rate{PerSecond: 0.001, Burst: 6}
	})
	a.signUp(t, "ada@example.com") // one mail
	for i := range 6 {
		path := []string{"/v1/signup", "/v1/password/forgot"}[i%2]
		got := a.do(t, "POST", path, `{"email":"ADA@example.com"}`, from(fmt.Sprintf("198.51.%d.7", i+1))...)
		if (got.status == http.StatusTooManyRequests) != (i >= 2) {
			t.Errorf("mail %d, whoever asks: %d %s", i+1, got.status, got.body)
		}
	}
	if n := len(a.letters(t, "ada@example.com")); n != 3 {
		t.Errorf("%d mails were sent", n)
	}
	for i := range 8 {
		path := []string{"/v1/signup/verify", "/v1/password/reset"}[i%2]
		got := a.do(t, "POST", path, `{"secret":"`+identity.NewSecret()+`","password":"`+password+`"}`, from(flooder)...)
		if (got.status == http.StatusTooManyRequests) != (i >= 6) {
			t.Errorf("guess %d: %d %s", i, got.status, got.body)
		}
	}
}

// TestSignUpFixation: whoever plants a session's secret in a browser has nothing of it
// once somebody signs up there.
func TestSignUpFixation(t *testing.T) {
	t.Parallel()
	a := start(t)
	eve := a.signUp(t, "eve@example.com")
	a.do(t, "POST", "/v1/signup", `{"email":"ada@example.com"}`, "Cookie", "marina_session="+eve.Token.Secret).decode(t, http.StatusAccepted, &struct{}{})
	body := `{"secret":"` + a.link(t, "ada@example.com") + `","password":"` + password + `","cookie":true}`
	got := a.do(t, "POST", "/v1/signup/verify", body, "Cookie", "marina_session="+eve.Token.Secret)
	c := got.cookieOf(t)
	if c.Value == eve.Token.Secret || !c.HttpOnly || strings.Contains(got.body, c.Value) {
		t.Errorf("cookie %+v, answer %s", c, got.body)
	}
	a.do(t, "GET", "/v1/account", "", eve.bearer()...).problem(t, http.StatusUnauthorized, "bad_token")
	var who account
	if a.do(t, "GET", "/v1/account", "", "Cookie", "marina_session="+c.Value).decode(t, http.StatusOK, &who); who.Email != "ada@example.com" {
		t.Errorf("logged in as %s", who.Email)
	}
	// Another site's page signs nobody up.
	a.do(t, "POST", "/v1/signup/verify", body, "Origin", "https://evil.example").problem(t, http.StatusForbidden, "cross_origin")
}
