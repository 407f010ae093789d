//go:build integration

package gateway_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/marina-cloud/marina/gateway"
	"github.com/marina-cloud/marina/gateway/identity"
)

const credentials = `{"email":"ada@example.com","password":"` + password + `","cookie":true}`

// cookieOf is the cookie that an answer sets.
func (a answer) cookieOf(t *testing.T) *http.Cookie {
	t.Helper()
	all := (&http.Response{Header: a.header}).Cookies()
	if len(all) != 1 {
		t.Fatalf("cookies: %v, want one", all)
	}
	return all[0]
}

func TestCookie(t *testing.T) {
	t.Parallel()
	for url, name := range map[string]string{"http://localhost:8080": "marina_session", "https://marina.example.com": "__Host-marina_session"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := startWith(t, func(d *gateway.Deps) { d.PublicURL = url })
			a.signUp(t, "ada@example.com")
			got := a.do(t, "POST", "/v1/login", credentials)
			var who account
			got.decode(t, http.StatusCreated, &who)
			c := got.cookieOf(t)
			if c.Name != name || c.Secure != strings.HasPrefix(url, "https") || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" || c.MaxAge <= 0 {
				t.Errorf("cookie %+v", c)
			}
			if who.Token.Secret != "" || strings.Contains(got.body, c.Value) {
				t.Errorf("the answer shows the secret to scripts, too: %s", got.body)
			}
			cookie := []string{"Cookie", c.Name + "=" + c.Value}
			a.do(t, "GET", "/v1/account", "", cookie...).decode(t, http.StatusOK, &who)
			a.do(t, "GET", "/v1/account", "", "Cookie", "other_session="+c.Value).problem(t, http.StatusUnauthorized, "no_credentials")

			gone := a.do(t, "DELETE", "/v1/sessions/current", "", cookie...)
			if c := gone.cookieOf(t); gone.status != http.StatusNoContent || c.Name != name || c.Value != "" || c.MaxAge >= 0 {
				t.Errorf("log out: %d, cookie %+v", gone.status, c)
			}
			a.do(t, "GET", "/v1/account", "", cookie...).problem(t, http.StatusUnauthorized, "bad_token")
			if strings.Contains(a.log.String(), c.Value) {
				t.Error("the log has a session's secret")
			}
		})
	}
}

// TestForgedRequest is a page of another site that makes a browser send requests with
// the cookie of whoever looks at it.
func TestForgedRequest(t *testing.T) {
	t.Parallel()
	a := startWith(t, func(d *gateway.Deps) { d.PublicURL = "https://marina.example.com" })
	a.signUp(t, "ada@example.com")
	c := a.do(t, "POST", "/v1/login", credentials).cookieOf(t)
	cookie := []string{"Cookie", c.Name + "=" + c.Value}
	for name, tc := range map[string]struct {
		headers []string
		ok      bool
	}{
		"AnotherSite":      {[]string{"Sec-Fetch-Site", "cross-site"}, false},
		"AnotherSubdomain": {[]string{"Sec-Fetch-Site", "same-site"}, false},
		"OldBrowser":       {[]string{"Origin", "https://evil.example"}, false},
		"NullOrigin":       {[]string{"Origin", "null"}, false},
		"OwnPage":          {[]string{"Sec-Fetch-Site", "same-origin"}, true},
		"OwnPageByProxy":   {[]string{"Origin", "https://marina.example.com"}, true},
		"NoBrowser":        {nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			headers := slices.Concat(cookie, tc.headers)
			got := a.do(t, "POST", "/v1/clusters", `{"name":"`+strings.ToLower(name)+`"}`, headers...)
			if tc.ok && got.status != http.StatusCreated {
				t.Errorf("refused: %d %s", got.status, got.body)
			}
			if !tc.ok {
				got.problem(t, http.StatusForbidden, "cross_origin")
				// Nor may a page log its visitor in as somebody else, or out.
				a.do(t, "POST", "/v1/login", credentials, tc.headers...).problem(t, http.StatusForbidden, "cross_origin")
				a.do(t, "DELETE", "/v1/sessions/current", "", headers...).problem(t, http.StatusForbidden, "cross_origin")
			}
		})
	}
	if got := a.do(t, "GET", "/v1/clusters", "", append(cookie, "Sec-Fetch-Site", "cross-site")...); got.status != http.StatusOK || strings.Contains(got.body, "anothersite") {
		t.Errorf("clusters: %d %s", got.status, got.body)
	}
}

