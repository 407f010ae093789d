package gateway

import (
	"context"
	"time"

	"github.com/marina-cloud/marina/gateway/identity"
	"github.com/marina-cloud/marina/gateway/internal/postgres"
	"github.com/marina-cloud/marina/internal/fault"
	"github.com/marina-cloud/marina/internal/tenant"
	"github.com/marina-cloud/marina/migrations/pg"
)

// ErrEmailTaken is the fault of an address that has an account.
var ErrEmailTaken = identity.ErrEmailTaken

// AddOperator makes the account of somebody who runs the installation, with an
// organization, without sending a mail: for root alone. It returns ErrEmailTaken when
// the address has an account, which it leaves as it is.
func AddOperator(ctx context.Context, db *pg.DB, email, password, organization string) error {
	email = identity.NormalEmail(email)
	if err := fault.InvalidFields(append(identity.CheckEmail(email), identity.CheckNewPerson(password, "", organization)...)); err != nil {
		return err
	}
	hash, err := identity.NewPasswords(1).Hash(ctx, password)
	if err != nil {
		return err
	}
	u := identity.User{ID: tenant.NewUserID(), Organization: tenant.NewOrganizationID(), Email: email, CreatedAt: time.Now()}
	return (&postgres.Identity{DB: db}).AddOperator(ctx, u, hash, organizationName(organization, email))
}
