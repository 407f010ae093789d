package controlplane

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/marina-cloud/marina/internal/fault"
)

// Authentication says whose tokens a cluster takes besides its own: what its owner may
// choose of Kubernetes' AuthenticationConfiguration (apiserver.config.k8s.io/v1,
// https://kubernetes.io/docs/reference/config-api/apiserver-config.v1/), with upstream's
// names, so that a file written for an API server can be used as it is.
type Authentication struct {
	JWT []JWTAuthenticator `json:"jwt" maxItems:"16" nullable:"false" doc:"Issuers of tokens, and what their tokens are to the cluster. Empty: none."`
}

// JWTAuthenticator takes the tokens of one issuer.
type JWTAuthenticator struct {
	Issuer               JWTIssuer             `json:"issuer"`
	ClaimValidationRules []ClaimValidationRule `json:"claimValidationRules,omitempty" doc:"What must be true of a token's claims."`
	ClaimMappings        ClaimMappings         `json:"claimMappings"`
	UserValidationRules  []UserValidationRule  `json:"userValidationRules,omitempty" doc:"What must be true of who the token's claims make."`
}

// JWTIssuer is an OpenID Connect provider, and which of its tokens are meant.
type JWTIssuer struct {
	URL                  string   `json:"url" doc:"HTTPS. Equal to the claim iss of its tokens." example:"https://login.example.com"`
	DiscoveryURL         string   `json:"discoveryURL,omitempty" doc:"Where its OpenID configuration lies, if not at /.well-known/openid-configuration below url."`
	CertificateAuthority string   `json:"certificateAuthority,omitempty" doc:"PEM of who signed its certificate; public authorities when absent."`
	Audiences            []string `json:"audiences" nullable:"false" doc:"A token must be for one of them; usually the client's id." example:"[\"kubernetes\"]"`
	AudienceMatchPolicy  string   `json:"audienceMatchPolicy,omitempty" doc:"MatchAny, which several audiences need."`
	EgressSelectorType   string   `json:"egressSelectorType,omitempty" doc:"Always controlplane: issuers are asked through Marina's way out, which leads to the public Internet."`
}

// ClaimValidationRule is a condition on claims: a claim with its value, or an expression (CEL).
type ClaimValidationRule struct {
	Claim         string `json:"claim,omitempty"`
	RequiredValue string `json:"requiredValue,omitempty"`
	Expression    string `json:"expression,omitempty" example:"claims.hd == 'example.com'"`
	Message       string `json:"message,omitempty"`
}

// ClaimMappings say who a token's claims make.
type ClaimMappings struct {
	Username PrefixedClaim  `json:"username" doc:"Its result begins with a word and a colon, such as oidc:ada, so that nobody is taken for a person of Marina's."`
	Groups   PrefixedClaim  `json:"groups,omitzero" doc:"None of them may begin with system: or marina:."`
	UID      Claim          `json:"uid,omitzero"`
	Extra    []ExtraMapping `json:"extra,omitempty"`
}

// PrefixedClaim is a claim's value behind a prefix, or what an expression makes (CEL).
type PrefixedClaim struct {
	Claim      string  `json:"claim,omitempty" example:"sub"`
	Prefix     *string `json:"prefix,omitempty" doc:"Goes with claim." example:"oidc:"`
	Expression string  `json:"expression,omitempty" doc:"Instead of claim and prefix." example:"'oidc:' + claims.sub"`
}

// Claim is a claim's value, or what an expression makes (CEL).
type Claim struct {
	Claim      string `json:"claim,omitempty"`
	Expression string `json:"expression,omitempty"`
}

// ExtraMapping is one more attribute of a user.
type ExtraMapping struct {
	Key             string `json:"key" example:"example.com/team"`
	ValueExpression string `json:"valueExpression" example:"claims.team"`
}

// UserValidationRule is a condition on a user (CEL).
type UserValidationRule struct {
	Expression string `json:"expression" example:"!user.username.startsWith('oidc:guest-')"`
	Message    string `json:"message,omitempty"`
}

