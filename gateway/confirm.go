package gateway

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/marina-cloud/marina/gateway/identity"
	"github.com/marina-cloud/marina/internal/fault"
)

type confirmBody struct {
	Password string `json:"password,omitempty" maxLength:"200" doc:"Of the account; or"`
	Code     string `json:"code,omitempty" maxLength:"50" doc:"the one that the authenticator shows, or a recovery code."`
}

// Resolve names the wrong fields that the schema cannot name.
func (b *confirmBody) Resolve(huma.Context) []error {
	if (b.Password == "") == (b.Code == "") {
		return details([]fault.Field{{Name: "password", Reason: "or a code is needed, and one of them alone"}})
	}
	return nil
}

func (s *server) registerConfirm(api huma.API) {
	op := personal(operation("confirmSession", http.MethodPost, "/v1/sessions/current/confirm", "Account", "Confirm that it is you who has this session", http.StatusNoContent, 401, 404))
	op.Description = "What changes how you log in (x-marina-confirmation) asks for it, and not again for ten minutes. " +
		"A log-in without a password is a confirmation itself."
	huma.Register(api, op, s.confirm)
}

var (
	errWrongPassword = fault.InvalidFields([]fault.Field{{Name: "password", Reason: "is wrong"}})
	errWrongCode     = fault.InvalidFields([]fault.Field{{Name: "code", Reason: "is wrong, or was used before"}})
)

func (s *server) confirm(ctx context.Context, in *struct{ Body confirmBody }) (*struct{}, error) {
	c := caller(ctx)
	done, err := s.attempts.logIn(origin(ctx), c.Email, in.Body.Code != "", s.now())
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	came := failed
	defer func() { done(came) }()
	if in.Body.Code != "" {
		came, err = s.confirmByCode(ctx, c, in.Body.Code)
	} else {
		came, err = s.confirmByPassword(ctx, c, in.Body.Password)
	}
	if err == nil {
		err = s.identity.ConfirmSession(ctx, c.Session, s.now())
	}
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return nil, nil
}

func (s *server) confirmByCode(ctx context.Context, c identity.Caller, code string) (outcome, error) {
	f, _, err := s.identity.TOTP(ctx, c.User)
	if err == nil && f.EnabledAt == nil {
		err = identity.ErrNoTOTP
	}
	if err != nil {
		return failed, err
	}
	good, err := s.useCode(ctx, c.User, f, code)
	if err == nil && !good {
		return wrongCode, errWrongCode
	}
	return entered, err
}

func (s *server) confirmByPassword(ctx context.Context, c identity.Caller, password string) (outcome, error) {
	_, hash, _, err := s.identity.ByEmail(ctx, c.Email)
	if err != nil {
		return failed, err
	}
	good, err := s.passwords.Check(ctx, password, hash)
	if err == nil && !good {
		return failed, errWrongPassword
	}
	return entered, err
}
