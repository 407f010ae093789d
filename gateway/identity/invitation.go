package identity

import (
	"time"

	"github.com/marina-cloud/marina/internal/fault"
	"github.com/marina-cloud/marina/internal/tenant"
)

// Invitation lets whoever reads the mails of an address become a member.
type Invitation struct {
	ID           tenant.InvitationID
	Organization tenant.OrganizationID
	Email        string // lower case
	Role         Role
	InvitedBy    tenant.UserID
	Inviter      string // their e-mail address
	CreatedAt    time.Time
	ExpiresAt    time.Time
}

// Bounds of invitations: of an organization at one time, and of the mails that it may
// have sent in a day.
const (
	MaxInvitations     = 100
	MaxInvitationMails = 200
)

// Faults of invitations.
var (
	ErrNoInvitation    = fault.New(fault.NotFound, "invitation_not_found", "There is no such invitation. It may have been accepted or revoked.")
	ErrInvited         = fault.New(fault.Conflict, "invited_already", "This address is invited already. Send the invitation again, or revoke it first.")
	ErrMember          = fault.New(fault.Conflict, "member_already", "Whoever has this address is a member of the organization already.")
	ErrManyInvitations = fault.New(fault.Exhausted, "invitation_quota", "The organization has invited as many people as it may at a time. Revoke invitations that nobody accepts, or wait a day.")
	ErrOtherAddress    = fault.New(fault.Forbidden, "invitation_for_another", "This invitation was sent to another e-mail address than that of your account. Log in with the account that it is for, or ask for one to your address.")
)
