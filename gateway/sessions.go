package gateway

import (
	"context"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/marina-cloud/marina/gateway/identity"
	"github.com/marina-cloud/marina/internal/tenant"
)

// SessionView is a browser or a command line that is logged in, as its owner sees it.
type SessionView struct {
	ID         string    `json:"id" example:"ses-01k9xw3e5v8m2q4r6t8y0a1b2c"`
	Device     string    `json:"device" doc:"What the browser or program calls itself." example:"Mozilla/5.0 (X11; Linux x86_64; rv:140.0)"`
	Address    string    `json:"address" doc:"From which it was used last." example:"203.0.113.9"`
	Current    bool      `json:"current" doc:"Whether this request came with it."`
	CreatedAt  time.Time `json:"created_at"`
	LastUsedAt time.Time `json:"last_used_at" doc:"To the minute."`
	ExpiresAt  time.Time `json:"expires_at" doc:"When it ends at the latest; it ends after 30 days without use, too."`
}

type sessionWithSecret struct {
	ID        string    `json:"id" example:"ses-01k9xw3e5v8m2q4r6t8y0a1b2c"`
	Secret    string    `json:"secret,omitempty" doc:"Send it as Authorization: Bearer. It is shown once and not kept; absent when a cookie has it."`
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at"`
}

type sessionOutput struct {
	SetCookie []string `header:"Set-Cookie"`
	Body      struct {
		AccountView
		Token sessionWithSecret `json:"token"`
	}
}

func (s *server) registerSessions(api huma.API) {
	huma.Register(api, personal(operation("listSessions", http.MethodGet, "/v1/sessions", "Account", "List where you are logged in", http.StatusOK, 401)), s.listSessions)
	end := personal(operation("endSession", http.MethodDelete, "/v1/sessions/{session_id}", "Account", "Log out, here or elsewhere", http.StatusNoContent, 401, 404))
	end.Description = "The id current is the session of the request itself."
	huma.Register(api, end, s.endSession)
}

func (s *server) listSessions(ctx context.Context, in *PageInput) (*pageOutput[SessionView], error) {
	after, err := in.after()
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	c := caller(ctx)
	all, err := s.identity.Sessions(ctx, c.User, s.now(), after, in.Limit+1)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return pageOf(all, in.Limit, func(x identity.Session) string { return string(x.ID) }, func(x identity.Session) SessionView {
		return SessionView{string(x.ID), x.Device, x.Address, x.ID == c.Session, x.CreatedAt, x.LastUsedAt, x.ExpiresAt}
	}), nil
}

func (s *server) endSession(ctx context.Context, in *struct {
	ID string `path:"session_id" doc:"An id, or current." example:"current"`
}) (*struct {
	SetCookie []string `header:"Set-Cookie"`
}, error) {
	c, id := caller(ctx), tenant.SessionID(in.ID)
	if id == "current" {
		id = c.Session
	}
	if err := s.identity.EndSession(ctx, by(ctx), c.User, id); err != nil {
		return nil, s.failed(ctx, err)
	}
	out := &struct {
		SetCookie []string `header:"Set-Cookie"`
	}{}
	if id == c.Session {
		out.SetCookie = []string{s.cookie("", -1).String()}
	}
	return out, nil
}

// deviceKey is under which a request's User-Agent is kept for a new session.
type deviceKey struct{}

// beforeKey is under which the secret is kept that a request's cookie has.
type beforeKey struct{}

// device notes what a client calls itself, and the session that its cookie is of: a
// log-in is answered with another one, whatever the client came with.
func (s *server) device(ctx huma.Context, next func(huma.Context)) {
	ctx = huma.WithValue(ctx, deviceKey{}, deviceName(ctx.Header("User-Agent")))
	if cookie, err := huma.ReadCookie(ctx, s.cookieName()); err == nil {
		if hash, ok := identity.SecretHash(cookie.Value); ok {
			ctx = huma.WithValue(ctx, beforeKey{}, hash)
		}
	}
	next(ctx)
}

// deviceName is a text for people, of at most 200 characters.
func deviceName(agent string) string {
	agent = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == utf8.RuneError {
			return -1
		}
		return r
	}, agent)
	if r := []rune(agent); len(r) > 200 {
		agent = string(r[:200])
	}
	return agent
}

// newSession returns a session of u that begins now.
func (s *server) newSession(ctx context.Context, user tenant.UserID) (x identity.Session, secret string, hash []byte) {
	now := s.now()
	device, _ := ctx.Value(deviceKey{}).(string)
	x = identity.Session{
		ID: tenant.NewSessionID(), User: user, Device: device, Address: address(ctx),
		CreatedAt: now, LastUsedAt: now, ExpiresAt: now.Add(identity.SessionLife),
	}
	secret = identity.NewSecret()
	hash, _ = identity.SecretHash(secret)
	return x, secret, hash
}

// logInAs logs a person in who has proved who they are.
func (s *server) logInAs(ctx context.Context, user tenant.UserID, inCookie bool) (*sessionOutput, error) {
	x, secret, hash := s.newSession(ctx, user)
	return s.keepSession(ctx, x, secret, hash, inCookie)
}

// logInProved logs a person in who has proved it without a password, which they may not
// have: that they are asked to confirm who they are would end there.
func (s *server) logInProved(ctx context.Context, user tenant.UserID, inCookie bool) (*sessionOutput, error) {
	x, secret, hash := s.newSession(ctx, user)
	x.ConfirmedAt = &x.CreatedAt
	return s.keepSession(ctx, x, secret, hash, inCookie)
}

// keepSession keeps a session and answers with it.
func (s *server) keepSession(ctx context.Context, x identity.Session, secret string, hash []byte, inCookie bool) (*sessionOutput, error) {
	before, _ := ctx.Value(beforeKey{}).([]byte)
	if err := s.identity.LogIn(ctx, x, hash, before); err != nil {
		return nil, s.failed(ctx, err)
	}
	return s.session(ctx, x, secret, inCookie)
}

// session answers with a session that was made.
func (s *server) session(ctx context.Context, x identity.Session, secret string, inCookie bool) (*sessionOutput, error) {
	a, err := s.identity.Account(ctx, x.User)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	out := &sessionOutput{}
	out.Body.AccountView = viewAccount(a, currentOf(a))
	out.Body.Token = sessionWithSecret{ID: string(x.ID), Secret: secret, CreatedAt: x.CreatedAt, ExpiresAt: x.ExpiresAt}
	if inCookie {
		out.Body.Token.Secret = ""
		out.SetCookie = []string{s.cookie(secret, int(identity.SessionLife/time.Second)).String()}
	}
	return out, nil
}

// cookieName says, where the console is served by HTTPS, that the cookie came from
// this very host by HTTPS (RFC 6265bis, 4.1.3.2): another could not have set it.
func (s *server) cookieName() string {
	if s.secure() {
		return "__Host-marina_session"
	}
	return "marina_session"
}

func (s *server) secure() bool { return strings.HasPrefix(s.PublicURL, "https://") }

// cookie is how a browser keeps a session's secret: no script reads it, and no other
// site's page sends it but by a link.
func (s *server) cookie(secret string, maxAge int) *http.Cookie {
	return &http.Cookie{
		Name: s.cookieName(), Value: secret, Path: "/", MaxAge: maxAge, Secure: s.secure(), HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
}
