package gateway

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/marina-cloud/marina/gateway/identity"
	"github.com/marina-cloud/marina/internal/tenant"
)

// LinkedView is who a person is at an OpenID provider.
type LinkedView struct {
	ID         string     `json:"id" example:"link-01k9xw3e5v8m2q4r6t8y0a1b2c"`
	Provider   string     `json:"provider" doc:"The provider's name; its issuer where Marina's operator has taken it away." example:"Example Inc."`
	Email      string     `json:"email" doc:"As the provider says it." example:"ada@example.com"`
	CreatedAt  time.Time  `json:"created_at"`
	LastUsedAt *time.Time `json:"last_used_at" doc:"Null when nobody has logged in with it."`
}

func (s *server) viewLinked(l identity.Linked) LinkedView {
	v := LinkedView{string(l.ID), l.Issuer, l.Email, l.CreatedAt, l.LastUsedAt}
	for _, p := range s.providers {
		if p.Issuer == l.Issuer {
			v.Provider = p.Name
		}
	}
	return v
}

func (s *server) registerIdentities(api huma.API) {
	op := func(id, method, path, summary string, status int, problems ...int) huma.Operation {
		return personal(operation(id, method, "/v1/account/identities"+path, "Account", summary, status, append(problems, 401)...))
	}
	huma.Register(api, op("listIdentities", http.MethodGet, "", "List who you are at OpenID providers", http.StatusOK), s.listIdentities)
	huma.Register(api, confirmed(op("beginIdentity", http.MethodPost, "/begin", "Begin to link who you are at an OpenID provider", http.StatusOK, 404)), s.beginIdentity)
	huma.Register(api, confirmed(op("linkIdentity", http.MethodPost, "", "Link who a provider's answer says that you are", http.StatusCreated, 404, 409)), s.linkIdentity)
	huma.Register(api, confirmed(op("unlinkIdentity", http.MethodDelete, "/{identity_id}", "Unlink who you are at an OpenID provider", http.StatusNoContent, 404)), s.unlinkIdentity)
}

func (s *server) listIdentities(ctx context.Context, in *PageInput) (*pageOutput[LinkedView], error) {
	after, err := in.after()
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	all, err := s.identity.Linked(ctx, caller(ctx).User)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return fewOf(all, after, in.Limit, func(l identity.Linked) string { return string(l.ID) }, s.viewLinked), nil
}

func (s *server) beginIdentity(ctx context.Context, in *struct{ Body openIDBody }) (*openIDOutput, error) {
	return s.beginOpenID(ctx, in.Body.Provider, linksOpenID, caller(ctx).User)
}

func (s *server) linkIdentity(ctx context.Context, in *struct{ Body openIDAnswer }) (*struct {
	SetCookie []string `header:"Set-Cookie"`
	Body      LinkedView
}, error) {
	c := caller(ctx)
	who, began, err := s.finishOpenID(ctx, in.Body, linksOpenID)
	if err == nil && began != c.User { // somebody else's browser, or somebody else has logged in since
		err = identity.ErrOpenIDRefused
	}
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	l := identity.Linked{ID: tenant.NewLinkID(), User: c.User, Issuer: who.Issuer, Subject: who.Subject, Email: who.Email, CreatedAt: s.now()}
	if err := s.identity.Link(ctx, by(ctx), l); err != nil {
		return nil, s.failed(ctx, err)
	}
	return &struct {
		SetCookie []string `header:"Set-Cookie"`
		Body      LinkedView
	}{[]string{s.flowCookie("", -1).String()}, s.viewLinked(l)}, nil
}

func (s *server) unlinkIdentity(ctx context.Context, in *struct {
	ID string `path:"identity_id"`
}) (*struct{}, error) {
	if err := s.identity.Unlink(ctx, by(ctx), caller(ctx).User, tenant.LinkID(in.ID)); err != nil {
		return nil, s.failed(ctx, err)
	}
	return nil, nil
}
