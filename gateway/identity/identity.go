// Package identity says who somebody is: people with an e-mail address and a
// password, and the bearer tokens that act for them.
package identity

import (
	"net/mail"
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
	Organization tenant.OrganizationID
	Email        string // lower case
	CreatedAt    time.Time
}

// Token is what is known of an API token; its secret is shown once and not kept.
type Token struct {
	ID           tenant.TokenID
	Organization tenant.OrganizationID
	User         tenant.UserID
	Name         string
	CreatedAt    time.Time
	ExpiresAt    time.Time
	LastUsedAt   *time.Time
}

// Caller is who sent a request. Everything that the request does is done in the
// caller's organization.
type Caller struct {
	Organization tenant.OrganizationID
	User         tenant.UserID
	Token        tenant.TokenID
}

// Faults of this package.
var (
	ErrEmailTaken     = fault.New(fault.Conflict, "email_taken", "There is an account with this e-mail address already. Log in instead.")
	ErrBadCredentials = fault.New(fault.Unauthorized, "bad_credentials", "The e-mail address or the password is wrong.")
	ErrNoCredentials  = fault.New(fault.Unauthorized, "no_credentials", "This needs a bearer token in the Authorization header. Sign up or log in to get one.")
	ErrBadToken       = fault.New(fault.Unauthorized, "bad_token", "The token is unknown, revoked or past its time. Log in to get a new one.")
	ErrNoToken        = fault.New(fault.NotFound, "token_not_found", "There is no such token.")
)

// TokenLife is how long a token from signing up or logging in is good, and the
// longest that a token may be asked for.
const (
	TokenLife    = 30 * 24 * time.Hour
	MaxTokenLife = 365 * 24 * time.Hour
)

// MaxName is how many characters the name of an organization or a token may have.
const MaxName = 100

// CheckSignUp returns every wrong field of a sign-up.
func CheckSignUp(email, password, organization string) []fault.Field {
	var wrong []fault.Field
	// ASCII alone: letters that look alike, or that two programs put in lower case
	// differently, would make two accounts of one address.
	if a, err := mail.ParseAddress(email); err != nil || a.Address != email || len(email) > 254 || strings.ContainsFunc(email, notASCII) {
		wrong = append(wrong, fault.Field{Name: "email", Reason: "must be an e-mail address, such as ada@example.com"})
	}
	// NIST SP 800-63B: length is what counts, and a limit keeps hashing cheap.
	if n := utf8.RuneCountInString(password); n < 12 || n > 200 {
		wrong = append(wrong, fault.Field{Name: "password", Reason: "must have 12 to 200 characters"})
	}
	if utf8.RuneCountInString(organization) > MaxName || strings.ContainsFunc(organization, unicode.IsControl) {
		wrong = append(wrong, fault.Field{Name: "organization", Reason: "must have at most 100 characters, on one line"})
	}
	return wrong
}

// CheckToken returns every wrong field of a request for a token.
func CheckToken(name string, life time.Duration) []fault.Field {
	var wrong []fault.Field
	if n := utf8.RuneCountInString(name); strings.TrimSpace(name) == "" || n > MaxName || strings.ContainsFunc(name, unicode.IsControl) {
		wrong = append(wrong, fault.Field{Name: "name", Reason: "must have 1 to 100 characters, on one line"})
	}
	if life < time.Minute || life > MaxTokenLife {
		wrong = append(wrong, fault.Field{Name: "expires_in_seconds", Reason: "must be from 60 (a minute) to 31536000 (a year)"})
	}
	return wrong
}

// NormalEmail is the form in which an address is compared and kept.
func NormalEmail(email string) string { return strings.ToLower(strings.TrimSpace(email)) }

func notASCII(r rune) bool { return r > unicode.MaxASCII }
