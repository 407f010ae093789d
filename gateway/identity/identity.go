// Package identity says who somebody is and what they may do: people with an e-mail
// address and a password, the organizations that they are members of, their roles,
// and the sessions and tokens that act for them.
package identity

import (
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/marina-cloud/marina/internal/fault"
	"github.com/marina-cloud/marina/internal/tenant"
)

// User is a person.
type User struct {
	ID           tenant.UserID
	Organization tenant.OrganizationID // chosen last
	Email        string                // lower case
	Name         string                // empty where none was given
	Operator     bool                  // runs the installation
	CreatedAt    time.Time
}

// Membership is an organization and what a person is in it.
type Membership struct {
	Organization tenant.OrganizationID
	Name         string // of the organization
	Role         Role
}

// Member is a person in an organization.
type Member struct {
	User  tenant.UserID
	Email string
	Name  string // empty where none was given
	Role  Role
	Since time.Time
}

// Account is a person with the organizations that they are a member of.
type Account struct {
	User
	Memberships []Membership // the oldest first
}

// Session is a browser or a command line that is logged in.
type Session struct {
	ID           tenant.SessionID
	User         tenant.UserID
	Organization tenant.OrganizationID // in which it acts: chosen last
	Device       string                // what the client calls itself
	Address      string                // from which it was used last
	CreatedAt    time.Time
	LastUsedAt   time.Time  // to the minute
	ExpiresAt    time.Time  // at the latest
	ConfirmedAt  *time.Time // see Caller
}

// Token is what is known of an API token; its secret is shown once and not kept.
type Token struct {
	ID           tenant.TokenID
	Organization tenant.OrganizationID
	User         tenant.UserID
	Name         string
	Scopes       []Permission // nil: all that the person's role may do
	CreatedAt    time.Time
	ExpiresAt    time.Time
	LastUsedAt   *time.Time
}

// Mail is one to a person, as who runs the installation sees it.
type Mail struct {
	ID           tenant.MailID
	Organization tenant.OrganizationID // that caused it; empty for a person alone
	To           string
	Subject      string
	Text         string // empty but for one that the mailbox of the installation has
	State        string // waiting, sent or failed
	Attempts     int    // that have failed
	LastError    string
	CreatedAt    time.Time
	EndedAt      *time.Time // sent or given up
}

// Caller is who sent a request. Everything that the request does is done in the
// caller's organization.
type Caller struct {
	User         tenant.UserID
	Email        string
	Organization tenant.OrganizationID // empty for a person who is a member of none
	Role         Role
	Permissions  []Permission     // sorted; of the role, and of the scopes of the token
	Session      tenant.SessionID // of a person who is logged in; or
	Token        tenant.TokenID   // of a program
	Scoped       bool             // the token has scopes
	Operator     bool             // runs the installation, and is logged in
	ConfirmedAt  *time.Time       // when they last proved that it is them; nil: not since the log-in
}

// confirmation is for how long somebody who proved that it is them is not asked again.
const confirmation = 10 * time.Minute

// Confirmed returns an error unless the caller has lately proved that it is them: what
// changes how somebody logs in is not for whoever finds an open browser.
func (c Caller) Confirmed(now time.Time) error {
	if c.ConfirmedAt == nil || now.Sub(*c.ConfirmedAt) > confirmation {
		return ErrNotConfirmed
	}
	return nil
}

// May reports whether the caller may do p.
func (c Caller) May(p Permission) bool {
	_, ok := slices.BinarySearch(c.Permissions, p)
	return ok
}

// Grant returns the scopes of a token that the caller asks for: never more than the
// caller may do, and those of the caller's own token when none are asked for.
func (c Caller) Grant(wanted []Permission) ([]Permission, error) {
	if wanted == nil && c.Scoped {
		return c.Permissions, nil
	}
	var wrong []fault.Field
	for i, p := range wanted {
		if !c.May(p) {
			wrong = append(wrong, fault.Field{Name: fmt.Sprintf("scopes[%d]", i), Reason: "is more than you may do yourself"})
		}
	}
	return wanted, fault.InvalidFields(wrong)
}

// Actor is the caller as the audit log names it: the token of a program, else the
// person.
func (c Caller) Actor() string {
	if c.Token != "" {
		return string(c.Token)
	}
	return string(c.User)
}

