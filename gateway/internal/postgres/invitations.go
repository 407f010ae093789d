package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/gateway/identity"
	"github.com/marina-cloud/marina/internal/tenant"
)

// Invite adds an invitation and queues its mail. Errors are identity.ErrInvited,
// ErrMember, ErrManyInvitations, ErrOwnerOnly, and ErrNoOrganization and ErrNotPermitted
// when the asker, x.InvitedBy, may not invite any more.
func (s *Identity) Invite(ctx context.Context, by By, x identity.Invitation, secretHash []byte, mail SealedMail) error {
	return s.DB.AsTenant(ctx, by.Organization, func(tx pgx.Tx) error {
		if err := mayInvite(ctx, tx, by.Organization, x.InvitedBy, x.Role); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "DELETE FROM invitations WHERE organization_id = $1 AND expires_at <= $2", by.Organization, x.CreatedAt); err != nil {
			return fmt.Errorf("forget old invitations: %w", err)
		}
		var member, many bool
		const look = `SELECT EXISTS (SELECT FROM users u JOIN memberships m ON m.user_id = u.id WHERE u.email = $1), (SELECT count(*) FROM invitations) >= $2`
		if err := tx.QueryRow(ctx, look, x.Email, identity.MaxInvitations).Scan(&member, &many); err != nil {
			return fmt.Errorf("look for members and invitations: %w", err)
		}
		switch {
		case member:
			return identity.ErrMember
		case many:
			return identity.ErrManyInvitations
		}
		const add = `INSERT INTO invitations (id, organization_id, email, role, hash, invited_by, created_at, expires_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING`
		tag, err := tx.Exec(ctx, add, x.ID, by.Organization, x.Email, x.Role, secretHash, x.InvitedBy, x.CreatedAt, x.ExpiresAt)
		if err != nil {
			return fmt.Errorf("add invitation: %w", err)
		}
		if tag.RowsAffected() == 0 {
			return identity.ErrInvited
		}
		return sendInvitation(ctx, tx, by, "invitation.create", x, mail)
	})
}

// InviteAgain gives an invitation a new secret and queues a mail with it: the one before
// is good no more. Errors are those of Invite, and identity.ErrNoInvitation.
func (s *Identity) InviteAgain(ctx context.Context, by By, x identity.Invitation, secretHash []byte, mail SealedMail) error {
	return s.DB.AsTenant(ctx, by.Organization, func(tx pgx.Tx) error {
		if err := mayInvite(ctx, tx, by.Organization, x.InvitedBy, x.Role); err != nil {
			return err
		}
		const q = `UPDATE invitations SET hash = $3, expires_at = $4, invited_by = $5 WHERE organization_id = $1 AND id = $2 AND email = $6 AND role = $7`
		tag, err := tx.Exec(ctx, q, by.Organization, x.ID, secretHash, x.ExpiresAt, x.InvitedBy, x.Email, x.Role)
		if err != nil {
			return fmt.Errorf("renew invitation: %w", err)
		}
		if tag.RowsAffected() == 0 {
			return identity.ErrNoInvitation
		}
		return sendInvitation(ctx, tx, by, "invitation.resend", x, mail)
	})
}

func mayInvite(ctx context.Context, tx pgx.Tx, org tenant.OrganizationID, asker tenant.UserID, role identity.Role) error {
	is, err := askerRole(ctx, tx, org, asker, "NO KEY UPDATE")
	if err != nil {
		return err
	}
	if !is.Has(identity.MembersWrite) {
		return identity.ErrNotPermitted
	}
	return is.MayChange("", role)
}

// sendInvitation queues the mail, if the organization has not had too many sent today:
// strangers would be bothered in our name.
func sendInvitation(ctx context.Context, tx pgx.Tx, by By, action string, x identity.Invitation, mail SealedMail) error {
	var sent int
	const q = "SELECT count(*) FROM audit_log WHERE organization_id = $1 AND action IN ('invitation.create', 'invitation.resend') AND at > now() - interval '1 day'"
	if err := tx.QueryRow(ctx, q, by.Organization).Scan(&sent); err != nil {
		return fmt.Errorf("count mails: %w", err)
	}
	if sent >= identity.MaxInvitationMails {
		return identity.ErrManyInvitations
	}
	if err := queueMail(ctx, tx, mail); err != nil {
		return err
	}
	return audit(ctx, tx, by, action, string(x.ID), map[string]any{"email": x.Email, "role": x.Role})
}

// invitation selects invitations; i is the table.
const invitation = `SELECT i.id, i.organization_id, i.email, i.role, i.invited_by, u.email, i.created_at, i.expires_at
	FROM invitations i JOIN users u ON u.id = i.invited_by `

// Invitations returns up to limit of an organization's invitations, with ids after after.
func (s *Identity) Invitations(ctx context.Context, org tenant.OrganizationID, after string, limit int) (all []identity.Invitation, err error) {
	err = s.DB.AsTenant(ctx, org, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, invitation+"WHERE i.organization_id = $1 AND i.id > $2 ORDER BY i.id LIMIT $3", org, after, limit)
		if err != nil {
			return fmt.Errorf("list invitations: %w", err)
		}
		all, err = pgx.CollectRows(rows, pgx.RowToStructByPos[identity.Invitation])
		return err
	})
	return all, err
}

