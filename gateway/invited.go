package gateway

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/marina-cloud/marina/gateway/identity"
	"github.com/marina-cloud/marina/internal/tenant"
)

// What whoever has an invitation's mail does with it. The secret is in bodies: it would
// be in logs of proxies if it were in addresses.

// SecretBody is the secret of a link in a mail.
type SecretBody struct {
	Secret string `json:"secret" maxLength:"100" doc:"Behind the # of the link in the mail."`
}

// InvitedView is an invitation as whoever has its mail sees it. It does not say for
// which address it is: the link may have gone astray.
type InvitedView struct {
	Organization string        `json:"organization" doc:"Its name." example:"Analytical Engines"`
	Role         identity.Role `json:"role" doc:"owner, admin, developer, viewer or billing." example:"developer"`
	Inviter      string        `json:"inviter" example:"ada@example.com"`
	ExpiresAt    time.Time     `json:"expires_at"`
	HasAccount   bool          `json:"has_account" doc:"Whether the address to which it was sent has an account, which then accepts it; else an account is made."`
}

// InvitedBody is what somebody says who is invited and has no account.
type InvitedBody struct {
	SecretBody
	Password string `json:"password" doc:"12 to 200 characters."`
	Name     string `json:"name,omitempty" doc:"At most 100 characters, on one line." example:"Grace Hopper"`
	Cookie   bool   `json:"cookie,omitempty" doc:"Keep the session's secret in a cookie that no script can read, for browsers; else the answer has it."`
}

// Resolve names the wrong fields that the schema cannot name.
func (b *InvitedBody) Resolve(huma.Context) []error {
	return details(identity.CheckNewPerson(b.Password, b.Name, ""))
}

func (s *server) registerInvited(public, private huma.API) {
	const path, tag = "/v1/invitations", "Invitations"
	huma.Register(public, operation("showInvitation", http.MethodPost, path+"/show", tag, "Show the invitation of a mail", http.StatusOK), s.showInvitation)
	huma.Register(public, operation("signUpInvited", http.MethodPost, path+"/signup", tag,
		"Accept an invitation: create an account for the address to which it was sent, and a session", http.StatusCreated, 409), s.signUpInvited)
	huma.Register(private, personal(operation("acceptInvitation", http.MethodPost, path+"/accept", tag,
		"Accept an invitation that was sent to your address", http.StatusOK, 401, 403)), s.acceptInvitation)
}

func (s *server) showInvitation(ctx context.Context, in *struct{ Body SecretBody }) (*struct{ Body InvitedView }, error) {
	link, err := linkHash(in.Body.Secret)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	x, err := s.identity.ByInvitation(ctx, link, s.now())
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return &struct{ Body InvitedView }{InvitedView{x.OrganizationName, x.Role, x.Inviter, x.ExpiresAt, x.HasAccount}}, nil
}

func (s *server) acceptInvitation(ctx context.Context, in *struct{ Body SecretBody }) (*organizationOutput, error) {
	link, err := linkHash(in.Body.Secret)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	c := caller(ctx)
	m, err := s.identity.Accept(ctx, link, c.User, c.Email, address(ctx), s.now())
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return &organizationOutput{viewMembership(m)}, nil
}

func (s *server) signUpInvited(ctx context.Context, in *struct{ Body InvitedBody }) (*sessionOutput, error) {
	link, hash, err := s.throughLink(ctx, in.Body.Secret, in.Body.Password, func(link []byte) (err error) {
		_, err = s.identity.ByInvitation(ctx, link, s.now())
		return err
	})
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	u := identity.User{ID: tenant.NewUserID(), Name: strings.TrimSpace(in.Body.Name), CreatedAt: s.now()}
	x, secret, secretHash := s.newSession(ctx, u.ID)
	before, _ := ctx.Value(beforeKey{}).([]byte)
	if err := s.identity.SignUpInvited(ctx, link, u, hash, x, secretHash, before); err != nil {
		return nil, s.failed(ctx, err)
	}
	return s.session(ctx, x, secret, in.Body.Cookie)
}
