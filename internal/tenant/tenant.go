// Package tenant holds the identifiers that every part of Marina shares.
//
// An identifier is a prefix that names its kind, a dash and a lower-case ULID
// (https://github.com/ulid/spec): it sorts by the time at which it was made, is
// never reused, and is a DNS label (RFC 1123), so that it may stand in a host
// name, a path or a cgroup. Names that people choose never do.
package tenant

import (
	"strings"

	"github.com/oklog/ulid/v2"
)

type (
	// OrganizationID names a customer: every row of every table has one.
	OrganizationID string
	// UserID names a person.
	UserID string
	// TokenID names an API token; it is not the token's secret.
	TokenID string
	// SessionID names a browser or command line that is logged in.
	SessionID string
	// LinkID names a person at an OpenID provider.
	LinkID string
	// PasskeyID names a key of a person's device.
	PasskeyID string
	// InvitationID names an invitation to an organization.
	InvitationID string
	// MailID names a mail that is sent to a person.
	MailID string
	// ClusterID names a cluster and its control plane.
	ClusterID string
	// PoolID names a node pool.
	PoolID string
	// NodeID names a node and the machine that it runs on.
	NodeID string
	// CredentialID names a client certificate of a cluster.
	CredentialID string
)

// NewOrganizationID returns an identifier that was never used before. This and
// its siblings are safe for concurrent use.
func NewOrganizationID() OrganizationID { return OrganizationID(newID("org-")) }

// NewUserID returns an identifier that was never used before.
func NewUserID() UserID { return UserID(newID("usr-")) }

// NewTokenID returns an identifier that was never used before.
func NewTokenID() TokenID { return TokenID(newID("tok-")) }

// NewSessionID returns an identifier that was never used before.
func NewSessionID() SessionID { return SessionID(newID("ses-")) }

// NewLinkID returns an identifier that was never used before.
func NewLinkID() LinkID { return LinkID(newID("link-")) }

// NewPasskeyID returns an identifier that was never used before.
func NewPasskeyID() PasskeyID { return PasskeyID(newID("pk-")) }

// NewInvitationID returns an identifier that was never used before.
func NewInvitationID() InvitationID { return InvitationID(newID("inv-")) }

// NewMailID returns an identifier that was never used before.
func NewMailID() MailID { return MailID(newID("mail-")) }

// NewClusterID returns an identifier that was never used before.
func NewClusterID() ClusterID { return ClusterID(newID("kc-")) }

// NewPoolID returns an identifier that was never used before.
func NewPoolID() PoolID { return PoolID(newID("np-")) }

// NewNodeID returns an identifier that was never used before.
func NewNodeID() NodeID { return NodeID(newID("nd-")) }

// NewCredentialID returns an identifier that was never used before.
func NewCredentialID() CredentialID { return CredentialID(newID("cred-")) }

func newID(prefix string) string { return prefix + strings.ToLower(ulid.Make().String()) }

// ParseClusterID accepts what NewClusterID may have returned and nothing else,
// so that its result may safely become a part of a path.
func ParseClusterID(s string) (ClusterID, bool) { return ClusterID(s), valid(s, "kc-") }

// ParseNodeID accepts what NewNodeID may have returned and nothing else.
func ParseNodeID(s string) (NodeID, bool) { return NodeID(s), valid(s, "nd-") }

func valid(s, prefix string) bool {
	rest, ok := strings.CutPrefix(s, prefix)
	if !ok || rest != strings.ToLower(rest) {
		return false
	}
	_, err := ulid.ParseStrict(strings.ToUpper(rest))
	return err == nil
}
