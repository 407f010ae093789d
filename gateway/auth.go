package gateway

import (
	"context"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/marina-cloud/marina/gateway/identity"
)

type callerKey struct{}

// caller returns who sent the request. Only operations behind authenticate ask.
func caller(ctx context.Context) identity.Caller {
	return ctx.Value(callerKey{}).(identity.Caller)
}

// authenticate lets a request with a good bearer token through and refuses others.
func (s *server) authenticate(ctx huma.Context, next func(huma.Context)) {
	scheme, secret, _ := strings.Cut(ctx.Header("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || secret == "" {
		s.refuse(ctx, identity.ErrNoCredentials)
		return
	}
	hash, ok := identity.SecretHash(strings.TrimSpace(secret))
	if !ok {
		s.refuse(ctx, identity.ErrBadToken)
		return
	}
	c, err := s.identity.Authenticate(ctx.Context(), hash, s.now())
	if err != nil {
		s.refuse(ctx, err)
		return
	}
	knownCaller(ctx.Context(), c)
	still := func(ctx context.Context) error {
		_, err := s.identity.Authenticate(ctx, hash, s.now())
		return err
	}
	next(huma.WithValue(huma.WithValue(ctx, callerKey{}, c), stillKey{}, still))
}

type stillKey struct{}

// again returns an error when whoever sent a request that lasts may not send it any
// more. Only operations behind authenticate ask.
func again(ctx context.Context) error {
	return ctx.Value(stillKey{}).(func(context.Context) error)(ctx)
}
