package identity

import (
	"time"

	"github.com/marina-cloud/marina/internal/tenant"
)

// OrganizationSummary is an organization as operators see it.
type OrganizationSummary struct {
	ID        tenant.OrganizationID
	Name      string
	CreatedAt time.Time
	Members   int
	Owner     string // e-mail address of the owner who has been one for longest; empty: there is none
}
