package gateway

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/marina-cloud/marina/gateway/identity"
	"github.com/marina-cloud/marina/internal/tenant"
)

type logInInput struct {
	Body struct {
		Email    string `json:"email"`
		Password string `json:"password" maxLength:"200"`
		Code     string `json:"code,omitempty" maxLength:"50" doc:"Where the account has a second factor: the code that the authenticator shows, or a recovery code." example:"123456"`
		Cookie   bool   `json:"cookie,omitempty" doc:"Keep the session's secret in a cookie that no script can read, for browsers; else the answer has it."`
	}
}

func (s *server) registerLogIn(api huma.API) {
	op := operation("logIn", http.MethodPost, "/v1/login", "Account", "Log in: get a session", http.StatusCreated, 401)
	op.Description = "A session ends after 30 days without use, after 90 days at the latest, or when it is ended. " +
		"Whatever session a browser has before, it gets a new one. The problem second_factor_needed says that the password is right and a code is needed, too."
	huma.Register(api, op, s.logIn)
}

func (s *server) logIn(ctx context.Context, in *logInInput) (*sessionOutput, error) {
	email := identity.NormalEmail(in.Body.Email)
	done, err := s.attempts.logIn(origin(ctx), email, in.Body.Code != "", s.now())
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	came := failed
	defer func() { done(came) }()
	u, hash, found, err := s.identity.ByEmail(ctx, email)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	ok, err := s.passwords.Check(ctx, in.Body.Password, hash)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	if !found || !ok {
		return nil, s.failed(ctx, identity.ErrBadCredentials)
	}
	if came, err = s.secondFactor(ctx, u.ID, in.Body.Code); err != nil {
		return nil, s.failed(ctx, err)
	}
	return s.logInAs(ctx, u.ID, in.Body.Cookie)
}

// secondFactor is asked once the first one is right. It returns no error where the
// person has no second one, or the code is good, which it then is no more.
func (s *server) secondFactor(ctx context.Context, user tenant.UserID, code string) (outcome, error) {
	f, _, err := s.identity.TOTP(ctx, user)
	switch {
	case errors.Is(err, identity.ErrNoTOTP), err == nil && f.EnabledAt == nil:
		return entered, nil
	case err != nil:
		return failed, err
	case code == "":
		return halfway, identity.ErrCodeNeeded
	}
	good, err := s.useCode(ctx, user, f, code)
	if err != nil {
		return failed, err
	}
	if !good {
		return wrongCode, identity.ErrBadCode
	}
	return entered, nil
}

// useCode uses up a code of the authenticator or a recovery code. good is false when
// it is neither, or was used before.
func (s *server) useCode(ctx context.Context, user tenant.UserID, f identity.TOTP, code string) (good bool, err error) {
	if hash, ok := identity.RecoveryHash(code); ok {
		return s.identity.UseRecoveryCode(ctx, user, hash)
	}
	step, ok, err := s.matchCode(ctx, user, f, code)
	if err != nil || !ok {
		return false, err
	}
	return s.identity.UseTOTP(ctx, user, step)
}
