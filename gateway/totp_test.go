//go:build integration

package gateway_test

import (
	"bytes"
	"encoding/base32"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/pquerna/otp/totp"

	"github.com/marina-cloud/marina/gateway"
)

// confirm gives the password again, as before a change of how somebody logs in.
func (a account) confirm(t *testing.T, api *api) {
	t.Helper()
	got := api.do(t, "POST", "/v1/sessions/current/confirm", `{"password":"`+password+`"}`, a.bearer()...)
	if got.status != http.StatusNoContent {
		t.Fatalf("confirm: %d %s", got.status, got.body)
	}
}

// authenticator is what is on somebody's phone.
type authenticator struct {
	Secret   string   `json:"secret"`
	URL      string   `json:"url"`
	QR       []string `json:"qr"`
	Recovery []string `json:"recovery_codes"`
}

// code is the one that is shown so many steps of time from now.
func (f authenticator) code(t *testing.T, steps int) string {
	t.Helper()
	code, err := totp.GenerateCode(f.Secret, time.Now().Add(time.Duration(steps)*30*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// wrongCode is not the code of any time near.
func (f authenticator) wrongCode(t *testing.T) string {
	t.Helper()
	near := map[string]bool{}
	for steps := -3; steps <= 3; steps++ {
		near[f.code(t, steps)] = true
	}
	for i := 0; ; i++ {
		if code := fmt.Sprintf("%06d", i); !near[code] {
			return code
		}
	}
}

// withTOTP gives somebody a second factor; the code of the step before now is used up.
func (a *api) withTOTP(t *testing.T, who account) (f authenticator) {
	t.Helper()
	who.confirm(t, a)
	a.do(t, "POST", "/v1/account/totp", "", who.bearer()...).decode(t, http.StatusCreated, &f)
	a.do(t, "POST", "/v1/account/totp/enable", fmt.Sprintf(`{"code":%q}`, f.code(t, -1)), who.bearer()...).decode(t, http.StatusOK, &f)
	return f
}

// logInWith tries to log Ada in.
func (a *api) logInWith(t *testing.T, password, code string, headers ...string) answer {
	t.Helper()
	return a.do(t, "POST", "/v1/login", fmt.Sprintf(`{"email":"ada@example.com","password":%q,"code":%q}`, password, code), headers...)
}

func TestTOTP(t *testing.T) {
	t.Parallel()
	a := startWith(t, func(d *gateway.Deps) {
		many := gateway.Rate{PerSecond: 100, Burst: 100} // this is not about guessing
		d.Limits.Attempts, d.Limits.Failures, d.Limits.Codes = many, many, many
	})
	ada, eve := a.signUp(t, "ada@example.com"), a.signUp(t, "eve@example.com")
	a.do(t, "POST", "/v1/account/totp", "", ada.bearer()...).problem(t, http.StatusForbidden, "confirmation_needed")
	for body, where := range map[string]string{`{}`: "body.password", `{"password":"x","code":"1"}`: "body.password", `{"password":"not hers"}`: "body.password"} {
		a.do(t, "POST", "/v1/sessions/current/confirm", body, ada.bearer()...).errorsAt(t, where)
	}
	a.do(t, "POST", "/v1/sessions/current/confirm", `{"code":"123456"}`, ada.bearer()...).problem(t, http.StatusNotFound, "totp_not_found")
	ada.confirm(t, a)
	var f authenticator
	a.do(t, "POST", "/v1/account/totp", "", ada.bearer()...).decode(t, http.StatusCreated, &f)
	if len(f.QR) < 21 || !strings.Contains(f.URL, f.Secret) {
		t.Errorf("authenticator %+v", f)
	}
	if got := a.logInWith(t, password, ""); got.status != http.StatusCreated {
		t.Errorf("what is not enabled is asked for: %d %s", got.status, got.body)
	}
	a.do(t, "POST", "/v1/account/totp/enable", fmt.Sprintf(`{"code":%q}`, f.wrongCode(t)), ada.bearer()...).errorsAt(t, "body.code")
	enabling := f.code(t, -1)
	a.do(t, "POST", "/v1/account/totp/enable", fmt.Sprintf(`{"code":%q}`, enabling), ada.bearer()...).decode(t, http.StatusOK, &f)
	if len(f.Recovery) != 10 {
		t.Fatalf("recovery codes %v", f.Recovery)
	}
	a.do(t, "POST", "/v1/account/totp", "", ada.bearer()...).problem(t, http.StatusConflict, "totp_enabled")
	a.do(t, "POST", "/v1/account/totp/enable", fmt.Sprintf(`{"code":%q}`, f.code(t, 1)), ada.bearer()...).problem(t, http.StatusConflict, "totp_enabled")

	a.logInWith(t, password, "").problem(t, http.StatusUnauthorized, "second_factor_needed")
	a.logInWith(t, "not hers at all", f.code(t, 0)).problem(t, http.StatusUnauthorized, "bad_credentials")
	for why, code := range map[string]string{"wrong": f.wrongCode(t), "used when it was enabled": enabling, "no code": "x"} {
		if got := a.logInWith(t, password, code); got.status != http.StatusUnauthorized {
			t.Errorf("a code that is %s: %d %s", why, got.status, got.body)
		}
	}
	code := f.code(t, 0)
	if got := a.logInWith(t, password, code[:3]+" "+code[3:]); got.status != http.StatusCreated {
		t.Errorf("a good code as it is shown: %d %s", got.status, got.body)
	}
	a.logInWith(t, password, code).problem(t, http.StatusUnauthorized, "bad_code") // replayed
	var who account
	a.logInWith(t, password, f.Recovery[0]).decode(t, http.StatusCreated, &who)
	a.logInWith(t, password, f.Recovery[0]).problem(t, http.StatusUnauthorized, "bad_code")
	a.do(t, "POST", "/v1/login", fmt.Sprintf(`{"email":"eve@example.com","password":%q,"code":%q}`, password, f.Recovery[1])).decode(t, http.StatusCreated, &eve)

	var state struct {
		Enabled bool `json:"enabled"`
		Left    int  `json:"recovery_codes_left"`
	}
	a.do(t, "GET", "/v1/account/totp", "", who.bearer()...).decode(t, http.StatusOK, &state)
	if !state.Enabled || state.Left != 9 {
		t.Errorf("state %+v, want 9 recovery codes", state)
	}
	for method, path := range map[string]string{"DELETE": "/v1/account/totp", "POST": "/v1/account/recovery-codes"} {
		a.do(t, method, path, "", who.bearer()...).problem(t, http.StatusForbidden, "confirmation_needed")
	}
	a.do(t, "POST", "/v1/sessions/current/confirm", fmt.Sprintf(`{"code":%q}`, f.wrongCode(t)), who.bearer()...).errorsAt(t, "body.code")
	if got := a.do(t, "POST", "/v1/sessions/current/confirm", fmt.Sprintf(`{"code":%q}`, f.Recovery[2]), who.bearer()...); got.status != http.StatusNoContent {
		t.Fatalf("confirm by code: %d %s", got.status, got.body)
	}
	old := slices.Clone(f.Recovery)
	a.do(t, "POST", "/v1/account/recovery-codes", "", who.bearer()...).decode(t, http.StatusOK, &f)
	a.logInWith(t, password, old[3]).problem(t, http.StatusUnauthorized, "bad_code")
	a.checkSealed(t, ada, f)
	if got := a.do(t, "DELETE", "/v1/account/totp", "", who.bearer()...); got.status != http.StatusNoContent {
		t.Errorf("remove: %d %s", got.status, got.body)
	}
	a.do(t, "DELETE", "/v1/account/totp", "", who.bearer()...).problem(t, http.StatusNotFound, "totp_not_found")
	if got := a.logInWith(t, password, ""); got.status != http.StatusCreated {
		t.Errorf("log in without the second factor: %d %s", got.status, got.body)
	}
	for _, secret := range append(old, f.Secret, code, password) {
		if strings.Contains(a.log.String(), secret) {
			t.Errorf("the log has %q", secret)
		}
	}
}

// checkSealed: whoever reads the tables can neither show a code nor recover.
func (a *api) checkSealed(t *testing.T, who account, f authenticator) {
	t.Helper()
	raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(f.Secret)
	if err != nil {
		t.Fatal(err)
	}
	err = a.db.AsLogin(t.Context(), func(tx pgx.Tx) error {
		var sealed, recovery []byte
		err := tx.QueryRow(t.Context(), "SELECT sealed, (SELECT string_agg(hash, '') FROM recovery_codes) FROM totp WHERE user_id = $1", who.User).Scan(&sealed, &recovery)
		if bytes.Contains(sealed, raw) || bytes.Contains(sealed, []byte(f.Secret)) || len(recovery) != 320 || bytes.Contains(recovery, []byte(strings.ReplaceAll(f.Recovery[0], "-", ""))) {
			t.Error("the tables hold what only the person may know")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestGuessingCodes is somebody who knows the password and tries codes. They learn
// nothing more once they are throttled, and strangers who do not know it cannot shut
// the owner out.
func TestGuessingCodes(t *testing.T) {
	t.Parallel()
	a := startWith(t, func(d *gateway.Deps) {
		behindProxy(d)
		d.Limits.Codes = gateway.Rate{PerSecond: 0.0001, Burst: 3}
	})
	f := a.withTOTP(t, a.signUp(t, "ada@example.com"))
	for i := range 5 {
		a.logInWith(t, "a wrong password", f.wrongCode(t), from(fmt.Sprintf("198.51.100.%d", i+50))...).problem(t, http.StatusUnauthorized, "bad_credentials")
	}
	for i := range 5 { // asked for the code, nobody has tried one
		a.logInWith(t, password, "", from(fmt.Sprintf("198.51.100.%d", i+100))...).problem(t, http.StatusUnauthorized, "second_factor_needed")
	}
	guesses := 0
	for i := range 10 {
		got := a.logInWith(t, password, f.wrongCode(t), from(fmt.Sprintf("198.51.100.%d", i+2))...)
		if got.status == http.StatusTooManyRequests {
			break
		}
		got.problem(t, http.StatusUnauthorized, "bad_code")
		guesses++
	}
	if guesses != 3 {
		t.Errorf("%d guesses of a code from many addresses, want 3", guesses)
	}
	var answers []string
	for i, tc := range []struct{ password, code string }{
		{password, f.code(t, 0)}, {password, f.wrongCode(t)}, {password, ""}, {"a wrong password", ""}, {"a wrong password", f.code(t, 0)}, {password, f.Recovery[0]},
	} {
		got := a.logInWith(t, tc.password, tc.code, from(fmt.Sprintf("203.0.113.%d", i+100), "X-Request-Id", "the-same-id")...)
		got.tooMany(t)
		answers = append(answers, got.body)
	}
	for _, body := range answers[1:] {
		if waitless(body) != waitless(answers[0]) {
			t.Errorf("who is throttled is told more: %s and %s", answers[0], body)
		}
	}
	if got := a.do(t, "POST", "/v1/login", `{"email":"eve@example.com","password":"a wrong password","code":"123456"}`, from(flooder)...); got.status != http.StatusUnauthorized {
		t.Errorf("control: another account: %d", got.status)
	}
}

// waitless is an answer without how long to wait, which passes.
func waitless(body string) string {
	before, after, _ := strings.Cut(body, "Wait ")
	_, after, _ = strings.Cut(after, " s ")
	return before + after
}
