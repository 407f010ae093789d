// Package openid asks OpenID providers who somebody is: the authorization code flow of
// OpenID Connect Core 1.0 with PKCE (RFC 7636). It keeps nothing but what providers say
// of themselves.
package openid

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/marina-cloud/marina/gateway/identity"
	"github.com/marina-cloud/marina/internal/secret"
)

// patience bounds each request to a provider.
const patience = 10 * time.Second

// Config is a provider as the operator names it.
type Config struct {
	ID           string // names it in addresses
	Name         string // as people know it
	Issuer       string // URL
	ClientID     string
	ClientSecret secret.Text // empty for a public client
}

// Provider is one. It is safe for concurrent use.
type Provider struct {
	Config
	redirect string // where it sends browsers back to: its own address, so that none can pass for another
	client   *http.Client

	mu    sync.Mutex
	known *described // nil until it has said what it is
}

// described is what a provider says of itself.
type described struct {
	provider *oidc.Provider
	names    bool // it names itself where it sends browsers back (RFC 9207)
}

// New returns the provider, which is not asked for anything before somebody logs in.
func New(c Config, redirect string) *Provider {
	return &Provider{Config: c, redirect: redirect, client: &http.Client{Timeout: patience}}
}

// Flow is what is kept between asking and the answer.
type Flow struct {
	Provider string `json:"provider"`
	State    string `json:"state"`
	Nonce    string `json:"nonce"`
	Verifier string `json:"verifier"` // of PKCE
}

// Answer is what a browser brings back.
type Answer struct{ State, Code, Issuer string }

// Begin returns the address at which the provider asks who somebody is.
func (p *Provider) Begin(ctx context.Context, f Flow) (url string, err error) {
	d, err := p.describe(ctx)
	if err != nil {
		return "", err
	}
	return p.oauth(d).AuthCodeURL(f.State, oidc.Nonce(f.Nonce), oauth2.S256ChallengeOption(f.Verifier)), nil
}

// Finish returns who the provider says somebody is. It returns identity.ErrOpenIDRefused
// for an answer that does not belong to the flow or is not this provider's.
func (p *Provider) Finish(ctx context.Context, f Flow, a Answer) (who identity.Claims, err error) {
	ctx = oidc.ClientContext(ctx, p.client)
	d, err := p.describe(ctx)
	if err != nil {
		return who, err
	}
	if f.Provider != p.ID || subtle.ConstantTimeCompare([]byte(f.State), []byte(a.State)) != 1 {
		return who, refused("the state is not the one of this flow")
	}
	if a.Issuer != p.Issuer && (a.Issuer != "" || d.names) {
		return who, refused("the answer is another issuer's")
	}
	token, err := p.oauth(d).Exchange(ctx, a.Code, oauth2.VerifierOption(f.Verifier))
	if err != nil {
		if _, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
			return who, identity.ErrOpenIDRefused.Because(fmt.Errorf("exchange the code: %w", err))
		}
		return who, identity.ErrOpenIDAway.Because(fmt.Errorf("exchange the code at %s: %w", p.Issuer, err))
	}
	raw, _ := token.Extra("id_token").(string)
	verified, err := d.provider.VerifierContext(ctx, &oidc.Config{ClientID: p.ClientID}).Verify(ctx, raw)
	if err != nil {
		return who, identity.ErrOpenIDRefused.Because(fmt.Errorf("verify the ID token: %w", err))
	}
	if subtle.ConstantTimeCompare([]byte(verified.Nonce), []byte(f.Nonce)) != 1 {
		return who, refused("the nonce is not the one of this flow")
	}
	return p.claims(ctx, d, verified, token)
}

// claims reads the address of the person from the ID token, or asks for it: providers
// may keep it out of the token.
func (p *Provider) claims(ctx context.Context, d *described, verified *oidc.IDToken, token *oauth2.Token) (who identity.Claims, err error) {
	var said struct {
		Email    string `json:"email"`
		Verified bool   `json:"email_verified"`
		Name     string `json:"name"`
	}
	if err := verified.Claims(&said); err != nil {
		return who, identity.ErrOpenIDRefused.Because(fmt.Errorf("read the ID token: %w", err))
	}
	if said.Email == "" && d.provider.UserInfoEndpoint() != "" {
		info, err := d.provider.UserInfo(ctx, oauth2.StaticTokenSource(token))
		if err != nil {
			return who, identity.ErrOpenIDAway.Because(fmt.Errorf("ask %s for the address: %w", p.Issuer, err))
		}
		if info.Subject != verified.Subject { // OpenID Connect Core, 5.3.2
			return who, refused("the address is somebody else's")
		}
		said.Email, said.Verified = info.Email, info.EmailVerified
	}
	return identity.Claims{
		Issuer: verified.Issuer, Subject: verified.Subject,
		Email: identity.NormalEmail(said.Email), Verified: said.Verified, Name: said.Name,
	}, nil
}

func (p *Provider) oauth(d *described) *oauth2.Config {
	return &oauth2.Config{
		ClientID: p.ClientID, ClientSecret: string(p.ClientSecret), Endpoint: d.provider.Endpoint(), RedirectURL: p.redirect,
		Scopes: []string{oidc.ScopeOpenID, "email", "profile"},
	}
}

// describe asks a provider what it is, until it has said so once.
func (p *Provider) describe(ctx context.Context) (*described, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known != nil {
		return p.known, nil
	}
	provider, err := oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), p.client), p.Issuer)
	if err != nil {
		return nil, identity.ErrOpenIDAway.Because(fmt.Errorf("ask %s what it is: %w", p.Issuer, err))
	}
	var more struct {
		Names bool `json:"authorization_response_iss_parameter_supported"`
	}
	if err := provider.Claims(&more); err != nil {
		return nil, identity.ErrOpenIDAway.Because(fmt.Errorf("read what %s is: %w", p.Issuer, err))
	}
	p.known = &described{provider, more.Names}
	return p.known, nil
}

func refused(why string) error { return identity.ErrOpenIDRefused.Because(errors.New(why)) }

// NewVerifier returns a secret of PKCE.
func NewVerifier() string { return oauth2.GenerateVerifier() }
