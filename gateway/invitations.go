package gateway

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/marina-cloud/marina/gateway/identity"
	"github.com/marina-cloud/marina/gateway/internal/postgres"
	"github.com/marina-cloud/marina/gateway/letter"
	"github.com/marina-cloud/marina/internal/tenant"
)

// InvitationView is an invitation as the organization sees it. Its secret is in the
// mail alone.
type InvitationView struct {
	ID        string        `json:"id" example:"inv-01k9xw3e5v8m2q4r6t8y0a1b2c"`
	Email     string        `json:"email" doc:"To whom it was sent, and for whom alone it is." example:"grace@example.com"`
	Role      identity.Role `json:"role" doc:"owner, admin, developer, viewer or billing." example:"developer"`
	Inviter   string        `json:"inviter" doc:"Who sent it last." example:"ada@example.com"`
	CreatedAt time.Time     `json:"created_at"`
	ExpiresAt time.Time     `json:"expires_at"`
}

func viewInvitation(x identity.Invitation) InvitationView {
	return InvitationView{string(x.ID), x.Email, x.Role, x.Inviter, x.CreatedAt, x.ExpiresAt}
}

// InvitationPath names an invitation.
type InvitationPath struct {
	ID string `path:"invitation_id" example:"inv-01k9xw3e5v8m2q4r6t8y0a1b2c"`
}

type newInvitationBody struct {
	Email string        `json:"email" example:"grace@example.com"`
	Role  identity.Role `json:"role" doc:"owner, admin, developer, viewer or billing." example:"developer"`
}

// Resolve names the wrong fields that the schema cannot name.
func (b *newInvitationBody) Resolve(huma.Context) []error {
	return details(append(identity.CheckEmail(b.Email), identity.CheckRole(b.Role)...))
}

type invitationOutput struct{ Body InvitationView }

func (s *server) registerInvitations(api huma.API) {
	const path, tag = "/v1/invitations", "Invitations"
	write := func(op huma.Operation) huma.Operation { return needs(identity.MembersWrite, op) }
	huma.Register(api, needs(identity.MembersRead, operation("listInvitations", http.MethodGet, path, tag, "List invitations that nobody has accepted", http.StatusOK, 401)), s.listInvitations)
	create := write(operation("createInvitation", http.MethodPost, path, tag, "Invite somebody by mail", http.StatusCreated, 401, 403, 409))
	create.Description = "The invitation is good for a week, once, and for an account of this address alone. Only owners invite owners."
	huma.Register(api, s.repeatable(create), s.createInvitation)
	huma.Register(api, write(operation("resendInvitation", http.MethodPost, path+"/{invitation_id}/resend", tag,
		"Send the mail again, for another week; the link before is good no more", http.StatusOK, 401, 403, 404)), s.resendInvitation)
	huma.Register(api, write(operation("revokeInvitation", http.MethodDelete, path+"/{invitation_id}", tag, "Revoke an invitation at once", http.StatusNoContent, 401, 404)), s.revokeInvitation)
}

func (s *server) listInvitations(ctx context.Context, in *PageInput) (*pageOutput[InvitationView], error) {
	after, err := in.after()
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	all, err := s.identity.Invitations(ctx, caller(ctx).Organization, after, in.Limit+1)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return pageOf(all, in.Limit, func(x identity.Invitation) string { return string(x.ID) }, viewInvitation), nil
}

func (s *server) createInvitation(ctx context.Context, in *struct{ Body newInvitationBody }) (*invitationOutput, error) {
	x := identity.Invitation{
		ID: tenant.NewInvitationID(), Organization: caller(ctx).Organization, Email: identity.NormalEmail(in.Body.Email), Role: in.Body.Role, CreatedAt: s.now(),
	}
	return s.invite(ctx, x, s.identity.Invite)
}

func (s *server) resendInvitation(ctx context.Context, in *InvitationPath) (*invitationOutput, error) {
	x, err := s.identity.Invitation(ctx, caller(ctx).Organization, tenant.InvitationID(in.ID))
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return s.invite(ctx, x, s.identity.InviteAgain)
}

// invite sends the mail of x, from the caller, with a new secret that is kept with it.
func (s *server) invite(ctx context.Context, x identity.Invitation, keep func(context.Context, postgres.By, identity.Invitation, []byte, postgres.SealedMail) error) (*invitationOutput, error) {
	c := caller(ctx)
	if err := c.Role.MayChange("", x.Role); err != nil { // before a mail counts that is not sent
		return nil, s.failed(ctx, err)
	}
	if err := s.attempts.mail(x.Email, s.now()); err != nil {
		return nil, s.failed(ctx, err)
	}
	secret, link := newLink(s.now().Add(letter.InvitationLife))
	x.InvitedBy, x.Inviter, x.ExpiresAt = c.User, c.Email, link.ExpiresAt
	a, err := s.identity.Account(ctx, c.User)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	text := s.letters().Invitation(secret, viewAccount(a, c).OrgName, c.Email, string(x.Role))
	mail, err := postgres.SealMail(ctx, s.Secrets, postgres.Mail{Organization: x.Organization, To: x.Email, Letter: text})
	if err == nil {
		err = keep(ctx, by(ctx), x, link.Hash, mail)
	}
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return &invitationOutput{viewInvitation(x)}, nil
}

func (s *server) revokeInvitation(ctx context.Context, in *InvitationPath) (*struct{}, error) {
	if err := s.identity.Uninvite(ctx, by(ctx), tenant.InvitationID(in.ID)); err != nil {
		return nil, s.failed(ctx, err)
	}
	return nil, nil
}