// Faults of this package.
var (
	ErrEmailTaken     = fault.New(fault.Conflict, "email_taken", "There is an account with this e-mail address already. Log in instead.")
	ErrBadCredentials = fault.New(fault.Unauthorized, "bad_credentials", "The e-mail address or the password is wrong.")
	ErrNoCredentials  = fault.New(fault.Unauthorized, "no_credentials", "This needs a log-in, or a bearer token in the Authorization header. Sign up or log in to get one.")
	ErrBadToken       = fault.New(fault.Unauthorized, "bad_token", "The token or session is unknown, ended or past its time. Log in to get a new one.")
	ErrNoToken        = fault.New(fault.NotFound, "token_not_found", "There is no such token.")
	ErrNoSession      = fault.New(fault.NotFound, "session_not_found", "There is no such session.")
	ErrBadLink        = fault.New(fault.Invalid, "link_not_good", "This link is not good any more: it was used, its time is over, or a part of it is missing. Ask for a new one.")
	ErrWrongPassword  = fault.New(fault.Invalid, "wrong_password", "That is not your present password.")
	ErrNoMail         = fault.New(fault.NotFound, "mail_not_found", "There is no such mail.")
	ErrNoOrganization = fault.New(fault.NotFound, "organization_not_found", "There is no such organization.")
	ErrNoMember       = fault.New(fault.NotFound, "member_not_found", "The organization has no such member.")
	ErrNotConfirmed   = fault.New(fault.Forbidden, "confirmation_needed", "This changes how you log in. Confirm that it is you: give your password, or a code of your authenticator, or log in again without a password.")
	ErrNeedsSession   = fault.New(fault.Forbidden, "not_permitted", "A token may not do this: it is for a person who is logged in.")
)

// How long a session lasts: without being used, and at the latest.
const (
	SessionIdle = 30 * 24 * time.Hour
	SessionLife = 90 * 24 * time.Hour
)

// TokenLife is how long a token is good when its owner does not say, and
// MaxTokenLife the longest that may be asked for.
const (
	TokenLife    = 30 * 24 * time.Hour
	MaxTokenLife = 365 * 24 * time.Hour
)

// MaxOrganizations is how many organizations a person may own.
const MaxOrganizations = 20

// MaxName is how many characters the name of an organization or a token may have.
const MaxName = 100

// CheckEmail returns what is wrong with an e-mail address.
func CheckEmail(email string) []fault.Field {
	// ASCII alone: letters that look alike, or that two programs put in lower case
	// differently, would make two accounts of one address.
	if a, err := mail.ParseAddress(email); err != nil || a.Address != email || len(email) > 254 || strings.ContainsFunc(email, notASCII) {
		return []fault.Field{{Name: "email", Reason: "must be an e-mail address, such as ada@example.com"}}
	}
	return nil
}

// CheckPassword returns what is wrong with a new password, in a field with this name.
func CheckPassword(field, password string) []fault.Field {
	// NIST SP 800-63B: length is what counts, and a limit keeps hashing cheap.
	if n := utf8.RuneCountInString(password); n < 12 || n > 200 {
		return []fault.Field{{Name: field, Reason: "must have 12 to 200 characters"}}
	}
	return nil
}

// CheckNewPerson returns every wrong field of somebody who begins.
func CheckNewPerson(password, name, organization string) []fault.Field {
	wrong := append(CheckPassword("password", password), CheckPersonName(name)...)
	if utf8.RuneCountInString(organization) > MaxName || strings.ContainsFunc(organization, unicode.IsControl) {
		wrong = append(wrong, fault.Field{Name: "organization", Reason: "must have at most 100 characters, on one line"})
	}
	return wrong
}

// CheckPersonName returns what is wrong with a person's name, which may be empty.
func CheckPersonName(name string) []fault.Field {
	if utf8.RuneCountInString(name) > MaxName || strings.ContainsFunc(name, unicode.IsControl) {
		return []fault.Field{{Name: "name", Reason: "must have at most 100 characters, on one line"}}
	}
	return nil
}

// CheckOrganizationName returns what is wrong with the name of an organization.
func CheckOrganizationName(name string) []fault.Field { return checkName(name) }

// checkName is for names that must be there.
func checkName(name string) []fault.Field {
	if n := utf8.RuneCountInString(name); strings.TrimSpace(name) == "" || n > MaxName || strings.ContainsFunc(name, unicode.IsControl) {
		return []fault.Field{{Name: "name", Reason: "must have 1 to 100 characters, on one line"}}
	}
	return nil
}

// CheckToken returns every wrong field of a request for a token.
func CheckToken(name string, scopes []Permission, life time.Duration) []fault.Field {
	var wrong []fault.Field
	for i, p := range scopes {
		if !Owner.Has(p) {
			wrong = append(wrong, fault.Field{Name: fmt.Sprintf("scopes[%d]", i), Reason: "must be one of " + joined(AllPermissions())})
		}
	}
	if scopes != nil && len(scopes) == 0 {
		wrong = append(wrong, fault.Field{Name: "scopes", Reason: "must hold a permission; leave it out for all that you may do"})
	}
	wrong = append(wrong, checkName(name)...)
	if life < time.Minute || life > MaxTokenLife {
		wrong = append(wrong, fault.Field{Name: "expires_in_seconds", Reason: "must be from 60 (a minute) to 31536000 (a year)"})
	}
	return wrong
}

// NormalEmail is the form in which an address is compared and kept.
func NormalEmail(email string) string { return strings.ToLower(strings.TrimSpace(email)) }

func joined[T ~string](all []T) string {
	texts := make([]string, len(all))
	for i, p := range all {
		texts[i] = string(p)
	}
	return strings.Join(texts, ", ")
}

func notASCII(r rune) bool { return r > unicode.MaxASCII }
