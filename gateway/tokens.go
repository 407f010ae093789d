package gateway

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/marina-cloud/marina/gateway/identity"
	"github.com/marina-cloud/marina/internal/tenant"
)

// TokenView is an API token as clients see it, without its secret.
type TokenView struct {
	ID         string                `json:"id" example:"tok-01k9xw3e5v8m2q4r6t8y0a1b2c"`
	Name       string                `json:"name" example:"ci"`
	User       string                `json:"user_id" doc:"For whom it acts." example:"usr-01k9xw3e5v8m2q4r6t8y0a1b2c"`
	Scopes     []identity.Permission `json:"scopes" nullable:"true" doc:"What it may do of what the person may; null: all of it."`
	CreatedAt  time.Time             `json:"created_at"`
	ExpiresAt  time.Time             `json:"expires_at"`
	LastUsedAt *time.Time            `json:"last_used_at" doc:"To the minute; null when it was never used."`
}

type tokenWithSecret struct {
	TokenView
	Secret string `json:"secret" doc:"Send it as Authorization: Bearer. It is shown once and not kept."`
}

func viewToken(t identity.Token) TokenView {
	return TokenView{ID: string(t.ID), Name: t.Name, User: string(t.User), Scopes: t.Scopes, CreatedAt: t.CreatedAt, ExpiresAt: t.ExpiresAt, LastUsedAt: t.LastUsedAt}
}

type newTokenInput struct {
	Body newTokenBody
}

type newTokenBody struct {
	Name      string                `json:"name" example:"ci"`
	Scopes    []identity.Permission `json:"scopes,omitempty" nullable:"true" maxItems:"50" doc:"What the token may do, such as clusters:read; all that you may when absent."`
	ExpiresIn int64                 `json:"expires_in_seconds,omitempty" minimum:"60" maximum:"31536000" default:"2592000" doc:"From a minute to a year; 30 days when absent."`
}

func (b *newTokenBody) life() time.Duration {
	if b.ExpiresIn == 0 { // absent: the schema refuses a zero that was sent
		return identity.TokenLife
	}
	// Clamped first: a huge number of seconds would overflow a Duration.
	return time.Duration(min(max(b.ExpiresIn, 0), int64(2*identity.MaxTokenLife/time.Second))) * time.Second
}

// Resolve names the wrong fields that the schema cannot name.
func (b *newTokenBody) Resolve(huma.Context) []error {
	return details(identity.CheckToken(b.Name, b.Scopes, b.life()))
}

func (s *server) registerTokens(api huma.API) {
	tokens := func(op huma.Operation) huma.Operation { return needs(identity.TokensWrite, op) }
	huma.Register(api, tokens(operation("listTokens", http.MethodGet, "/v1/tokens", "Tokens", "List API tokens: your own, or the organization's if you may change members", http.StatusOK, 401)), s.listTokens)
	huma.Register(api, tokens(operation("createToken", http.MethodPost, "/v1/tokens", "Tokens", "Create an API token that acts for you in this organization", http.StatusCreated, 401)), s.createToken)
	huma.Register(api, tokens(operation("revokeToken", http.MethodDelete, "/v1/tokens/{token_id}", "Tokens", "Revoke an API token at once", http.StatusNoContent, 401, 404)), s.revokeToken)
}

// whose says whose tokens c sees and revokes: their own, or everybody's, which an
// empty id stands for.
func whose(c identity.Caller) tenant.UserID {
	if c.May(identity.MembersWrite) {
		return ""
	}
	return c.User
}

func (s *server) listTokens(ctx context.Context, in *PageInput) (*pageOutput[TokenView], error) {
	after, err := in.after()
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	c := caller(ctx)
	tokens, err := s.identity.Tokens(ctx, c.Organization, whose(c), after, in.Limit+1)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return pageOf(tokens, in.Limit, func(t identity.Token) string { return string(t.ID) }, viewToken), nil
}

func (s *server) createToken(ctx context.Context, in *newTokenInput) (*struct{ Body tokenWithSecret }, error) {
	c, now := caller(ctx), s.now()
	scopes, err := c.Grant(in.Body.Scopes)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	t := identity.Token{
		ID: tenant.NewTokenID(), Organization: c.Organization, User: c.User, Name: in.Body.Name, Scopes: scopes, CreatedAt: now, ExpiresAt: now.Add(in.Body.life()),
	}
	secret := identity.NewSecret()
	hash, _ := identity.SecretHash(secret)
	if err := s.identity.AddToken(ctx, by(ctx), t, hash); err != nil {
		return nil, s.failed(ctx, err)
	}
	return &struct{ Body tokenWithSecret }{tokenWithSecret{viewToken(t), secret}}, nil
}

func (s *server) revokeToken(ctx context.Context, in *struct {
	ID string `path:"token_id"`
}) (*struct{}, error) {
	if err := s.identity.RevokeToken(ctx, by(ctx), whose(caller(ctx)), tenant.TokenID(in.ID)); err != nil {
		return nil, s.failed(ctx, err)
	}
	return nil, nil
}
