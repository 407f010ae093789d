package gateway

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/marina-cloud/marina/gateway/identity"
)

// flowKey is under which the hash of what a browser has begun at a provider is kept.
type flowKey struct{}

// flow notes what the browser has begun at a provider.
func (s *server) flow(ctx huma.Context, next func(huma.Context)) {
	if cookie, err := huma.ReadCookie(ctx, s.flowCookie("", 0).Name); err == nil {
		if hash, ok := identity.SecretHash(cookie.Value); ok {
			ctx = huma.WithValue(ctx, flowKey{}, hash)
		}
	}
	next(ctx)
}

// flowCookie is sent by our own pages alone: also the one to which a provider sends the
// browser back is ours once it is there.
func (s *server) flowCookie(value string, maxAge int) *http.Cookie {
	c := s.cookie(value, maxAge)
	c.Name, c.SameSite = "marina_openid", http.SameSiteStrictMode
	if s.secure() {
		c.Name = "__Host-marina_openid"
	}
	return c
}
