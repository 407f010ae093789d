package gateway

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/marina-cloud/marina/gateway/identity"
	"github.com/marina-cloud/marina/internal/fault"
	"github.com/marina-cloud/marina/internal/tenant"
)

type signUpInput struct {
	Body signUpBody
}

type signUpBody struct {
	Email        string `json:"email" example:"ada@example.com"`
	Password     string `json:"password" doc:"12 to 200 characters."`
	Organization string `json:"organization,omitempty" doc:"The name of the new organization; the e-mail address when absent."`
}

// Resolve adds to the schema's complaints what a schema cannot say, so that one
// answer names every wrong field.
func (b *signUpBody) Resolve(huma.Context) []error {
	return details(identity.CheckSignUp(b.Email, b.Password, b.Organization))
}

func (s *server) registerSignUp(api huma.API) {
	huma.Register(api, operation("signUp", http.MethodPost, "/v1/signup", "Account",
		"Create an organization, an account and a session", http.StatusCreated, 409), s.signUp)
}

func (s *server) signUp(ctx context.Context, in *signUpInput) (*sessionOutput, error) {
	u := identity.User{ID: tenant.NewUserID(), Organization: tenant.NewOrganizationID(), Email: identity.NormalEmail(in.Body.Email), CreatedAt: s.now()}
	name := strings.TrimSpace(in.Body.Organization)
	if name == "" {
		name = u.Email[:min(len(u.Email), identity.MaxName)] // an address is ASCII
	}
	done, err := s.attempts.signUp(origin(ctx), s.now())
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	hash, err := s.passwords.Hash(ctx, in.Body.Password)
	done()
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	x, secret, secretHash := s.newSession(ctx, u.ID)
	if err := s.identity.SignUp(ctx, u, hash, name, x, secretHash); err != nil {
		return nil, s.failed(ctx, err)
	}
	return s.session(ctx, x, secret, false)
}

// details puts wrong fields of a body into the form in which huma collects them.
func details(wrong []fault.Field) []error {
	errs := make([]error, len(wrong))
	for i, w := range wrong {
		errs[i] = ProblemField{Location: "body." + w.Name, Message: w.Reason}
	}
	return errs
}

// detailsOf does the same with the fault that a Validate method returned.
func detailsOf(err error) []error {
	if err == nil {
		return nil
	}
	f := fault.From(err)
	if len(f.Fields) == 0 {
		return []error{ProblemField{Location: "body", Message: f.Msg}}
	}
	return details(f.Fields)
}
