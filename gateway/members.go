package gateway

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/gateway/identity"
	"github.com/marina-cloud/marina/gateway/internal/postgres"
	"github.com/marina-cloud/marina/internal/tenant"
)

// MemberView is a person in the organization.
type MemberView struct {
	User  string        `json:"user_id" example:"usr-01k9xw3e5v8m2q4r6t8y0a1b2c"`
	Email string        `json:"email" example:"ada@example.com"`
	Name  string        `json:"name" doc:"Empty where none was given." example:"Ada Lovelace"`
	Role  identity.Role `json:"role" doc:"owner, admin, developer, viewer or billing." example:"developer"`
	Since time.Time     `json:"since" doc:"When they joined."`
}

func viewMember(m identity.Member) MemberView {
	return MemberView{string(m.User), m.Email, m.Name, m.Role, m.Since}
}

// MemberPath names a member.
type MemberPath struct {
	User string `path:"user_id" example:"usr-01k9xw3e5v8m2q4r6t8y0a1b2c"`
}

type memberBody struct {
	Role identity.Role `json:"role" doc:"owner, admin, developer, viewer or billing." example:"developer"`
}

// Resolve names the wrong fields that the schema cannot name.
func (b *memberBody) Resolve(huma.Context) []error { return details(identity.CheckRole(b.Role)) }

func (s *server) registerMembers(api huma.API) {
	const path, tag = "/v1/members", "Members"
	write := func(op huma.Operation) huma.Operation { return needs(identity.MembersWrite, op) }
	huma.Register(api, needs(identity.MembersRead, operation("listMembers", http.MethodGet, path, tag, "List the organization's members", http.StatusOK, 401)), s.listMembers)
	change := write(operation("changeMember", http.MethodPatch, path+"/{user_id}", tag, "Change a member's role", http.StatusOK, 401, 404, 409))
	change.Description = "It holds at once. The member's credentials for clusters are revoked, so that kubectl gets ones for the new role; " +
		"tokens do what the new role allows, and end if it allows none. Only owners change owners."
	huma.Register(api, change, s.changeMember)
	remove := write(operation("removeMember", http.MethodDelete, path+"/{user_id}", tag, "Remove a member", http.StatusNoContent, 401, 404, 409))
	remove.Description = "Their tokens and credentials for the organization's clusters end at once, and invitations that they sent are void."
	huma.Register(api, remove, s.removeMember)
	huma.Register(api, personal(operation("leaveOrganization", http.MethodPost, "/v1/organization/leave", tag,
		"Leave the organization", http.StatusNoContent, 401, 404, 409)), s.leave)
}

func (s *server) listMembers(ctx context.Context, in *PageInput) (*pageOutput[MemberView], error) {
	after, err := in.after()
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	all, err := s.identity.Members(ctx, caller(ctx).Organization, after, in.Limit+1)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return pageOf(all, in.Limit, func(m identity.Member) string { return string(m.User) }, viewMember), nil
}

// setRole changes what somebody is in the caller's organization; without a role they
// are a member no more.
func (s *server) setRole(ctx context.Context, member tenant.UserID, role identity.Role) (identity.Member, error) {
	who := by(ctx)
	publish := func(context.Context) {}
	m, err := s.identity.ChangeMember(ctx, who, postgres.Membership{
		Asker: caller(ctx).User, Member: member, Role: role,
		Revoke: func(tx pgx.Tx) (err error) {
			publish, err = s.Clusters.RevokeCredentialsOf(ctx, tx, who.Organization, who.Actor, who.Address, member)
			return err
		},
	})
	if err != nil {
		return m, s.failed(ctx, err)
	}
	publish(ctx)
	return m, nil
}

func (s *server) changeMember(ctx context.Context, in *struct {
	MemberPath
	Body memberBody
}) (*struct{ Body MemberView }, error) {
	m, err := s.setRole(ctx, tenant.UserID(in.User), in.Body.Role)
	if err != nil {
		return nil, err
	}
	return &struct{ Body MemberView }{viewMember(m)}, nil
}

func (s *server) removeMember(ctx context.Context, in *MemberPath) (*struct{}, error) {
	_, err := s.setRole(ctx, tenant.UserID(in.User), "")
	return nil, err
}

func (s *server) leave(ctx context.Context, _ *struct{}) (*struct{}, error) {
	if caller(ctx).Organization == "" {
		return nil, s.failed(ctx, identity.ErrNoOrganization)
	}
	_, err := s.setRole(ctx, caller(ctx).User, "")
	return nil, err
}
