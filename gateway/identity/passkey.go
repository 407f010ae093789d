package identity

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/marina-cloud/marina/internal/fault"
	"github.com/marina-cloud/marina/internal/tenant"
)

// Passkey is a key of a person's device, which checks who holds it before it signs:
// having it and being the one are two factors at once.
type Passkey struct {
	ID           tenant.PasskeyID
	User         tenant.UserID
	Name         string
	CredentialID []byte // what the device calls it
	Credential   []byte // the public key and what else is known of it, as JSON
	SignCount    uint32 // of the last use; zero for devices that do not count
	CreatedAt    time.Time
	LastUsedAt   *time.Time
}

// MaxPasskeys is how many a person may have.
const MaxPasskeys = 20

// ChallengeLife is how long somebody may take to answer what they are asked to prove.
const ChallengeLife = 5 * time.Minute

// Challenge is what somebody was asked to prove.
type Challenge struct {
	Hash      []byte // of what is random in it
	Purpose   string
	User      tenant.UserID // who asked; empty for somebody who logs in
	Detail    []byte        // JSON
	ExpiresAt time.Time
}

// Faults of passkeys.
var (
	ErrNoPasskey      = fault.New(fault.NotFound, "passkey_not_found", "There is no such passkey.")
	ErrBadPasskey     = fault.New(fault.Unauthorized, "bad_passkey", "This passkey is not good here, or took too long. Try again, or log in another way.")
	ErrPasskeyRefused = fault.New(fault.Invalid, "passkey_refused", "The device's answer is not one to what it was asked, or came too late. Try again.")
	ErrPasskeyKnown   = fault.New(fault.Conflict, "passkey_known", "This passkey is known already.")
	ErrManyPasskeys   = fault.New(fault.Conflict, "too_many_passkeys", "You have 20 passkeys. Remove one that you do not use.")
	ErrNoPasskeysHere = fault.New(fault.Conflict, "passkeys_unavailable", "Passkeys need a host name: Marina is reached by an address here. Its operator can name one with --public-url.")
	ErrNoChallenge    = fault.New(fault.Invalid, "challenge_over", "This took too long, or was used before. Begin again.")
)

// CheckPasskeyName returns what is wrong with the name that a person gives a passkey.
func CheckPasskeyName(name string) []fault.Field {
	if n := utf8.RuneCountInString(name); strings.TrimSpace(name) == "" || n > MaxName || strings.ContainsFunc(name, unicode.IsControl) {
		return []fault.Field{{Name: "name", Reason: "must have 1 to 100 characters, on one line"}}
	}
	return nil
}
