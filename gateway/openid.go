package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/marina-cloud/marina/gateway/identity"
	"github.com/marina-cloud/marina/gateway/internal/openid"
	"github.com/marina-cloud/marina/gateway/internal/postgres"
	"github.com/marina-cloud/marina/internal/secret"
	"github.com/marina-cloud/marina/internal/tenant"
)

// Provider is an OpenID provider with which people log in.
type Provider struct {
	ID           string // names it in addresses
	Name         string // as people know it
	Issuer       string // URL
	ClientID     string
	ClientSecret secret.Text // empty for a public client
}

// RedirectURL is where the provider with this id sends browsers back to, where
// people's browsers reach Marina at publicURL. Its operator tells the provider.
func RedirectURL(publicURL, id string) string { return publicURL + "/login/openid/" + id }

func openProviders(all []Provider, publicURL string) []*openid.Provider {
	providers := make([]*openid.Provider, len(all))
	for i, p := range all {
		providers[i] = openid.New(openid.Config(p), RedirectURL(publicURL, p.ID))
	}
	return providers
}

// Purposes of challenges.
const (
	logsInByOpenID = "openid.login"
	linksOpenID    = "openid.link"
)

type providerView struct {
	ID   string `json:"id" example:"example"`
	Name string `json:"name" example:"Example Inc."`
}

type providersOutput struct {
	Body struct {
		Items []providerView `json:"items"`
	}
}

type openIDBody struct {
	Provider string `json:"provider" maxLength:"100" example:"example"`
}

type openIDOutput struct {
	SetCookie []string `header:"Set-Cookie"`
	Body      struct {
		URL string `json:"url" doc:"Of the provider: send the browser there. It comes back to /login/openid/{provider}."`
	}
}

// openIDAnswer is what the browser brings back in the address.
type openIDAnswer struct {
	Provider string `json:"provider" maxLength:"100" doc:"To whose address the browser came back." example:"example"`
	State    string `json:"state" maxLength:"500"`
	Code     string `json:"code" maxLength:"5000"`
	Issuer   string `json:"issuer,omitempty" maxLength:"500" doc:"The parameter iss, where there is one (RFC 9207)."`
}

func (s *server) registerOpenIDLogIn(api huma.API) {
	huma.Register(api, operation("listProviders", http.MethodGet, "/v1/login/openid", "Account", "List the OpenID providers with which people log in", http.StatusOK), s.listProviders)
	begin := operation("beginOpenIDLogIn", http.MethodPost, "/v1/login/openid/begin", "Account", "Begin a log-in at an OpenID provider", http.StatusOK, 404)
	begin.Description = "A cookie binds what follows to this browser. It is good for five minutes and one answer."
	huma.Register(api, begin, s.beginOpenIDLogIn)
	finish := operation("logInWithOpenID", http.MethodPost, "/v1/login/openid", "Account", "Log in with a provider's answer: get a session in a cookie", http.StatusCreated, 404, 409)
	finish.Description = "Who is new gets an account, if the provider has verified the e-mail address. Which factors are asked for is the provider's matter."
	huma.Register(api, finish, s.logInWithOpenID)
}

func (s *server) listProviders(context.Context, *struct{}) (*providersOutput, error) {
	out := &providersOutput{}
	out.Body.Items = []providerView{}
	for _, p := range s.providers {
		out.Body.Items = append(out.Body.Items, providerView{p.ID, p.Name})
	}
	return out, nil
}

func (s *server) beginOpenIDLogIn(ctx context.Context, in *struct{ Body openIDBody }) (*openIDOutput, error) {
	if err := s.attempts.try(origin(ctx), s.now()); err != nil {
		return nil, s.failed(ctx, err)
	}
	return s.beginOpenID(ctx, in.Body.Provider, logsInByOpenID, "")
}

func (s *server) provider(id string) (*openid.Provider, error) {
	i := slices.IndexFunc(s.providers, func(p *openid.Provider) bool { return p.ID == id })
	if i < 0 {
		return nil, identity.ErrNoProvider
	}
	return s.providers[i], nil
}

