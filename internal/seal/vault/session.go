package vault

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/vault/api"
)

// session is a token that lets in. The zero value is none.
type session struct {
	token     string
	began     time.Time
	life      time.Duration // at the log-in; 0: it never ends
	ends      time.Time     // of the present lease
	renewable bool
}

// need is what a session needs at some time.
type need int

const (
	nothing need = iota
	renewal
	login // a new one: this one ends, and a renewal would not help
)

// needs says what the session needs now. A token is renewed when half of its lease
// is over. One that has come near the greatest age that Vault lets it have gets
// shorter and shorter leases: it is replaced in time. onlyToken is of somebody who
// has no other way in than this very token: it is used to its end.
func (s session) needs(now time.Time, onlyToken bool) need {
	if s.token == "" {
		return login
	}
	if s.life == 0 {
		return nothing
	}
	left := s.ends.Sub(now)
	switch {
	case left <= 0:
		return login
	case s.renewable && left <= s.life/2:
		return renewal
	case !onlyToken && left <= s.life/3:
		return login
	}
	return nothing
}

// due is when needs will say something else than nothing.
func (s session) due(onlyToken bool) time.Time {
	switch {
	case s.token == "" || s.life == 0:
		return time.Time{}
	case s.renewable:
		return s.ends.Add(-s.life / 2)
	case !onlyToken:
		return s.ends.Add(-s.life / 3)
	}
	return s.ends
}

// renewed is the session after a renewal. One that did not gain a third of its life
// is not renewed again.
func (s session) renewed(now time.Time, lease time.Duration, renewable bool) session {
	s.ends = now.Add(lease)
	s.renewable = renewable && lease > s.life/3*2
	return s
}

// logIn gets a token: by AppRole, or the one in the file.
func (t *Transit) logIn(ctx context.Context) (session, error) {
	now := time.Now()
	if t.cfg.TokenFile != "" {
		token, err := readSecret(t.cfg.TokenFile)
		if err != nil {
			return session{}, err
		}
		secret, err := t.as(token).Logical().ReadWithContext(ctx, "auth/token/lookup-self")
		if err != nil {
			return session{}, err
		}
		if secret == nil {
			return session{}, errors.New("vault says nothing about the token")
		}
		life, err := secret.TokenTTL()
		if err != nil {
			return session{}, fmt.Errorf("read how long the token lives: %w", err)
		}
		renewable, err := secret.TokenIsRenewable()
		if err != nil {
			return session{}, fmt.Errorf("read whether the token can be renewed: %w", err)
		}
		return session{token: token, began: now, life: life, ends: now.Add(life), renewable: renewable}, nil
	}
	secretID, err := readSecret(t.cfg.SecretIDFile)
	if err != nil {
		return session{}, err
	}
	secret, err := t.as("").Logical().WriteWithContext(ctx, "auth/"+t.cfg.AppRole+"/login", map[string]any{"role_id": t.cfg.RoleID, "secret_id": secretID})
	if err != nil {
		return session{}, err
	}
	if secret == nil || secret.Auth == nil {
		return session{}, errors.New("vault answered the log-in without a token")
	}
	life := time.Duration(secret.Auth.LeaseDuration) * time.Second
	return session{token: secret.Auth.ClientToken, began: now, life: life, ends: now.Add(life), renewable: secret.Auth.Renewable}, nil
}

// renew makes the token live longer.
func (t *Transit) renew(ctx context.Context, s session) (session, error) {
	secret, err := t.as(s.token).Logical().WriteWithContext(ctx, "auth/token/renew-self", nil)
	if err != nil {
		return s, err
	}
	if secret == nil || secret.Auth == nil {
		return s, errors.New("vault answered the renewal without a token")
	}
	return s.renewed(time.Now(), time.Duration(secret.Auth.LeaseDuration)*time.Second, secret.Auth.Renewable), nil
}

// as returns a client with a token of its own.
func (t *Transit) as(token string) *api.Client {
	c := t.client.WithNamespace(t.cfg.Namespace) // a copy
	c.SetToken(token)
	return c
}
