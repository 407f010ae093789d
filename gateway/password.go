package gateway

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/marina-cloud/marina/gateway/identity"
	"github.com/marina-cloud/marina/gateway/letter"
)

// ResetBody is what somebody says who has read the mail about a forgotten password.
type ResetBody struct {
	Secret   string `json:"secret" maxLength:"100" doc:"Behind the # of the link in the mail."`
	Password string `json:"password" doc:"The new one: 12 to 200 characters."`
}

// Resolve names the wrong fields that the schema cannot name.
func (b *ResetBody) Resolve(huma.Context) []error {
	return details(identity.CheckPassword("password", b.Password))
}

// PasswordBody is what somebody says who wants another password.
type PasswordBody struct {
	Password    string `json:"password" maxLength:"200" doc:"The present one."`
	NewPassword string `json:"new_password" doc:"12 to 200 characters."`
}

// Resolve names the wrong fields that the schema cannot name.
func (b *PasswordBody) Resolve(huma.Context) []error {
	return details(identity.CheckPassword("new_password", b.NewPassword))
}

func (s *server) registerForgotten(api huma.API) {
	forgot := operation("forgotPassword", http.MethodPost, "/v1/password/forgot", "Account", "Get a mail with a link to choose a new password", http.StatusAccepted)
	forgot.Description = "The answer is the same whether the address has an account or not; the mail tells."
	huma.Register(api, forgot, s.forgotPassword)
	reset := operation("resetPassword", http.MethodPost, "/v1/password/reset", "Account", "Choose a new password, with the link of the mail", http.StatusNoContent)
	reset.Description = "The link is good for an hour, and once. All sessions of the account end; log in with the new password, and the second factor where there is one. " +
		"The problem link_not_good says that the link is not good, or not any more."
	huma.Register(api, reset, s.resetPassword)
}

func (s *server) registerPassword(api huma.API) {
	op := operation("changePassword", http.MethodPost, "/v1/account/password", "Account", "Choose another password", http.StatusNoContent, 401)
	op.Description = "All other sessions of yours end."
	huma.Register(api, personal(op), s.changePassword)
}

func (s *server) forgotPassword(ctx context.Context, in *struct{ Body EmailBody }) (*askedOutput, error) {
	email, now := identity.NormalEmail(in.Body.Email), s.now()
	if err := s.attempts.letter(origin(ctx), email, now); err != nil {
		return nil, s.failed(ctx, err)
	}
	secret, link := newLink(now.Add(letter.ResetLife))
	mails, err := s.seal(ctx, email, s.letters().Reset(secret), s.letters().Unknown())
	if err == nil {
		err = s.identity.AskReset(ctx, email, link, mails[0], mails[1])
	}
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return asked(email), nil
}

func (s *server) resetPassword(ctx context.Context, in *struct{ Body ResetBody }) (*struct{}, error) {
	var u identity.User
	link, hash, err := s.throughLink(ctx, in.Body.Secret, in.Body.Password, func(link []byte) (err error) {
		u, err = s.identity.ResetOf(ctx, link, s.now())
		return err
	})
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	tell, err := s.seal(ctx, u.Email, s.letters().PasswordChanged(s.now()))
	if err == nil {
		err = s.identity.ResetPassword(ctx, link, s.now(), hash, address(ctx), tell[0])
	}
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return nil, nil
}

func (s *server) changePassword(ctx context.Context, in *struct{ Body PasswordBody }) (*struct{}, error) {
	c := caller(ctx)
	done, err := s.attempts.logIn(origin(ctx), c.Email, false, s.now())
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	came := failed
	defer func() { done(came) }()
	old, err := s.identity.PasswordHash(ctx, c.User)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	ok, err := s.passwords.Check(ctx, in.Body.Password, old)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	if !ok {
		return nil, s.failed(ctx, identity.ErrWrongPassword.With("password", "is not your present one"))
	}
	came = halfway
	hash, err := s.passwords.Hash(ctx, in.Body.NewPassword)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	tell, err := s.seal(ctx, c.Email, s.letters().PasswordChanged(s.now()))
	if err == nil {
		err = s.identity.ChangePassword(ctx, c.User, hash, c.Session, address(ctx), tell[0])
	}
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return nil, nil
}
