package identity

import (
	"maps"
	"slices"

	"github.com/marina-cloud/marina/internal/fault"
)

// Permission is one thing that a role may do, and a scope of a token.
type Permission string

// The permissions, as the API calls them.
const (
	ClustersRead       Permission = "clusters:read"
	ClustersWrite      Permission = "clusters:write"  // create and change clusters and their pools
	ClustersDelete     Permission = "clusters:delete" // clusters with all that is in them
	ClustersUse        Permission = "clusters:use"    // credentials, terminal, workloads
	MembersRead        Permission = "members:read"
	MembersWrite       Permission = "members:write"
	OrganizationWrite  Permission = "organization:write"
	OrganizationDelete Permission = "organization:delete"
	TokensWrite        Permission = "tokens:write" // one's own tokens
	AuditRead          Permission = "audit:read"
	BillingRead        Permission = "billing:read"
	BillingWrite       Permission = "billing:write"
)

// Role is what a person is in an organization.
type Role string

// The roles.
const (
	Owner     Role = "owner"
	Admin     Role = "admin"
	Developer Role = "developer"
	Viewer    Role = "viewer"
	Billing   Role = "billing"
)

// matrix is the one table of what each role may do.
var matrix = map[Role][]Permission{
	Owner: {
		ClustersRead, ClustersWrite, ClustersDelete, ClustersUse, MembersRead, MembersWrite,
		OrganizationWrite, OrganizationDelete, TokensWrite, AuditRead, BillingRead, BillingWrite,
	},
	Admin: {
		ClustersRead, ClustersWrite, ClustersDelete, ClustersUse, MembersRead, MembersWrite,
		OrganizationWrite, TokensWrite, AuditRead, BillingRead, BillingWrite,
	},
	Developer: {ClustersRead, ClustersWrite, ClustersDelete, ClustersUse, MembersRead, TokensWrite},
	Viewer:    {ClustersRead, ClustersUse, MembersRead},
	Billing:   {ClustersRead, MembersRead, BillingRead, BillingWrite},
}

// Roles returns all roles, the mightiest first.
func Roles() []Role { return []Role{Owner, Admin, Developer, Viewer, Billing} }

// AllPermissions returns all permissions, sorted.
func AllPermissions() []Permission { return slices.Sorted(slices.Values(matrix[Owner])) }

// Known reports whether there is such a role.
func (r Role) Known() bool { return matrix[r] != nil }

// Permissions returns what somebody with this role may do, sorted: with a token
// that has scopes, only what both the role and the scopes allow. A token without
// scopes (nil) has all of the role.
func (r Role) Permissions(scopes []Permission) []Permission {
	may := map[Permission]bool{}
	for _, p := range matrix[r] {
		if scopes == nil || slices.Contains(scopes, p) {
			may[p] = true
		}
	}
	return slices.Sorted(maps.Keys(may))
}

// Faults of roles and organizations.
var (
	ErrLastOwner         = fault.New(fault.Conflict, "last_owner", "An organization keeps at least one owner. Make somebody else an owner first; or delete the organization.")
	ErrHasClusters       = fault.New(fault.Conflict, "organization_has_clusters", "The organization has clusters, or deleted ones that can be brought back. Delete them for good first (with purge=true), and wait until they are gone.")
	ErrManyOrganizations = fault.New(fault.Exhausted, "organization_quota", "You own as many organizations as one person may. Delete one, or ask somebody else to make it.")

	ErrNotPermitted = fault.New(fault.Forbidden, "not_permitted", "Your role in the organization has changed, and does not allow this any more.")
	ErrOwnerOnly    = fault.New(fault.Forbidden, "not_permitted", "Only an owner may make owners, or change and remove them. Ask an owner of the organization.")
)

// MayChange reports whether somebody with this role, who may change members, may
// make a member with the role from one with the role to; either is empty for
// somebody who joins or leaves. Only owners may touch owners: an admin could
// otherwise put themselves in an owner's place.
func (r Role) MayChange(from, to Role) error {
	if r != Owner && (from == Owner || to == Owner) {
		return ErrOwnerOnly
	}
	return nil
}

// CheckRole returns what is wrong with a role that somebody is to have.
func CheckRole(r Role) []fault.Field {
	if r.Known() {
		return nil
	}
	return []fault.Field{{Name: "role", Reason: "must be one of " + joined(Roles())}}
}

// Has reports whether the role may do p.
func (r Role) Has(p Permission) bool { return slices.Contains(matrix[r], p) }