// Invitation returns one of an organization, or identity.ErrNoInvitation.
func (s *Identity) Invitation(ctx context.Context, org tenant.OrganizationID, id tenant.InvitationID) (x identity.Invitation, err error) {
	err = s.DB.AsTenant(ctx, org, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, invitation+"WHERE i.organization_id = $1 AND i.id = $2", org, id)
		if err != nil {
			return fmt.Errorf("read invitation: %w", err)
		}
		x, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[identity.Invitation])
		if errors.Is(err, pgx.ErrNoRows) {
			return identity.ErrNoInvitation
		}
		return err
	})
	return x, err
}

// Uninvite revokes an invitation at once, or returns identity.ErrNoInvitation.
func (s *Identity) Uninvite(ctx context.Context, by By, id tenant.InvitationID) error {
	return s.DB.AsTenant(ctx, by.Organization, func(tx pgx.Tx) error {
		var email string
		err := tx.QueryRow(ctx, "DELETE FROM invitations WHERE organization_id = $1 AND id = $2 RETURNING email", by.Organization, id).Scan(&email)
		if errors.Is(err, pgx.ErrNoRows) {
			return identity.ErrNoInvitation
		}
		if err != nil {
			return fmt.Errorf("revoke invitation: %w", err)
		}
		return audit(ctx, tx, by, "invitation.revoke", string(id), map[string]any{"email": email})
	})
}

// Invited is an invitation as whoever has its secret sees it.
type Invited struct {
	identity.Invitation
	OrganizationName string
	HasAccount       bool // the address to which it was sent
}

// ByInvitation returns the invitation whose mail has this secret, or
// identity.ErrBadLink.
func (s *Identity) ByInvitation(ctx context.Context, secretHash []byte, now time.Time) (x Invited, err error) {
	err = s.DB.AsLogin(ctx, func(tx pgx.Tx) (err error) {
		x, err = invited(ctx, tx, secretHash, now)
		return err
	})
	return x, err
}

func invited(ctx context.Context, tx pgx.Tx, secretHash []byte, now time.Time) (x Invited, err error) {
	const q = `SELECT i.id, i.organization_id, i.email, i.role, i.invited_by, u.email, i.created_at, i.expires_at, o.name,
			EXISTS (SELECT FROM users WHERE email = i.email)
		FROM invitations i JOIN users u ON u.id = i.invited_by JOIN organizations o ON o.id = i.organization_id
		WHERE i.hash = $1 AND i.expires_at > $2`
	return x, badLink(tx.QueryRow(ctx, q, secretHash, now).Scan(&x.ID, &x.Organization, &x.Email, &x.Role, &x.InvitedBy, &x.Inviter,
		&x.CreatedAt, &x.ExpiresAt, &x.OrganizationName, &x.HasAccount))
}

// Accept makes a person a member with the invitation whose mail has this secret. Whoever
// is a member already stays what they are. Errors are identity.ErrBadLink, and
// ErrOtherAddress when it was sent to another address than email.
func (s *Identity) Accept(ctx context.Context, secretHash []byte, user tenant.UserID, email, address string, now time.Time) (m identity.Membership, err error) {
	err = s.DB.AsLogin(ctx, func(tx pgx.Tx) error {
		x, err := invited(ctx, tx, secretHash, now)
		if err != nil {
			return err
		}
		if x.Email != email {
			return identity.ErrOtherAddress
		}
		m, err = join(ctx, tx, x, user, address)
		return err
	})
	return m, err
}

// SignUpInvited adds the person u to whom an invitation was sent, as a member and with a
// session; the session before ends. Errors are identity.ErrBadLink and ErrEmailTaken.
func (s *Identity) SignUpInvited(ctx context.Context, invitationHash []byte, u identity.User, passwordHash string, session identity.Session, secretHash, before []byte) error {
	return s.DB.AsLogin(ctx, func(tx pgx.Tx) error {
		x, err := invited(ctx, tx, invitationHash, u.CreatedAt)
		if err != nil {
			return err
		}
		u.Email, u.Organization = x.Email, x.Organization
		if err := addUser(ctx, tx, u, passwordHash); err != nil {
			return err
		}
		if _, err := join(ctx, tx, x, u.ID, session.Address); err != nil {
			return err
		}
		return logIn(ctx, tx, session, secretHash, before)
	})
}

// join uses an invitation up: of two who do it at the same time, one finds it gone.
func join(ctx context.Context, tx pgx.Tx, x Invited, user tenant.UserID, address string) (m identity.Membership, err error) {
	m = identity.Membership{Organization: x.Organization, Name: x.OrganizationName}
	if err := badLink(tx.QueryRow(ctx, "DELETE FROM invitations WHERE id = $1 RETURNING role", x.ID).Scan(&m.Role)); err != nil {
		return m, err
	}
	const add = "INSERT INTO memberships (organization_id, user_id, role) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"
	if _, err := tx.Exec(ctx, add, x.Organization, user, m.Role); err != nil {
		return m, fmt.Errorf("add member: %w", err)
	}
	const is = "SELECT role FROM memberships WHERE organization_id = $1 AND user_id = $2"
	if err := tx.QueryRow(ctx, is, x.Organization, user).Scan(&m.Role); err != nil {
		return m, fmt.Errorf("read member: %w", err)
	}
	by := By{Organization: x.Organization, Actor: string(user), Address: address}
	return m, audit(ctx, tx, by, "invitation.accept", string(x.ID), map[string]any{"role": m.Role, "invited_by": x.Inviter})
}
