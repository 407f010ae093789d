package gateway

import (
	"context"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/marina-cloud/marina/gateway/identity"
)

// AccountView is a person as clients see it. It is exported because huma describes
// only exported types that are embedded, as are the others of this package.
type AccountView struct {
	User          string                `json:"user_id" example:"usr-01k9xw3e5v8m2q4r6t8y0a1b2c"`
	Email         string                `json:"email" example:"ada@example.com"`
	Name          string                `json:"name" doc:"Empty where none was given." example:"Ada Lovelace"`
	Operator      bool                  `json:"operator" doc:"Whether they run the installation."`
	Organization  string                `json:"organization_id" doc:"The organization in which the request acts; empty for a person who is a member of none." example:"org-01k9xw3e5v8m2q4r6t8y0a1b2c"`
	OrgName       string                `json:"organization" doc:"The organization's name." example:"Analytical Engines"`
	Role          identity.Role         `json:"role" doc:"In this organization: owner, admin, developer, viewer or billing." example:"owner"`
	Permissions   []identity.Permission `json:"permissions" doc:"What the request may do: what the role may and, with a token that has scopes, the scopes allow."`
	Organizations []membershipView      `json:"organizations" doc:"Those that the person is a member of; a program sees its token's alone."`
}

type membershipView struct {
	ID   string        `json:"id" example:"org-01k9xw3e5v8m2q4r6t8y0a1b2c"`
	Name string        `json:"name" example:"Analytical Engines"`
	Role identity.Role `json:"role" example:"owner"`
}

func viewMembership(m identity.Membership) membershipView {
	return membershipView{string(m.Organization), m.Name, m.Role}
}

func (s *server) registerAccount(api huma.API) {
	huma.Register(api, anybody(operation("getAccount", http.MethodGet, "/v1/account", "Account", "Say who the request acts for", http.StatusOK, 401, 404)), s.account)
	huma.Register(api, personal(operation("changeAccount", http.MethodPatch, "/v1/account", "Account", "Change your name", http.StatusOK, 401)), s.changeAccount)
}

func (s *server) account(ctx context.Context, _ *struct{}) (*struct{ Body AccountView }, error) {
	c := caller(ctx)
	a, err := s.identity.Account(ctx, c.User)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return &struct{ Body AccountView }{viewAccount(a, c)}, nil
}

type accountBody struct {
	Name string `json:"name" doc:"At most 100 characters, on one line." example:"Ada Lovelace"`
}

// Resolve names the wrong fields that the schema cannot name.
func (b *accountBody) Resolve(huma.Context) []error { return details(identity.CheckPersonName(b.Name)) }

func (s *server) changeAccount(ctx context.Context, in *struct{ Body accountBody }) (*struct{ Body AccountView }, error) {
	if err := s.identity.Rename(ctx, by(ctx), caller(ctx).User, in.Body.Name); err != nil {
		return nil, s.failed(ctx, err)
	}
	return s.account(ctx, nil)
}

// viewAccount shows a person as c, who acts for them.
func viewAccount(a identity.Account, c identity.Caller) AccountView {
	v := AccountView{
		User: string(a.ID), Email: a.Email, Name: a.Name, Operator: a.Operator && c.Token == "",
		Organization: string(c.Organization), Role: c.Role, Permissions: c.Permissions, Organizations: []membershipView{},
	}
	for _, m := range a.Memberships {
		if m.Organization == c.Organization {
			v.OrgName = m.Name
		} else if c.Token != "" {
			continue
		}
		v.Organizations = append(v.Organizations, viewMembership(m))
	}
	if v.Permissions == nil {
		v.Permissions = []identity.Permission{}
	}
	return v
}

// currentOf is the person as a new session of theirs acts: in the organization chosen
// last, else in the oldest.
func currentOf(a identity.Account) identity.Caller {
	c := identity.Caller{User: a.ID, Email: a.Email, Operator: a.Operator}
	if len(a.Memberships) == 0 {
		return c
	}
	at := max(0, slices.IndexFunc(a.Memberships, func(m identity.Membership) bool { return m.Organization == a.Organization }))
	c.Organization, c.Role = a.Memberships[at].Organization, a.Memberships[at].Role
	c.Permissions = c.Role.Permissions(nil)
	return c
}
