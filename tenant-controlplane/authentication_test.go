package controlplane_test

import (
	"slices"
	"strings"
	"testing"

	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

func prefixed(claim, prefix string) controlplane.PrefixedClaim {
	return controlplane.PrefixedClaim{Claim: claim, Prefix: &prefix}
}

// trusting returns an authentication with one good issuer, changed.
func trusting(change func(*controlplane.JWTAuthenticator)) controlplane.Authentication {
	j := controlplane.JWTAuthenticator{
		Issuer:        controlplane.JWTIssuer{URL: "https://login.example.com", Audiences: []string{"kubernetes"}},
		ClaimMappings: controlplane.ClaimMappings{Username: prefixed("sub", "oidc:"), Groups: prefixed("groups", "")},
	}
	change(&j)
	return controlplane.Authentication{JWT: []controlplane.JWTAuthenticator{j}}
}

func TestAuthenticationWrongFields(t *testing.T) {
	t.Parallel()
	user := func(prefix string) func(*controlplane.JWTAuthenticator) {
		return func(j *controlplane.JWTAuthenticator) { j.ClaimMappings.Username = prefixed("email", prefix) }
	}
	for name, tc := range map[string]struct {
		change func(*controlplane.JWTAuthenticator)
		want   string // the field; empty: none
	}{
		"good":                   {func(*controlplane.JWTAuthenticator) {}, ""},
		"upstream's old default": {user("https://login.example.com#"), ""},
		"an expression has no prefix": {func(j *controlplane.JWTAuthenticator) {
			j.ClaimMappings.Username = controlplane.PrefixedClaim{Expression: "claims.sub"}
		}, ""},
		"no prefix":             {user(""), "jwt[0].claimMappings.username.prefix"},
		"no colon":              {user("oidc-"), "jwt[0].claimMappings.username.prefix"},
		"colon alone":           {user(":"), "jwt[0].claimMappings.username.prefix"},
		"looks like an address": {user("a@[IPv6:"), "jwt[0].claimMappings.username.prefix"},
		"Kubernetes' users":     {user("system:"), "jwt[0].claimMappings.username.prefix"},
		"nodes":                 {user("system:node:"), "jwt[0].claimMappings.username.prefix"},
		"Marina's users":        {user("marina:"), "jwt[0].claimMappings.username.prefix"},
		"Marina's groups":       {func(j *controlplane.JWTAuthenticator) { j.ClaimMappings.Groups = prefixed("groups", "marina:") }, "jwt[0].claimMappings.groups.prefix"},
		"Kubernetes' groups":    {func(j *controlplane.JWTAuthenticator) { j.ClaimMappings.Groups = prefixed("groups", "system:") }, "jwt[0].claimMappings.groups.prefix"},
		"the way to the nodes":  {func(j *controlplane.JWTAuthenticator) { j.Issuer.EgressSelectorType = "cluster" }, "jwt[0].issuer.egressSelectorType"},
		"the way out by name":   {func(j *controlplane.JWTAuthenticator) { j.Issuer.EgressSelectorType = "controlplane" }, ""},
		"very large":            {func(j *controlplane.JWTAuthenticator) { j.Issuer.CertificateAuthority = strings.Repeat("a", 200<<10) }, "jwt"},
	} {
		got := trusting(tc.change).WrongFields()
		if tc.want == "" && len(got) != 0 || tc.want != "" && (len(got) != 1 || got[0].Name != tc.want) {
			t.Errorf("%s: wrong fields %v, want %q", name, got, tc.want)
		}
	}
	many := controlplane.Authentication{JWT: make([]controlplane.JWTAuthenticator, controlplane.MaxAuthenticators+1)}
	if got := many.WrongFields(); len(got) != 1 || got[0].Name != "jwt" {
		t.Errorf("very many issuers: %v", got)
	}
}

func TestGuarded(t *testing.T) {
	t.Parallel()
	a := trusting(func(j *controlplane.JWTAuthenticator) {
		j.UserValidationRules = []controlplane.UserValidationRule{{Expression: "user.uid != ''"}}
	})
	g := a.Guarded()
	rules := g.JWT[0].UserValidationRules
	if len(rules) != 4 || rules[0].Expression != "user.uid != ''" {
		t.Errorf("rules %v, want the owner's first and Marina's behind it", rules)
	}
	if g.JWT[0].Issuer.EgressSelectorType != "controlplane" {
		t.Error("an issuer is asked past the proxy")
	}
	if len(a.JWT[0].UserValidationRules) != 1 || a.JWT[0].Issuer.EgressSelectorType != "" {
		t.Error("Guarded changes what it was given")
	}
	// Kubernetes refuses a rule that is there twice, and would start no more.
	twice := g.Guarded()
	if !slices.Equal(twice.JWT[0].UserValidationRules, rules) {
		t.Errorf("guarded twice: %v", twice.JWT[0].UserValidationRules)
	}
}