// TestSessionFixation: whoever plants a session's secret in a browser has nothing of
// it once somebody logs in there.
func TestSessionFixation(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.signUp(t, "ada@example.com")
	eve := a.signUp(t, "eve@example.com")
	for name, planted := range map[string]string{"Unknown": identity.NewSecret(), "Another's": eve.Token.Secret} {
		t.Run(name, func(t *testing.T) {
			c := a.do(t, "POST", "/v1/login", credentials, "Cookie", "marina_session="+planted).cookieOf(t)
			if c.Value == planted {
				t.Fatal("the planted secret is the session's")
			}
			a.do(t, "GET", "/v1/account", "", "Cookie", "marina_session="+planted).problem(t, http.StatusUnauthorized, "bad_token")
			a.do(t, "GET", "/v1/account", "", "Cookie", "marina_session="+c.Value).decode(t, http.StatusOK, &account{})
		})
	}
}

func TestSessions(t *testing.T) {
	t.Parallel()
	a := start(t)
	ada, eve := a.signUp(t, "ada@example.com"), a.signUp(t, "eve@example.com")
	var phone account
	a.do(t, "POST", "/v1/login", `{"email":"ada@example.com","password":"`+password+`"}`, "User-Agent", "ph\tone"+strings.Repeat("é", 300)).decode(t, http.StatusCreated, &phone)
	type session struct {
		ID, Device, Address string
		Current             bool
	}
	var list struct{ Items []session }
	got := a.do(t, "GET", "/v1/sessions", "", phone.bearer()...)
	got.decode(t, http.StatusOK, &list)
	want := []session{{ada.Token.ID, "Go-http-client/1.1", "127.0.0.1", false}, {phone.Token.ID, "phone" + strings.Repeat("é", 195), "127.0.0.1", true}}
	if !slices.Equal(list.Items, want) {
		t.Errorf("sessions %+v, want %+v", list.Items, want)
	}
	if strings.Contains(got.body, "marina_") {
		t.Errorf("the list shows secrets: %s", got.body)
	}
	a.do(t, "DELETE", "/v1/sessions/"+phone.Token.ID, "", eve.bearer()...).problem(t, http.StatusNotFound, "session_not_found")
	if got := a.do(t, "DELETE", "/v1/sessions/"+phone.Token.ID, "", ada.bearer()...); got.status != http.StatusNoContent || got.header.Get("Set-Cookie") != "" {
		t.Errorf("end another session: %d %v", got.status, got.header)
	}
	a.do(t, "GET", "/v1/account", "", phone.bearer()...).problem(t, http.StatusUnauthorized, "bad_token")
	a.do(t, "GET", "/v1/account", "", ada.bearer()...).decode(t, http.StatusOK, &account{})
}

// TestOrganizationHeader: a person acts in one organization at a time, and never in
// one of which they are no member.
func TestOrganizationHeader(t *testing.T) {
	t.Parallel()
	a := start(t)
	ada, eve := a.signUp(t, "ada@example.com"), a.signUp(t, "eve@example.com")
	guest := a.member(t, ada.Organization, identity.Viewer)
	hers, _, _ := a.populate(ada.Organization, 0)
	in := func(org string) []string { return append(guest.bearer(), "Marina-Organization", org) }
	nowhere := a.do(t, "GET", "/v1/clusters", "", append(in("org-nowhere"), "X-Request-Id", "the-same-id")...)
	nowhere.problem(t, http.StatusNotFound, "organization_not_found")
	if got := a.do(t, "GET", "/v1/clusters", "", append(in(string(eve.Organization)), "X-Request-Id", "the-same-id")...); got.body != nowhere.body {
		t.Errorf("another organization is told from none: %s and %s", got.body, nowhere.body)
	}
	var clusters list
	a.do(t, "GET", "/v1/clusters", "", in(string(ada.Organization))...).decode(t, http.StatusOK, &clusters)
	if len(clusters.Items) != 1 || clusters.Items[0].ID != string(hers.ID) {
		t.Errorf("clusters %+v", clusters)
	}
}
