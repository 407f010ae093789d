package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const configuration = `apiVersion: apiserver.config.k8s.io/v1
kind: AuthenticationConfiguration
jwt:
- issuer: {url: https://login.example.com, audiences: [kubernetes]}
  claimMappings: {username: {claim: sub, prefix: "oidc:"}}
`

func TestAuthentication(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	p := member(t, a)
	p.runs(t, "clusters", "create", "demo")
	file := filepath.Join(t.TempDir(), "authentication.yaml")
	if err := os.WriteFile(file, []byte(configuration), 0o600); err != nil {
		t.Fatal(err)
	}
	says(t, "none", p.runs(t, "clusters", "authentication", "get", "demo"), "jwt: []")
	says(t, "set", p.runs(t, "clusters", "authentication", "set", "demo", "-f", file), "Cluster demo takes the tokens of 1 issuer.", "clusters get demo")
	says(t, "get", p.runs(t, "clusters", "authentication", "get", "demo"), "kind: AuthenticationConfiguration\n", "    url: https://login.example.com\n", "prefix: 'oidc:'")
	says(t, "for programs", p.runs(t, "--json", "clusters", "authn", "get", "demo"), `"url": "https://login.example.com"`)
	says(t, "from a pipe", p.types(t, strings.ReplaceAll(configuration, "login", "other"), "clusters", "authentication", "set", "demo", "-f", "-").out, "1 issuer")
	says(t, "the pipe's", p.runs(t, "clusters", "authentication", "get", "demo"), "https://other.example.com")
	says(t, "remove", p.runs(t, "clusters", "authentication", "remove", "demo"), "takes no tokens of others' issuers any more")
	says(t, "none again", p.runs(t, "clusters", "authentication", "get", "demo"), "jwt: []")

	says(t, "revoke a token", p.runs(t, "clusters", "authentication", "revoke", "demo", "JTI=t-1", "--for", "24h"), "Cluster demo takes the token t-1 no more.")
	if got := a.revokedTokens["t-1"]; got != 24*60*60 {
		t.Errorf("revoked for %d seconds, want a day", got)
	}

	says(t, "no file", p.types(t, "", "clusters", "authentication", "set", "demo").errs, "file")
	says(t, "no such file", p.types(t, "", "clusters", "authentication", "set", "demo", "-f", file+".none").errs, "no such file")
	says(t, "another document", p.types(t, "kind: Pod\n", "clusters", "authentication", "set", "demo", "-f", "-").errs, "- has no list jwt", "AuthenticationConfiguration")
	says(t, "no YAML", p.types(t, "{", "clusters", "authentication", "set", "demo", "-f", "-").errs, "- is not YAML")
	says(t, "a key twice", p.types(t, "jwt: []\njwt: []\n", "clusters", "authentication", "set", "demo", "-f", "-").errs, "- is not YAML")
}
