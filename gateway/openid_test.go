//go:build integration

package gateway_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"

	"github.com/marina-cloud/marina/gateway"
	"github.com/marina-cloud/marina/gateway/identity"
	"github.com/marina-cloud/marina/gateway/internal/postgres"
	"github.com/marina-cloud/marina/internal/tenant"
)

// people are at every provider of these tests.
type people map[string]*storage.User

func (p people) GetUserByID(id string) *storage.User { return p[id] }

func (p people) GetUserByUsername(name string) *storage.User { return p[name] }

func (p people) ExampleClientID() string { return "service" }

func person(id, email string, verified bool) *storage.User {
	return &storage.User{ID: id, Username: id, Password: "theirs", FirstName: "Ada", LastName: "Lovelace", Email: email, EmailVerified: verified}
}

// idp is a real OpenID provider.
type idp struct {
	gateway.Provider
	tokens atomic.Int64 // how often it was asked for tokens
	nonce  func(string) string
}

// registerClients makes Marina known to all providers of this process.
var registerClients = sync.OnceFunc(func() {
	for _, id := range []string{"one", "two"} {
		storage.RegisterClients(storage.WebClient("marina-"+id, "a client's secret", gateway.RedirectURL(site, id)))
	}
})

// startProvider starts a provider that sends browsers back to Marina's address for it.
func startProvider(t *testing.T, id string) *idp {
	t.Helper()
	p := &idp{}
	var handler http.Handler
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/oauth/token" {
			p.tokens.Add(1)
		}
		if q := r.URL.Query(); p.nonce != nil && q.Has("nonce") {
			q.Set("nonce", p.nonce(q.Get("nonce")))
			r.URL.RawQuery = q.Encode()
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	registerClients()
	users := people{
		"ada": person("ada", "ada@example.com", true), "eve": person("eve", "eve@example.com", true),
		"mallory": person("mallory", "ada@example.com", false),
	}
	handler = exampleop.SetupServer(s.URL, storage.NewStorage(users), slog.New(slog.DiscardHandler), false)
	p.Provider = gateway.Provider{ID: id, Name: "Provider " + id, Issuer: s.URL, ClientID: "marina-" + id, ClientSecret: "a client's secret"}
	return p
}

// startWithProviders starts the API with providers of these names.
func startWithProviders(t *testing.T, ids ...string) (a *api, all []*idp) {
	t.Helper()
	for _, id := range ids {
		all = append(all, startProvider(t, id))
	}
	a = startWith(t, func(d *gateway.Deps) {
		d.PublicURL = site
		d.Limits.Attempts = gateway.Rate{PerSecond: 100, Burst: 1000}
		for _, p := range all {
			d.Providers = append(d.Providers, p.Provider)
		}
	})
	return a, all
}

// begun is a browser that was sent to a provider.
type begun struct {
	cookie []string
	url    string
}

func (a *api) begin(t *testing.T, path, provider string, headers ...string) (b begun) {
	t.Helper()
	got := a.do(t, "POST", path, fmt.Sprintf(`{"provider":%q}`, provider), headers...)
	var to struct{ URL string }
	got.decode(t, http.StatusOK, &to)
	c := got.cookieOf(t)
	if c.Name != "__Host-marina_openid" || !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteStrictMode || c.MaxAge > 300 {
		t.Errorf("cookie %+v", c)
	}
	return begun{[]string{"Cookie", c.Name + "=" + c.Value}, to.URL}
}

// returned is what a browser comes back with.
type returned struct{ Provider, State, Code, Issuer string }

func (r returned) body() string {
	data, _ := json.Marshal(map[string]string{"provider": r.Provider, "state": r.State, "code": r.Code, "issuer": r.Issuer})
	return string(data)
}

// visit logs somebody in at the provider and returns what their browser brings back.
func visit(t *testing.T, address, user string) returned {
	t.Helper()
	jar, _ := cookiejar.New(nil)
	var back *url.URL
	browser := &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), site) {
			back = r.URL
			return http.ErrUseLastResponse
		}
		return nil
	}}
	resp, err := browser.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	form := url.Values{"username": {user}, "password": {"theirs"}, "id": {resp.Request.URL.Query().Get("authRequestID")}}
	if resp, err = browser.PostForm(resp.Request.URL.String(), form); err != nil {
		t.Fatal(err)
	}
	page, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if back == nil {
		t.Fatalf("the provider does not send %s back: %d %s", user, resp.StatusCode, page)
	}
	q := back.Query()
	return returned{strings.TrimPrefix(back.Path, "/login/openid/"), q.Get("state"), q.Get("code"), q.Get("iss")}
}

