package gateway

import (
	"crypto/sha256"
	"net/netip"
	"time"

	"github.com/marina-cloud/marina/gateway/internal/throttle"
)

// attempts bound how often passwords and codes are tried. Three things are counted, since each
// alone would let somebody through or shut an owner out: the attempts from an
// address, the failures for an account from an address, and the failures for an
// account from anywhere. The last does not count where the owner has logged in: a
// stranger who tries all day does not keep the owner out at home.
//
// Codes of a second factor are six digits, so that they are counted by themselves, and
// before the password is looked at: whoever may try no more is not told whether it was
// right. Only who knows the password can use them up.
//
// An account that does not exist is treated like any other. Nothing of this
// outlives a restart. It is safe for concurrent use.
type attempts struct {
	from    *throttle.Rates[netip.Prefix]
	pairs   *throttle.Rates[pair]
	strange *throttle.Rates[account]
	codes   *throttle.Rates[account]
	homes   *throttle.Seen[pair]
	letters *throttle.Rates[account]
	hashing *throttle.Places[netip.Prefix]
}

// account is a digest of an e-mail address, which may be as long as a body.
type account [sha256.Size]byte

// pair is an account, and where somebody is who tries it.
type pair struct {
	account
	from netip.Prefix
}

func newAttempts(l Limits) *attempts {
	return &attempts{
		from:    throttle.NewRates[netip.Prefix](l.Attempts, remembered),
		pairs:   throttle.NewRates[pair](l.Failures, remembered),
		strange: throttle.NewRates[account](l.Strange, remembered),
		codes:   throttle.NewRates[account](l.Codes, remembered),
		homes:   throttle.NewSeen[pair](remembered),
		letters: throttle.NewRates[account](l.Letters, remembered),
		hashing: throttle.NewPlaces[netip.Prefix](l.Hashing),
	}
}

// try must be asked before anybody is asked for a passkey.
func (a *attempts) try(from netip.Prefix, now time.Time) error {
	if left, ok := a.from.Take(from, now); !ok {
		return tooMany(left.Wait, "Too many people have tried to sign up or log in from your address.")
	}
	return nil
}

// letter must be asked before a mail is sent to an address of which nobody knows whose
// it is.
func (a *attempts) letter(from netip.Prefix, email string, now time.Time) error {
	if err := a.try(from, now); err != nil {
		return err
	}
	return a.mail(email, now)
}

// mail must be asked before somebody who is known has a mail sent to a stranger.
func (a *attempts) mail(email string, now time.Time) error {
	if left, ok := a.letters.Take(sha256.Sum256([]byte(email)), now); !ok {
		return tooMany(left.Wait, "Too many mails were sent to this e-mail address: look there, also for spam.")
	}
	return nil
}

// link must be asked before a link of a mail is used and a new password is hashed.
// Without an error, done must be called with whether the link was good.
func (a *attempts) link(from netip.Prefix, now time.Time) (done func(good bool), err error) {
	if err := a.try(from, now); err != nil {
		return nil, err
	}
	leave, err := a.hash(from)
	if err != nil {
		return nil, err
	}
	return func(good bool) {
		leave()
		if good {
			a.from.Give(from, now)
		}
	}, nil
}

// outcome is what came of an attempt to log in.
type outcome int

const (
	failed    outcome = iota // the password was wrong, or nothing came of it
	wrongCode                // of the second factor; the password was right
	halfway                  // the password was right, and there is no code yet
	entered
)

// logIn must be asked before a password or a code is checked. Without an error, done
// must be called with what came of it.
func (a *attempts) logIn(from netip.Prefix, email string, withCode bool, now time.Time) (done func(outcome), err error) {
	if err := a.try(from, now); err != nil {
		return nil, err
	}
	who := account(sha256.Sum256([]byte(email)))
	here := pair{who, from}
	// Taken before and given back for a good password: many at once are counted, too.
	if left, ok := a.pairs.Take(here, now); !ok {
		return nil, tooMany(left.Wait, "This account's password was tried too often.")
	}
	stranger := !a.homes.Has(here)
	if stranger {
		if left, ok := a.strange.Take(who, now); !ok {
			return nil, tooMany(left.Wait, "This account's password was tried too often.")
		}
	}
	if left, ok := a.codes.Take(who, now); !ok {
		return nil, tooMany(left.Wait, "Codes for this account were tried too often.")
	}
	if !withCode {
		a.codes.Give(who, now)
	}
	leave, err := a.hash(from)
	if err != nil {
		return nil, err
	}
	return func(o outcome) {
		leave()
		if withCode && o != wrongCode {
			a.codes.Give(who, now)
		}
		if o != halfway && o != entered {
			return
		}
		a.pairs.Give(here, now)
		if stranger {
			a.strange.Give(who, now)
		}
		if o == entered {
			a.homes.Add(here)
		}
	}, nil
}

// hash takes a place among those who wait for a turn.
func (a *attempts) hash(from netip.Prefix) (leave func(), err error) {
	leave, ok := a.hashing.Enter(from)
	if !ok {
		return nil, tooMany(time.Second, "Too many people sign up or log in from your address at this moment.")
	}
	return leave, nil
}
