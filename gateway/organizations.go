package gateway

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/gateway/identity"
	"github.com/marina-cloud/marina/internal/tenant"
)

type organizationBody struct {
	Name string `json:"name" doc:"1 to 100 characters, on one line." example:"Analytical Engines"`
}

// Resolve names the wrong fields that the schema cannot name.
func (b *organizationBody) Resolve(huma.Context) []error {
	return details(identity.CheckOrganizationName(b.Name))
}

type organizationInput struct {
	Body organizationBody
}

type organizationOutput struct{ Body membershipView }

func (s *server) registerOrganizations(api huma.API) {
	const one, tag = "/v1/organization", "Organizations"
	create := personal(operation("createOrganization", http.MethodPost, "/v1/organizations", tag, "Create an organization, whose owner you are", http.StatusCreated, 401, 403))
	create.Description = "Requests act in it when they name it in the header " + organizationHeader + "."
	huma.Register(api, create, s.createOrganization)
	huma.Register(api, needs(identity.OrganizationWrite, operation("renameOrganization", http.MethodPatch, one, tag, "Rename the organization", http.StatusOK, 401, 404)), s.renameOrganization)
	remove := needs(identity.OrganizationDelete, operation("deleteOrganization", http.MethodDelete, one, tag, "Delete the organization", http.StatusNoContent, 401, 404, 409))
	remove.Description = "Only one that has no clusters. Its members are in it no more; tokens and invitations end."
	huma.Register(api, remove, s.deleteOrganization)
}

func (s *server) createOrganization(ctx context.Context, in *organizationInput) (*organizationOutput, error) {
	who, name := by(ctx), strings.TrimSpace(in.Body.Name)
	who.Organization = tenant.NewOrganizationID()
	if err := s.identity.AddOrganization(ctx, who, caller(ctx).User, name); err != nil {
		return nil, s.failed(ctx, err)
	}
	return &organizationOutput{membershipView{string(who.Organization), name, identity.Owner}}, nil
}

func (s *server) renameOrganization(ctx context.Context, in *organizationInput) (*organizationOutput, error) {
	who, name := by(ctx), strings.TrimSpace(in.Body.Name)
	if err := s.identity.RenameOrganization(ctx, who, name); err != nil {
		return nil, s.failed(ctx, err)
	}
	return &organizationOutput{membershipView{string(who.Organization), name, caller(ctx).Role}}, nil
}

func (s *server) deleteOrganization(ctx context.Context, _ *struct{}) (*struct{}, error) {
	who := by(ctx)
	inUse := func(tx pgx.Tx) error {
		some, err := s.Clusters.Any(ctx, tx, who.Organization)
		if err == nil && some {
			return identity.ErrHasClusters
		}
		return err
	}
	if err := s.identity.DeleteOrganization(ctx, who, caller(ctx).User, inUse); err != nil {
		return nil, s.failed(ctx, err)
	}
	return nil, nil
}
