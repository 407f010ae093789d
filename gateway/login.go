package gateway

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/marina-cloud/marina/gateway/identity"
)

type logInInput struct {
	Body struct {
		Email    string `json:"email"`
		Password string `json:"password" maxLength:"200"`
		Cookie   bool   `json:"cookie,omitempty" doc:"Keep the session's secret in a cookie that no script can read, for browsers; else the answer has it."`
	}
}

func (s *server) registerLogIn(api huma.API) {
	op := operation("logIn", http.MethodPost, "/v1/login", "Account", "Log in: get a session", http.StatusCreated, 401)
	op.Description = "A session ends after 30 days without use, after 90 days at the latest, or when it is ended. " +
		"Whatever session a browser has before, it gets a new one."
	huma.Register(api, op, s.logIn)
}

func (s *server) logIn(ctx context.Context, in *logInInput) (*sessionOutput, error) {
	email := identity.NormalEmail(in.Body.Email)
	done, err := s.attempts.logIn(origin(ctx), email, s.now())
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	good := false
	defer func() { done(good) }()
	u, hash, found, err := s.identity.ByEmail(ctx, email)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	ok, err := s.passwords.Check(ctx, in.Body.Password, hash)
	good = found && ok
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	if !good {
		return nil, s.failed(ctx, identity.ErrBadCredentials)
	}
	return s.logInAs(ctx, u.ID, in.Body.Cookie)
}
