package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/gateway/identity"
	"github.com/marina-cloud/marina/internal/tenant"
)

// Members returns up to limit of an organization's members, with ids after after.
func (s *Identity) Members(ctx context.Context, org tenant.OrganizationID, after string, limit int) (all []identity.Member, err error) {
	err = s.DB.AsTenant(ctx, org, func(tx pgx.Tx) error {
		const q = `SELECT u.id, u.email, u.name, m.role, m.created_at FROM memberships m JOIN users u ON u.id = m.user_id
			WHERE u.id > $1 ORDER BY u.id LIMIT $2`
		rows, err := tx.Query(ctx, q, after, limit)
		if err != nil {
			return fmt.Errorf("list members: %w", err)
		}
		all, err = pgx.CollectRows(rows, pgx.RowToStructByPos[identity.Member])
		return err
	})
	return all, err
}

// Membership is a change of what somebody is in an organization.
type Membership struct {
	Asker  tenant.UserID // on whose behalf; their role is asked for anew, where nothing changes it any more
	Member tenant.UserID
	Role   identity.Role // empty: they are to be none any more
	// Revoke ends, with the transaction, what was given out for the role before.
	Revoke func(pgx.Tx) error
}

// leaves reports whether a member goes of their own will, which needs no permission.
func (c Membership) leaves() bool { return c.Asker == c.Member && c.Role == "" }

// ChangeMember changes a member's role, or removes them. Tokens and invitations that
// the new role could not have made end with it. Errors are identity.ErrNoMember,
// ErrOwnerOnly, ErrLastOwner, and ErrNoOrganization when the asker is a member no more.
func (s *Identity) ChangeMember(ctx context.Context, by By, c Membership) (m identity.Member, err error) {
	err = s.DB.AsTenant(ctx, by.Organization, func(tx pgx.Tx) error {
		asker, err := askerRole(ctx, tx, by.Organization, c.Asker, "NO KEY UPDATE")
		if err != nil {
			return err
		}
		if !asker.Has(identity.MembersWrite) && !c.leaves() {
			return identity.ErrNotPermitted
		}
		const read = `SELECT u.id, u.email, u.name, m.role, m.created_at FROM memberships m JOIN users u ON u.id = m.user_id
			WHERE m.user_id = $1 FOR UPDATE OF m`
		rows, err := tx.Query(ctx, read, c.Member)
		if err != nil {
			return fmt.Errorf("read member: %w", err)
		}
		m, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[identity.Member])
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return identity.ErrNoMember
		case err != nil:
			return fmt.Errorf("read member: %w", err)
		case m.Role == c.Role:
			return nil
		}
		if err := asker.MayChange(m.Role, c.Role); err != nil {
			return err
		}
		if m.Role == identity.Owner {
			if err := otherOwner(ctx, tx, m.User); err != nil {
				return err
			}
		}
		if err := recordMember(ctx, tx, by, m, c.Role); err != nil { // while the log can still know them
			return err
		}
		if err := setRole(ctx, tx, by.Organization, m.User, c.Role); err != nil {
			return err
		}
		m.Role = c.Role
		return c.Revoke(tx)
	})
	return m, err
}

// askerRole locks the organization, whose members then change one at a time, and
// returns what user is in it; or identity.ErrNoOrganization.
func askerRole(ctx context.Context, tx pgx.Tx, org tenant.OrganizationID, user tenant.UserID, lock string) (role identity.Role, err error) {
	var alive bool
	err = tx.QueryRow(ctx, "SELECT true FROM organizations WHERE id = $1 AND deleted_at IS NULL FOR "+lock, org).Scan(&alive)
	if err == nil {
		err = tx.QueryRow(ctx, "SELECT role FROM memberships WHERE user_id = $1", user).Scan(&role)
	}
	if errors.Is(err, pgx.ErrNoRows) {
		return "", identity.ErrNoOrganization
	}
	if err != nil {
		return "", fmt.Errorf("read the asker's role: %w", err)
	}
	return role, nil
}

// otherOwner returns identity.ErrLastOwner when user is the only owner.
func otherOwner(ctx context.Context, tx pgx.Tx, user tenant.UserID) error {
	var others bool
	const q = "SELECT EXISTS (SELECT FROM memberships WHERE role = 'owner' AND user_id <> $1)"
	if err := tx.QueryRow(ctx, q, user).Scan(&others); err != nil {
		return fmt.Errorf("look for another owner: %w", err)
	}
	if !others {
		return identity.ErrLastOwner
	}
	return nil
}

func recordMember(ctx context.Context, tx pgx.Tx, by By, m identity.Member, role identity.Role) error {
	if role == "" {
		return audit(ctx, tx, by, "member.remove", string(m.User), map[string]any{"email": m.Email, "role": m.Role})
	}
	return audit(ctx, tx, by, "member.change", string(m.User), map[string]any{"email": m.Email, "from": m.Role, "to": role})
}

// setRole changes what user is, with what hangs on it: who may have no tokens loses
// theirs, and invitations by somebody who might not send them now are void.
func setRole(ctx context.Context, tx pgx.Tx, org tenant.OrganizationID, user tenant.UserID, role identity.Role) error {
	batch := &pgx.Batch{}
	if role == "" {
		batch.Queue("DELETE FROM memberships WHERE organization_id = $1 AND user_id = $2", org, user)
	} else {
		batch.Queue("UPDATE memberships SET role = $3 WHERE organization_id = $1 AND user_id = $2", org, user, role)
	}
	if !role.Has(identity.TokensWrite) {
		batch.Queue("DELETE FROM tokens WHERE organization_id = $1 AND user_id = $2", org, user)
	}
	if !role.Has(identity.MembersWrite) {
		batch.Queue("DELETE FROM invitations WHERE organization_id = $1 AND invited_by = $2", org, user)
	} else if role != identity.Owner {
		batch.Queue("DELETE FROM invitations WHERE organization_id = $1 AND invited_by = $2 AND role = 'owner'", org, user)
	}
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("change member: %w", err)
	}
	return nil
}