const (
	// MaxAuthenticators is how many issuers a cluster may have.
	MaxAuthenticators = 16
	// maxAuthentication is how large all of it may be, as JSON: authorities and expressions.
	maxAuthentication = 128 << 10

	// throughProxy is the only way to issuers: see package egress.
	throughProxy = "controlplane"
)

// reserved begin the names of Kubernetes' own users and groups, and of Marina's.
var reserved = []string{"system:", "marina:"}

// outsider is how a user's name must begin that a token makes. Marina's people are called
// by their e-mail addresses, in which a colon can only follow the @, and machinery in a
// cluster by names without one.
var outsider = regexp.MustCompile(`^[^@:]+:`)

// guards are the rules that hold for every user that a token makes, whatever the
// cluster's owner maps: claims are the issuer's choice, and expressions the owner's.
var guards = []UserValidationRule{
	{
		Expression: `user.username.matches('^[^@:]+:')`,
		Message:    "the name of a user from a token must begin with a word and a colon",
	},
	{
		Expression: `!user.username.startsWith('system:') && !user.username.startsWith('marina:')`,
		Message:    "names of users that begin with system: or marina: are reserved",
	},
	{
		Expression: `user.groups.all(g, !g.startsWith('system:') && !g.startsWith('marina:'))`,
		Message:    "groups that begin with system: or marina: are reserved",
	},
}

// Guarded returns the authentication as an API server gets it: issuers are asked through
// the proxy, and nobody is made a user of Kubernetes' or Marina's own.
func (a Authentication) Guarded() Authentication {
	guarded := slices.Clone(a.JWT)
	for i := range guarded {
		j := &guarded[i]
		j.Issuer.EgressSelectorType = throughProxy
		// Kubernetes refuses a rule that is there twice.
		own := slices.DeleteFunc(slices.Clone(j.UserValidationRules), func(r UserValidationRule) bool {
			return slices.ContainsFunc(guards, func(g UserValidationRule) bool { return g.Expression == r.Expression })
		})
		j.UserValidationRules = append(own, guards...)
	}
	return Authentication{JWT: guarded}
}

// WrongFields returns what Marina does not let through, by upstream's names of the
// fields. What Kubernetes does not take is found by Kubernetes' own validation.
func (a Authentication) WrongFields() (wrong []fault.Field) {
	add := func(field, reason string) { wrong = append(wrong, fault.Field{Name: field, Reason: reason}) }
	if data, err := json.Marshal(a); err != nil || len(data) > maxAuthentication {
		add("jwt", fmt.Sprintf("is larger than %d KiB", maxAuthentication>>10))
	}
	if len(a.JWT) > MaxAuthenticators {
		add("jwt", fmt.Sprintf("has more than %d issuers", MaxAuthenticators))
	}
	for i, j := range a.JWT {
		at := fmt.Sprintf("jwt[%d].", i)
		if t := j.Issuer.EgressSelectorType; t != "" && t != throughProxy {
			add(at+"issuer.egressSelectorType", "must be "+throughProxy+", or absent")
		}
		if user := j.ClaimMappings.Username; user.Prefix != nil {
			if name := at + "claimMappings.username.prefix"; isReserved(*user.Prefix) {
				add(name, "is reserved; choose another one, such as oidc:")
			} else if !outsider.MatchString(*user.Prefix) {
				add(name, "must begin with a word and a colon, such as oidc:, so that nobody is taken for a person of Marina's")
			}
		}
		if g := j.ClaimMappings.Groups; g.Prefix != nil && isReserved(*g.Prefix) {
			add(at+"claimMappings.groups.prefix", "is reserved; choose another one, such as oidc:")
		}
	}
	return wrong
}

func isReserved(name string) bool {
	return slices.ContainsFunc(reserved, func(r string) bool { return strings.HasPrefix(name, r) })
}
