package gateway

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/marina-cloud/marina/gateway/identity"
	"github.com/marina-cloud/marina/internal/fault"
	"github.com/marina-cloud/marina/internal/tenant"
)

// AccountView is a person as clients see it. It is exported because huma describes
// only exported types that are embedded, as are the others of this package.
type AccountView struct {
	User         string `json:"user_id" example:"usr-01k9xw3e5v8m2q4r6t8y0a1b2c"`
	Email        string `json:"email" example:"ada@example.com"`
	Organization string `json:"organization_id" example:"org-01k9xw3e5v8m2q4r6t8y0a1b2c"`
	Name         string `json:"organization" doc:"The organization's name." example:"Analytical Engines"`
}

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

type logInInput struct {
	Body struct {
		Email    string `json:"email"`
		Password string `json:"password" maxLength:"200"`
	}
}

type sessionOutput struct {
	Body struct {
		AccountView
		Token tokenWithSecret `json:"token"`
	}
}

func (s *server) registerSignUp(api huma.API) {
	huma.Register(api, operation("signUp", http.MethodPost, "/v1/signup", "Account",
		"Create an organization, an account and a token", http.StatusCreated, 409), s.signUp)
	huma.Register(api, operation("logIn", http.MethodPost, "/v1/login", "Account",
		"Get a token for an account", http.StatusCreated, 401), s.logIn)
}

func (s *server) registerAccount(api huma.API) {
	huma.Register(api, operation("getAccount", http.MethodGet, "/v1/account", "Account",
		"Say who the token acts for", http.StatusOK, 401), s.account)
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
	t, secret, secretHash := s.newToken(u, "signup", identity.TokenLife)
	if err := s.identity.SignUp(ctx, name, u, hash, t, secretHash, address(ctx)); err != nil {
		return nil, s.failed(ctx, err)
	}
	return session(u, name, t, secret), nil
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
	t, secret, secretHash := s.newToken(u, "login", identity.TokenLife)
	if err := s.identity.LogIn(ctx, t, secretHash, address(ctx)); err != nil {
		return nil, s.failed(ctx, err)
	}
	_, name, err := s.identity.Account(ctx, identity.Caller{Organization: u.Organization, User: u.ID})
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return session(u, name, t, secret), nil
}

func (s *server) account(ctx context.Context, _ *struct{}) (*struct{ Body AccountView }, error) {
	u, name, err := s.identity.Account(ctx, caller(ctx))
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return &struct{ Body AccountView }{viewAccount(u, name)}, nil
}

func (s *server) newToken(u identity.User, name string, life time.Duration) (t identity.Token, secret string, hash []byte) {
	now := s.now()
	t = identity.Token{ID: tenant.NewTokenID(), Organization: u.Organization, User: u.ID, Name: name, CreatedAt: now, ExpiresAt: now.Add(life)}
	secret = identity.NewSecret()
	hash, _ = identity.SecretHash(secret)
	return t, secret, hash
}

func session(u identity.User, name string, t identity.Token, secret string) *sessionOutput {
	out := &sessionOutput{}
	out.Body.AccountView = viewAccount(u, name)
	out.Body.Token = tokenWithSecret{viewToken(t), secret}
	return out
}

func viewAccount(u identity.User, name string) AccountView {
	return AccountView{User: string(u.ID), Email: u.Email, Organization: string(u.Organization), Name: name}
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
