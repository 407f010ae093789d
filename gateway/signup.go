package gateway

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/marina-cloud/marina/gateway/identity"
	"github.com/marina-cloud/marina/gateway/letter"
	"github.com/marina-cloud/marina/internal/tenant"
)

// EmailBody is what somebody says who is not known yet, or no more.
type EmailBody struct {
	Email string `json:"email" example:"ada@example.com"`
}

// Resolve names the wrong fields that the schema cannot name.
func (b *EmailBody) Resolve(huma.Context) []error { return details(identity.CheckEmail(b.Email)) }

// askedOutput is the same whatever is known of the address.
type askedOutput struct {
	Body struct {
		Email string `json:"email" doc:"To which a mail is sent." example:"ada@example.com"`
	}
}

func asked(email string) *askedOutput {
	out := &askedOutput{}
	out.Body.Email = email
	return out
}

// VerifyBody is what somebody says who has read the mail of a sign-up.
type VerifyBody struct {
	Secret       string `json:"secret" maxLength:"100" doc:"Behind the # of the link in the mail."`
	Password     string `json:"password" doc:"12 to 200 characters."`
	Name         string `json:"name,omitempty" doc:"At most 100 characters, on one line." example:"Ada Lovelace"`
	Organization string `json:"organization,omitempty" doc:"The name of the new organization; the e-mail address when absent."`
	Cookie       bool   `json:"cookie,omitempty" doc:"Keep the session's secret in a cookie that no script can read, for browsers; else the answer has it."`
}

// Resolve adds to the schema's complaints what a schema cannot say, so that one
// answer names every wrong field.
func (b *VerifyBody) Resolve(huma.Context) []error {
	return details(identity.CheckNewPerson(b.Password, b.Name, b.Organization))
}

func (s *server) registerSignUp(api huma.API) {
	ask := operation("signUp", http.MethodPost, "/v1/signup", "Account", "Sign up: get a mail with a link", http.StatusAccepted)
	ask.Description = "The answer is the same whether the address has an account or not; the mail tells."
	huma.Register(api, ask, s.signUp)
	verify := operation("verifySignUp", http.MethodPost, "/v1/signup/verify", "Account",
		"Create an account, an organization and a session, with the link of the mail", http.StatusCreated, 409)
	verify.Description = "The link is good for a day, and once. The problem link_not_good says that it is not, or not any more."
	huma.Register(api, verify, s.verifySignUp)
}

func (s *server) signUp(ctx context.Context, in *struct{ Body EmailBody }) (*askedOutput, error) {
	email, now := identity.NormalEmail(in.Body.Email), s.now()
	if err := s.attempts.letter(origin(ctx), email, now); err != nil {
		return nil, s.failed(ctx, err)
	}
	secret, link := newLink(now.Add(letter.SignUpLife))
	mails, err := s.seal(ctx, email, s.letters().SignUp(secret), s.letters().Known())
	if err == nil {
		err = s.identity.AskSignUp(ctx, email, link, mails[0], mails[1])
	}
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return asked(email), nil
}

func (s *server) verifySignUp(ctx context.Context, in *struct{ Body VerifyBody }) (*sessionOutput, error) {
	var email string
	link, hash, err := s.throughLink(ctx, in.Body.Secret, in.Body.Password, func(link []byte) (err error) {
		email, err = s.identity.SignUpEmail(ctx, link, s.now())
		return err
	})
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	u := identity.User{ID: tenant.NewUserID(), Organization: tenant.NewOrganizationID(), Email: email, Name: strings.TrimSpace(in.Body.Name), CreatedAt: s.now()}
	x, secret, secretHash := s.newSession(ctx, u.ID)
	before, _ := ctx.Value(beforeKey{}).([]byte)
	if err := s.identity.SignUp(ctx, link, u, hash, organizationName(in.Body.Organization, email), x, secretHash, before); err != nil {
		return nil, s.failed(ctx, err)
	}
	return s.session(ctx, x, secret, in.Body.Cookie)
}

// organizationName is what somebody calls their organization, or its only member's
// address.
func organizationName(wanted, email string) string {
	if wanted = strings.TrimSpace(wanted); wanted != "" {
		return wanted
	}
	return email[:min(len(email), identity.MaxName)] // an address is ASCII
}