// arrives logs somebody in with a provider, from the begin to the end.
func (a *api) arrives(t *testing.T, provider, user string) answer {
	t.Helper()
	b := a.begin(t, "/v1/login/openid/begin", provider)
	return a.do(t, "POST", "/v1/login/openid", visit(t, b.url, user).body(), b.cookie...)
}

// addLink links somebody to a provider's person.
func (a *api) addLink(t *testing.T, who account) (id tenant.LinkID) {
	t.Helper()
	id = tenant.NewLinkID()
	s := &postgres.Identity{DB: a.db}
	by := postgres.By{Organization: who.Organization, Actor: string(who.User)}
	if err := s.Link(t.Context(), by, identity.Linked{ID: id, User: who.User, Issuer: "https://id.example.com", Subject: string(id), CreatedAt: time.Now()}); err != nil {
		t.Fatal(err)
	}
	return id
}

func TestOpenIDLogIn(t *testing.T) {
	t.Parallel()
	a, _ := startWithProviders(t, "one", "two")
	var offered struct{ Items []struct{ ID, Name string } }
	a.do(t, "GET", "/v1/login/openid", "").decode(t, http.StatusOK, &offered)
	if len(offered.Items) != 2 || offered.Items[0].Name != "Provider one" {
		t.Errorf("providers %+v", offered)
	}
	u, err := url.Parse(a.begin(t, "/v1/login/openid/begin", "one", "Host", "evil.example", "X-Forwarded-Host", "evil.example").url)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	if q.Get("redirect_uri") != site+"/login/openid/one" || q.Get("response_type") != "code" || q.Get("code_challenge_method") != "S256" || q.Get("state") == "" || q.Get("nonce") == "" {
		t.Errorf("the provider is asked %v", q)
	}
	var first, again account
	got := a.arrives(t, "one", "eve")
	got.decode(t, http.StatusCreated, &first)
	if first.Email != "eve@example.com" || first.Token.Secret != "" || !slices.ContainsFunc((&http.Response{Header: got.header}).Cookies(), func(c *http.Cookie) bool { return c.Name == "__Host-marina_session" && c.Value != "" }) {
		t.Errorf("arrived as %s with %v", got.body, got.header["Set-Cookie"])
	}
	a.arrives(t, "one", "eve").decode(t, http.StatusCreated, &again)
	if again.User != first.User {
		t.Errorf("the same person is %s, then %s", first.User, again.User)
	}
	// She has no password, so that her address leads another provider to her account.
	a.arrives(t, "two", "eve").decode(t, http.StatusCreated, &again)
	if again.User != first.User {
		t.Errorf("with another provider she is %s, not %s", again.User, first.User)
	}
	a.do(t, "POST", "/v1/login", `{"email":"eve@example.com","password":""}`).problem(t, http.StatusUnauthorized, "bad_credentials")
	a.do(t, "POST", "/v1/login/openid/begin", `{"provider":"none"}`).problem(t, http.StatusNotFound, "provider_not_found")
}

