package client

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Membership is an organization, and what one is in it.
type Membership struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Role string `json:"role"`
}

// Member is a person in the organization.
type Member struct {
	User  string    `json:"user_id"`
	Email string    `json:"email"`
	Name  string    `json:"name"`
	Role  string    `json:"role"`
	Since time.Time `json:"since"`
}

// Invitation is one that nobody has accepted.
type Invitation struct {
	ID        string    `json:"id"`
	Email     string    `json:"email"`
	Role      string    `json:"role"`
	Inviter   string    `json:"inviter"`
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at"`
}

// Account is who one is.
type Account struct {
	User          string       `json:"user_id"`
	Email         string       `json:"email"`
	Organization  string       `json:"organization_id"` // in which one acts; empty: none
	Organizations []Membership `json:"organizations"`
}

// In returns a client that acts in another organization of the person. From then on
// their session does.
func (c *Client) In(organization string) *Client {
	other := *c
	other.Organization = organization
	return &other
}

// Who returns who one is, with the organizations that one is a member of.
func (c *Client) Who(ctx context.Context) (a Account, err error) {
	return a, c.Do(ctx, http.MethodGet, "/v1/account", nil, &a)
}

type named struct {
	Name string `json:"name"`
}

// CreateOrganization makes an organization of one's own.
func (c *Client) CreateOrganization(ctx context.Context, name string) (m Membership, err error) {
	return m, c.Do(ctx, http.MethodPost, "/v1/organizations", named{name}, &m)
}

// RenameOrganization renames the one in which one acts, as the two others are about it.
func (c *Client) RenameOrganization(ctx context.Context, name string) (m Membership, err error) {
	return m, c.Do(ctx, http.MethodPatch, "/v1/organization", named{name}, &m)
}

// DeleteOrganization deletes it; it has no clusters.
func (c *Client) DeleteOrganization(ctx context.Context) error {
	return c.Do(ctx, http.MethodDelete, "/v1/organization", nil, nil)
}

// LeaveOrganization ends one's membership.
func (c *Client) LeaveOrganization(ctx context.Context) error {
	return c.Do(ctx, http.MethodPost, "/v1/organization/leave", nil, nil)
}

// Members returns all members.
func (c *Client) Members(ctx context.Context) ([]Member, error) {
	return all[Member](ctx, c, "/v1/members")
}

// FindMember returns the member with an id or an e-mail address.
func (c *Client) FindMember(ctx context.Context, who string) (Member, error) {
	members, err := c.Members(ctx)
	if err != nil {
		return Member{}, err
	}
	for _, m := range members {
		if m.User == who || strings.EqualFold(m.Email, who) {
			return m, nil
		}
	}
	return Member{}, fmt.Errorf("there is no member %q: `marina members list` says who they are", who)
}

type roleBody struct {
	Role string `json:"role"`
}

// ChangeMember changes a member's role.
func (c *Client) ChangeMember(ctx context.Context, user, role string) (m Member, err error) {
	return m, c.Do(ctx, http.MethodPatch, "/v1/members/"+url.PathEscape(user), roleBody{role}, &m)
}

// RemoveMember removes a member.
func (c *Client) RemoveMember(ctx context.Context, user string) error {
	return c.Do(ctx, http.MethodDelete, "/v1/members/"+url.PathEscape(user), nil, nil)
}

const invitationsPath = "/v1/invitations"

// Invitations returns all invitations that nobody has accepted.
func (c *Client) Invitations(ctx context.Context) ([]Invitation, error) {
	return all[Invitation](ctx, c, invitationsPath)
}

// FindInvitation returns the invitation with an id or to an e-mail address.
func (c *Client) FindInvitation(ctx context.Context, which string) (Invitation, error) {
	invitations, err := c.Invitations(ctx)
	if err != nil {
		return Invitation{}, err
	}
	for _, x := range invitations {
		if x.ID == which || strings.EqualFold(x.Email, which) {
			return x, nil
		}
	}
	return Invitation{}, fmt.Errorf("there is no invitation %q: `marina invitations list` says which there are", which)
}

// NewInvitation is an invitation that somebody wants to send.
type NewInvitation struct {
	Email string `json:"email"`
	Role  string `json:"role"`
}

// Invite sends an invitation by mail.
func (c *Client) Invite(ctx context.Context, n NewInvitation) (x Invitation, err error) {
	return x, c.Do(ctx, http.MethodPost, invitationsPath, n, &x)
}

// ResendInvitation sends it again; the link before is good no more.
func (c *Client) ResendInvitation(ctx context.Context, id string) (x Invitation, err error) {
	return x, c.Do(ctx, http.MethodPost, invitationsPath+"/"+url.PathEscape(id)+"/resend", nil, &x)
}

// RevokeInvitation revokes it at once.
func (c *Client) RevokeInvitation(ctx context.Context, id string) error {
	return c.Do(ctx, http.MethodDelete, invitationsPath+"/"+url.PathEscape(id), nil, nil)
}

type secretBody struct {
	Secret string `json:"secret"`
}

// AcceptInvitation makes one a member, with the secret of the mail.
func (c *Client) AcceptInvitation(ctx context.Context, secret string) (m Membership, err error) {
	return m, c.Do(ctx, http.MethodPost, invitationsPath+"/accept", secretBody{secret}, &m)
}

// AuditLine is one line of the audit log.
type AuditLine struct {
	ID       string         `json:"id"`
	At       time.Time      `json:"at"`
	Actor    string         `json:"actor"`
	Email    string         `json:"email"`
	Action   string         `json:"action"`
	Resource string         `json:"resource"`
	Address  string         `json:"address"`
	Details  map[string]any `json:"details"`
}

// AuditQuery is what of the audit log one wants to see; what is empty asks for nothing.
type AuditQuery struct {
	Actor, Action, Resource string
	Since                   time.Time
}

func (q AuditQuery) values() url.Values {
	v := url.Values{}
	for name, value := range map[string]string{"actor": q.Actor, "action": q.Action, "resource": q.Resource} {
		if value != "" {
			v.Set(name, value)
		}
	}
	if !q.Since.IsZero() {
		v.Set("since", q.Since.UTC().Format(time.RFC3339))
	}
	return v
}

// Audit returns up to limit lines, of which 100 are the most, the newest first.
func (c *Client) Audit(ctx context.Context, q AuditQuery, limit int) ([]AuditLine, error) {
	v := q.values()
	v.Set("limit", fmt.Sprint(limit))
	var page struct {
		Items []AuditLine `json:"items"`
	}
	err := c.Do(ctx, http.MethodGet, "/v1/audit?"+v.Encode(), nil, &page)
	return page.Items, err
}

// ExportAudit writes all lines, as csv or jsonl.
func (c *Client) ExportAudit(ctx context.Context, q AuditQuery, format string, w io.Writer) error {
	v := q.values()
	v.Set("format", format)
	return c.Stream(ctx, "/v1/audit/export?"+v.Encode(), w)
}
