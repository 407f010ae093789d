// Package letter writes the mails that Marina sends to people, as plain text.
//
// What a letter links to is a page of the console. The secret stands in the URL's
// fragment, which no browser sends: not to Marina, so that it is in no log, and not
// to another site. Letters to addresses that nobody has verified hold nothing that a
// stranger chose: they would be a way to send people advertisements in our name.
package letter

import (
	"fmt"
	"strings"
	"time"
)

// Letter is a mail without its address.
type Letter struct {
	Subject string
	Text    string // lines end with a newline
}

// How long the secrets in letters are good.
const (
	SignUpLife     = 24 * time.Hour
	ResetLife      = time.Hour
	InvitationLife = 7 * 24 * time.Hour
)

// Writer writes letters of an installation.
type Writer struct {
	PublicURL string // where people's browsers reach the console
}

// page is the address of a page of the console, with a secret for it or without.
func (w Writer) page(path, secret string) string {
	url := strings.TrimSuffix(w.PublicURL, "/") + path
	if secret != "" {
		url += "#" + secret
	}
	return url
}

// SignUp goes to somebody who signs up with an address that has no account.
func (w Writer) SignUp(secret string) Letter {
	return Letter{"Finish signing up to Marina", fmt.Sprintf(`Welcome to Marina.

Somebody signs up with this address. If that is you, open this page within a
day, and choose a password there:

%s

If it is not you, do nothing: there is no account until somebody opens it.
`, w.page("/verify", secret))}
}

// Known goes to somebody who signs up with an address that has an account: the
// page where they did it says nothing of that.
func (w Writer) Known() Letter {
	return Letter{"You have an account at Marina", fmt.Sprintf(`Somebody signs up to Marina with this address. It has an account already.

If that is you, log in:

%s

If you have forgotten the password, choose a new one:

%s

If it is not you, do nothing: nothing has changed.
`, w.page("/login", ""), w.page("/forgot", ""))}
}

// Reset goes to somebody who has forgotten their password.
func (w Writer) Reset(secret string) Letter {
	return Letter{"Choose a new password for Marina", fmt.Sprintf(`Somebody wants to choose a new password for your account at Marina. If that is
you, open this page within an hour:

%s

If it is not you, do nothing: your password is as it was.
`, w.page("/reset", secret))}
}

// Unknown goes to somebody who has forgotten their password, at an address that has
// no account: the page where they said so does not tell.
func (w Writer) Unknown() Letter {
	return Letter{"There is no account with this address at Marina", fmt.Sprintf(`Somebody wants to choose a new password at Marina for the account of this
address. There is none. If that is you, you may have signed up with another
address, or sign up with this one:

%s

If it is not you, do nothing.
`, w.page("/signup", ""))}
}

// PasswordChanged goes to somebody whose password was changed.
func (w Writer) PasswordChanged(at time.Time) Letter {
	return Letter{"Your password for Marina was changed", fmt.Sprintf(`The password of your account at Marina was changed:
%s. Every other log-in of yours has ended.

If it was not you, choose a new one at once:

%s
`, at.UTC().Format("2 January 2006 at 15:04 UTC"), w.page("/forgot", ""))}
}

// Invitation goes to somebody who is invited to an organization by a person who is
// named by their e-mail address.
func (w Writer) Invitation(secret, organization, inviter, role string) Letter {
	return Letter{"You are invited to an organization at Marina", fmt.Sprintf(`%s invites you to the organization %s at Marina, as %s.
To see the invitation, and accept it, open this page within a week:

%s

If you do not know them, do nothing.
`, inviter, oneLine(organization), article(role), w.page("/invitation", secret))}
}

// oneLine keeps a name that people chose from looking like more than a name.
func oneLine(name string) string {
	return `"` + strings.Join(strings.FieldsFunc(name, func(r rune) bool { return r < ' ' || r == '"' || r == ' ' }), " ") + `"`
}

func article(role string) string {
	if role != "" && strings.ContainsRune("aeiou", rune(role[0])) {
		return "an " + role
	}
	return "a " + role
}