// beginOpenID sends a browser to a provider. What comes back is good for this browser
// alone: a cookie that no script reads names what was begun.
func (s *server) beginOpenID(ctx context.Context, provider, purpose string, user tenant.UserID) (*openIDOutput, error) {
	p, err := s.provider(provider)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	flow := openid.Flow{Provider: p.ID, State: identity.NewSecret(), Nonce: identity.NewSecret(), Verifier: openid.NewVerifier()}
	url, err := p.Begin(ctx, flow)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	detail, err := json.Marshal(flow)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	browser, now := identity.NewSecret(), s.now()
	hash, _ := identity.SecretHash(browser)
	c := identity.Challenge{Hash: hash, Purpose: purpose, User: user, Detail: detail, ExpiresAt: now.Add(identity.ChallengeLife)}
	if err := s.identity.AddChallenge(ctx, c, now); err != nil {
		return nil, s.failed(ctx, err)
	}
	out := &openIDOutput{SetCookie: []string{s.flowCookie(browser, int(identity.ChallengeLife/time.Second)).String()}}
	out.Body.URL = url
	return out, nil
}

// finishOpenID returns who a provider says has come back in this browser, and who began
// it.
func (s *server) finishOpenID(ctx context.Context, a openIDAnswer, purpose string) (who identity.Claims, began tenant.UserID, err error) {
	p, err := s.provider(a.Provider)
	if err != nil {
		return who, "", err
	}
	browser, _ := ctx.Value(flowKey{}).([]byte)
	if browser == nil {
		return who, "", identity.ErrOpenIDRefused.Because(errors.New("the browser has begun nothing"))
	}
	c, err := s.identity.TakeChallenge(ctx, browser, purpose, s.now())
	if errors.Is(err, identity.ErrNoChallenge) {
		return who, "", identity.ErrOpenIDRefused.Because(err)
	}
	if err != nil {
		return who, "", err
	}
	var flow openid.Flow
	if err := json.Unmarshal(c.Detail, &flow); err != nil {
		return who, "", err
	}
	who, err = p.Finish(ctx, flow, openid.Answer{State: a.State, Code: a.Code, Issuer: a.Issuer})
	return who, c.User, err
}

func (s *server) logInWithOpenID(ctx context.Context, in *struct{ Body openIDAnswer }) (*sessionOutput, error) {
	who, _, err := s.finishOpenID(ctx, in.Body, logsInByOpenID)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	user, err := s.arrive(ctx, who)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	out, err := s.logInProved(ctx, user, true)
	if err == nil {
		out.SetCookie = append(out.SetCookie, s.flowCookie("", -1).String())
	}
	return out, err
}

// arrive returns the person here whom a provider's person is, see identity.Arrive.
func (s *server) arrive(ctx context.Context, who identity.Claims) (tenant.UserID, error) {
	now := s.now()
	user, ok, err := s.identity.LinkedTo(ctx, who, now)
	if ok || err != nil {
		return user, err
	}
	u, password, exists, err := s.identity.ByEmail(ctx, who.Email)
	if err != nil {
		return "", err
	}
	how, err := identity.Arrive(who, exists, password != "")
	if err != nil {
		return "", err
	}
	l := identity.Linked{ID: tenant.NewLinkID(), User: u.ID, Issuer: who.Issuer, Subject: who.Subject, Email: who.Email, CreatedAt: now, LastUsedAt: &now}
	if how == identity.Link {
		return u.ID, s.identity.Link(ctx, postgres.By{Organization: u.Organization, Actor: string(u.ID), Address: address(ctx)}, l)
	}
	u = identity.User{ID: tenant.NewUserID(), Organization: tenant.NewOrganizationID(), Email: who.Email, CreatedAt: now}
	if len(identity.CheckPersonName(who.Name)) == 0 {
		u.Name = who.Name
	}
	if len(identity.CheckEmail(u.Email)) > 0 {
		return "", identity.ErrOpenIDUnverified
	}
	l.User = u.ID
	return u.ID, s.identity.SignUpLinked(ctx, u, u.Email[:min(len(u.Email), identity.MaxName)], address(ctx), l)
}
