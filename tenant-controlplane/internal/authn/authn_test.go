package authn_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/traits"
	"k8s.io/apiserver/pkg/apis/apiserver"
	"k8s.io/apiserver/pkg/apis/apiserver/validation"
	"k8s.io/apiserver/pkg/authentication/cel"
	"sigs.k8s.io/yaml"

	"github.com/marina-cloud/marina/internal/fault"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/authn"
)

const own = "https://marina.example/clusters/kc-1"

const whole = `
jwt:
- issuer:
    url: https://login.example.com
    discoveryURL: https://discovery.example.com/.well-known/openid-configuration
    audiences: [kubernetes, kubectl]
    audienceMatchPolicy: MatchAny
    egressSelectorType: controlplane
  claimValidationRules:
  - claim: hd
    requiredValue: example.com
  - expression: claims.exp - claims.nbf <= 86400
    message: tokens for more than a day are refused
  - expression: claims.email_verified == true
  claimMappings:
    username:
      expression: "'oidc:' + claims.email"
    groups:
      claim: groups
      prefix: "oidc:"
    uid:
      claim: sub
    extra:
    - key: example.com/team
      valueExpression: claims.team
  userValidationRules:
  - expression: "!user.username.startsWith('oidc:guest-')"
    message: no guests
- issuer:
    url: https://other.example.com
    audiences: [kubernetes]
  claimMappings:
    username: {claim: sub, prefix: "other:"}
`

func TestCheck(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		old, new string
		want     []string // fields
		says     string
	}{
		"whole":                   {"", "", nil, ""},
		"nothing at all":          {whole, "jwt: []", nil, ""},
		"no https":                {"url: https://login", "url: http://login", []string{"jwt[0].issuer.url"}, "https"},
		"the cluster's own":       {"https://other.example.com", own, []string{"jwt[1].issuer.url"}, "disallowed"},
		"one issuer twice":        {"https://other.example.com", "https://login.example.com", []string{"jwt[1].issuer.url"}, "twice"},
		"no audiences":            {"audiences: [kubernetes]", "audiences: []", []string{"jwt[1].issuer.audiences"}, "at least one"},
		"audiences, no policy":    {"    audienceMatchPolicy: MatchAny\n", "", []string{"jwt[0].issuer.audienceMatchPolicy"}, "MatchAny"},
		"no PEM":                  {"    audienceMatchPolicy", "    certificateAuthority: x\n    audienceMatchPolicy", []string{"jwt[0].issuer.certificateAuthority"}, "certificate"},
		"an expression of nobody": {"claims.nbf", "claim.nbf", []string{"jwt[0].claimValidationRules[1].expression"}, "undeclared reference"},
		"not a condition":         {"claims.exp - claims.nbf <= 86400", "claims.exp + 1", []string{"jwt[0].claimValidationRules[1].expression"}, "bool"},
		"an address, unverified":  {"  - expression: claims.email_verified == true\n", "", []string{"jwt[0].claimMappings.username.expression"}, "email_verified"},
		"Kubernetes' attributes":  {"example.com/team", "authentication.kubernetes.io/credential-id", []string{"jwt[0].claimMappings.extra[0].key"}, "reserved"},
		"claim and expression":    {"uid:\n      claim: sub", "uid: {claim: sub, expression: claims.sub}", []string{"jwt[0].claimMappings.uid"}, "both"},
		"no user":                 {`{claim: sub, prefix: "other:"}`, "{}", []string{"jwt[1].claimMappings.username"}, "required"},
		"two things at once":      {"{claim: sub, prefix: \"other:\"}", "{claim: sub, prefix: \"system:\"}\n  userValidationRules: [{expression: x}]", []string{"jwt[1].claimMappings.username.prefix", "jwt[1].userValidationRules[0].expression"}, "reserved"},
		"Marina's own rule":       {"!user.username.startsWith('oidc:guest-')", "!user.username.startsWith('system:') && !user.username.startsWith('marina:')", nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := strings.Replace(whole, tc.old, tc.new, 1)
			if tc.old != "" && text == whole {
				t.Fatal("nothing was changed")
			}
			var a controlplane.Authentication
			if err := yaml.UnmarshalStrict([]byte(text), &a); err != nil {
				t.Fatal(err)
			}
			err := authn.Check(a, own)
			var fields []string
			if f, ok := errors.AsType[*fault.Error](err); ok {
				for _, w := range f.Fields {
					fields = append(fields, w.Name)
				}
			} else if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(fields, tc.want) {
				t.Fatalf("wrong fields %v, want %v: %v", fields, tc.want, err)
			}
			if err != nil && !strings.Contains(err.Error(), tc.says) {
				t.Errorf("%v, want %q", err, tc.says)
			}
		})
	}
}

// upstream is the only authenticator of a, as an API server sees it.
func upstream(t *testing.T, a controlplane.Authentication) apiserver.JWTAuthenticator {
	t.Helper()
	c, err := authn.Upstream(a)
	if err != nil || len(c.JWT) != 1 {
		t.Fatal(c, err)
	}
	return c.JWT[0]
}

// TestGuards evaluates the rules that Marina adds as an API server does, with users that
// an issuer and the owner of a cluster might want to make.
func TestGuards(t *testing.T) {
	t.Parallel()
	prefix := ""
	a := controlplane.Authentication{JWT: []controlplane.JWTAuthenticator{{
		Issuer:        controlplane.JWTIssuer{URL: "https://login.example.com", Audiences: []string{"x"}},
		ClaimMappings: controlplane.ClaimMappings{Username: controlplane.PrefixedClaim{Expression: "claims.sub"}, Groups: controlplane.PrefixedClaim{Claim: "groups", Prefix: &prefix}},
	}}}
	mapper, wrong := validation.CompileAndValidateJWTAuthenticator(cel.NewDefaultCompiler(), upstream(t, a.Guarded()), nil)
	if len(wrong) > 0 {
		t.Fatal(wrong)
	}
	for _, tc := range []struct {
		name   string
		groups []string
		may    bool
	}{
		{"oidc:ada", nil, true},
		{"oidc:ada@example.com", []string{"developers", "not-system:masters"}, true},
		{"https://login.example.com#ada", []string{}, true},
		{"ada@example.com", nil, false},
		{"ada", nil, false},
		{"kube-apiserver-kubelet-client", nil, false},
		{":ada", nil, false},
		{"a@[IPv6:2001:db8::1]", nil, false},
		{"system:admin", nil, false},
		{"system:node:worker", nil, false},
		{"system:serviceaccount:kube-system:default", nil, false},
		{"marina:health", nil, false},
		{"oidc:ada", []string{"system:masters"}, false},
		{"oidc:ada", []string{"fine", "system:nodes"}, false},
		{"oidc:ada", []string{"marina:admins"}, false},
	} {
		user := map[string]any{"username": tc.name, "groups": tc.groups, "uid": "", "extra": map[string][]string{}}
		results, err := mapper.UserValidationRules.EvalUser(t.Context(), types.DefaultTypeAdapter.NativeToValue(user).(traits.Mapper))
		if err != nil {
			t.Fatal(err)
		}
		may := true
		for _, r := range results {
			may = may && r.EvalResult == types.True
		}
		if may != tc.may {
			t.Errorf("%s of %q is let in: %v", tc.name, tc.groups, may)
		}
	}
}
