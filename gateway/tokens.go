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
	ID         string     `json:"id" example:"tok-01k9xw3e5v8m2q4r6t8y0a1b2c"`
	Name       string     `json:"name" example:"ci"`
	CreatedAt  time.Time  `json:"created_at"`
	ExpiresAt  time.Time  `json:"expires_at"`
	LastUsedAt *time.Time `json:"last_used_at" doc:"To the minute; null when it was never used."`
}

type tokenWithSecret struct {
	TokenView
	Secret string `json:"secret" doc:"Send it as Authorization: Bearer. It is shown once and not kept."`
}

func viewToken(t identity.Token) TokenView {
	return TokenView{ID: string(t.ID), Name: t.Name, CreatedAt: t.CreatedAt, ExpiresAt: t.ExpiresAt, LastUsedAt: t.LastUsedAt}
}

type newTokenInput struct {
	Body newTokenBody
}

type newTokenBody struct {
	Name      string `json:"name" example:"ci"`
	ExpiresIn int64  `json:"expires_in_seconds,omitempty" minimum:"60" maximum:"31536000" default:"2592000" doc:"From a minute to a year; 30 days when absent."`
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
	return details(identity.CheckToken(b.Name, b.life()))
}

func (s *server) registerTokens(api huma.API) {
	huma.Register(api, operation("listTokens", http.MethodGet, "/v1/tokens", "Tokens", "List API tokens", http.StatusOK, 401), s.listTokens)
	huma.Register(api, operation("createToken", http.MethodPost, "/v1/tokens", "Tokens", "Create an API token", http.StatusCreated, 401), s.createToken)
	huma.Register(api, operation("revokeToken", http.MethodDelete, "/v1/tokens/{token_id}", "Tokens", "Revoke an API token at once", http.StatusNoContent, 401, 404), s.revokeToken)
}

func (s *server) listTokens(ctx context.Context, in *PageInput) (*pageOutput[TokenView], error) {
	after, err := in.after()
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	tokens, err := s.identity.Tokens(ctx, caller(ctx).Organization, after, in.Limit+1)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return pageOf(tokens, in.Limit, func(t identity.Token) string { return string(t.ID) }, viewToken), nil
}

func (s *server) createToken(ctx context.Context, in *newTokenInput) (*struct{ Body tokenWithSecret }, error) {
	c := caller(ctx)
	t, secret, hash := s.newToken(identity.User{ID: c.User, Organization: c.Organization}, in.Body.Name, in.Body.life())
	if err := s.identity.AddToken(ctx, c, t, hash, address(ctx)); err != nil {
		return nil, s.failed(ctx, err)
	}
	return &struct{ Body tokenWithSecret }{tokenWithSecret{viewToken(t), secret}}, nil
}

func (s *server) revokeToken(ctx context.Context, in *struct {
	ID string `path:"token_id"`
}) (*struct{}, error) {
	if err := s.identity.RevokeToken(ctx, caller(ctx), tenant.TokenID(in.ID), address(ctx)); err != nil {
		return nil, s.failed(ctx, err)
	}
	return nil, nil
}