// TestOpenIDTakesNobodyOver: an address does not lead to an account with a password,
// whether the provider has verified it or not.
func TestOpenIDTakesNobodyOver(t *testing.T) {
	t.Parallel()
	a, _ := startWithProviders(t, "one")
	ada := a.signUp(t, "ada@example.com")
	a.arrives(t, "one", "ada").problem(t, http.StatusConflict, "openid_not_linked")
	a.arrives(t, "one", "mallory").problem(t, http.StatusConflict, "openid_email_unverified")

	link := func(user string, who account) answer {
		b := a.begin(t, "/v1/account/identities/begin", "one", who.bearer()...)
		return a.do(t, "POST", "/v1/account/identities", visit(t, b.url, user).body(), append(b.cookie, who.bearer()...)...)
	}
	a.do(t, "POST", "/v1/account/identities/begin", `{"provider":"one"}`, ada.bearer()...).problem(t, http.StatusForbidden, "confirmation_needed")
	ada.confirm(t, a)
	var linked struct{ ID, Provider, Email string }
	link("ada", ada).decode(t, http.StatusCreated, &linked)
	if linked.Provider != "Provider one" || linked.Email != "ada@example.com" {
		t.Errorf("linked %+v", linked)
	}
	var who account
	a.arrives(t, "one", "ada").decode(t, http.StatusCreated, &who)
	if who.User != ada.User {
		t.Errorf("linked, she arrives as %s, not %s", who.User, ada.User)
	}
	eve := a.signUp(t, "eve@example.com")
	eve.confirm(t, a)
	link("ada", eve).problem(t, http.StatusConflict, "identity_linked")
	// What Eve began in her browser does not link to Ada, who answers it in hers.
	b := a.begin(t, "/v1/account/identities/begin", "one", eve.bearer()...)
	a.do(t, "POST", "/v1/account/identities", visit(t, b.url, "eve").body(), append(b.cookie, ada.bearer()...)...).problem(t, http.StatusUnprocessableEntity, "openid_refused")
	// Nor does it log anybody in.
	b = a.begin(t, "/v1/account/identities/begin", "one", eve.bearer()...)
	a.do(t, "POST", "/v1/login/openid", visit(t, b.url, "eve").body(), b.cookie...).problem(t, http.StatusUnprocessableEntity, "openid_refused")

	a.do(t, "DELETE", "/v1/account/identities/"+linked.ID, "", eve.bearer()...).problem(t, http.StatusNotFound, "identity_not_found")
	if got := a.do(t, "DELETE", "/v1/account/identities/"+linked.ID, "", ada.bearer()...); got.status != http.StatusNoContent {
		t.Errorf("unlink: %d %s", got.status, got.body)
	}
	a.arrives(t, "one", "ada").problem(t, http.StatusConflict, "openid_not_linked")
}

// TestOpenIDRefused: each answer is all right but for one thing.
func TestOpenIDRefused(t *testing.T) {
	t.Parallel()
	a, all := startWithProviders(t, "one", "two")
	try := func(name string, b begun, r returned) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			asked := all[1].tokens.Load()
			a.do(t, "POST", "/v1/login/openid", r.body(), b.cookie...).problem(t, http.StatusUnprocessableEntity, "openid_refused")
			if all[1].tokens.Load() != asked {
				t.Error("a code of one provider was sent to the other")
			}
		})
	}
	come := func() (begun, returned) {
		b := a.begin(t, "/v1/login/openid/begin", "one")
		return b, visit(t, b.url, "eve")
	}
	b, r := come()
	a.do(t, "POST", "/v1/login/openid", r.body(), b.cookie...).decode(t, http.StatusCreated, &account{})
	try("Replayed", b, r)
	b, r = come()
	try("NoCookie", begun{}, r)
	other := a.begin(t, "/v1/login/openid/begin", "one")
	try("AnotherBrowser", other, r) // a log-in that somebody else began (login CSRF)
	b, r = come()
	r.State += "x"
	try("State", b, r)
	b, r = come()
	r.Code += "x"
	try("Code", b, r)
	b, r = come()
	r.Provider = "two"
	try("MixedUpProvider", b, r)
	b, r = come()
	r.Issuer = all[1].Issuer
	try("MixedUpIssuer", b, r)
	b, r = come()
	a.expireChallenges(t)
	try("Expired", b, r)
	b, r = come()
	_, r2 := come()
	r.Code = r2.Code // somebody else's code, which PKCE and the nonce bind to another flow
	try("InjectedCode", b, r)
	all[0].nonce = func(string) string { return "another" }
	b, r = come()
	try("Nonce", b, r)
	all[0].nonce = nil
	for _, secret := range []string{r.Code, r.State, "a client's secret"} {
		if strings.Contains(a.log.String(), secret) {
			t.Errorf("the log has %q", secret)
		}
	}
}

// TestOpenIDProviderAway: that a provider does not answer is said, and passes.
func TestOpenIDProviderAway(t *testing.T) {
	t.Parallel()
	a := startWith(t, func(d *gateway.Deps) {
		d.PublicURL = site
		d.Providers = []gateway.Provider{{ID: "away", Name: "Away", Issuer: "http://127.0.0.1:1", ClientID: "x"}}
	})
	a.do(t, "POST", "/v1/login/openid/begin", `{"provider":"away"}`).problem(t, http.StatusServiceUnavailable, "openid_unavailable")
}
