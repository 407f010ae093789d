package identity

import (
	"time"

	"github.com/marina-cloud/marina/internal/fault"
	"github.com/marina-cloud/marina/internal/tenant"
)

// Claims are what an OpenID provider says of somebody. Issuer and Subject name them for
// ever; an address may be given to another.
type Claims struct {
	Issuer, Subject string
	Email           string // normal
	Verified        bool   // the provider has seen that the address is theirs
	Name            string
}

// Linked is somebody at an OpenID provider who is a person here, too.
type Linked struct {
	ID         tenant.LinkID
	User       tenant.UserID
	Issuer     string
	Subject    string
	Email      string // as the provider said it last
	CreatedAt  time.Time
	LastUsedAt *time.Time
}

// Faults of OpenID Connect.
var (
	ErrNoProvider       = fault.New(fault.NotFound, "provider_not_found", "There is no such provider to log in with.")
	ErrOpenIDRefused    = fault.New(fault.Invalid, "openid_refused", "The provider's answer does not belong to what you began here, or came too late. Begin again.")
	ErrOpenIDAway       = fault.New(fault.Unavailable, "openid_unavailable", "The provider does not answer, or not as it should. Try again in a moment, or log in another way.")
	ErrOpenIDUnverified = fault.New(fault.Conflict, "openid_email_unverified", "The provider does not say that the e-mail address is yours. Verify it there, or log in here and link the provider in your profile.")
	ErrOpenIDNotLinked  = fault.New(fault.Conflict, "openid_not_linked", "There is an account with this e-mail address. Log in with its password, and link the provider in your profile.")
	ErrLinked           = fault.New(fault.Conflict, "identity_linked", "This person of the provider is linked to an account already.")
	ErrNoLink           = fault.New(fault.NotFound, "identity_not_found", "There is no such linked identity.")
)

// Arrival is what becomes of somebody whom a provider names, and who is linked to
// nobody yet.
type Arrival int

// The ways.
const (
	Refuse Arrival = iota
	Link           // to the account that has the address
	SignUp         // there is none
)

// Arrive says what becomes of them. An account is never taken over by an address alone:
// the provider must have verified it, since anybody can write one down; and whoever
// has a password here is asked for it first (they link the provider once they are
// logged in), since a provider may give an address to another person later.
func Arrive(c Claims, exists, hasPassword bool) (Arrival, error) {
	switch {
	case !c.Verified || c.Email == "":
		return Refuse, ErrOpenIDUnverified
	case !exists:
		return SignUp, nil
	case hasPassword:
		return Refuse, ErrOpenIDNotLinked
	}
	return Link, nil
}
