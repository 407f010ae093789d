package identity_test

import (
	"strings"
	"testing"
	"time"

	"github.com/marina-cloud/marina/gateway/identity"
	"github.com/marina-cloud/marina/internal/fault"
)

func TestPasswords(t *testing.T) {
	t.Parallel()
	p := identity.NewPasswords(2)
	hash, err := p.Hash(t.Context(), "correct horse battery")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("hash %q is not in the PHC format with our parameters", hash)
	}
	for password, want := range map[string]bool{"correct horse battery": true, "correct horse batterz": false, "": false} {
		if ok, err := p.Check(t.Context(), password, hash); err != nil || ok != want {
			t.Errorf("Check(%q) = %v, %v; want %v", password, ok, err, want)
		}
	}
	if ok, err := p.Check(t.Context(), "x", ""); ok || err != nil {
		t.Errorf("no account: Check = %v, %v; want false without an error", ok, err)
	}
	for _, bad := range []string{"x", "$argon2id$v=19$m=1,t=1,p=1$", "$argon2id$v=19$m=1,t=1,p=1$YQ$", "$argon2id$v=18$m=8,t=1,p=1$YWFhYWFhYWE$YQ"} {
		if ok, err := p.Check(t.Context(), "x", bad); ok || err == nil {
			t.Errorf("malformed hash %q: Check = %v, %v; want an error", bad, ok, err)
		}
	}
	again, _ := p.Hash(t.Context(), "correct horse battery")
	if again == hash {
		t.Error("two hashes of one password are equal: the salt is not random")
	}
}

func TestSecret(t *testing.T) {
	t.Parallel()
	s := identity.NewSecret()
	if _, ok := identity.SecretHash(s); !ok {
		t.Fatalf("%q is refused by SecretHash", s)
	}
	if s == identity.NewSecret() {
		t.Fatal("two secrets are equal")
	}
	last := "a"
	if s[len(s)-1] == 'a' {
		last = "b"
	}
	for _, bad := range []string{"", "marina_", s[:len(s)-1], s[:len(s)-1] + last, strings.ToUpper(s), s + "a", "x" + s} {
		if _, ok := identity.SecretHash(bad); ok {
			t.Errorf("SecretHash accepts %q", bad)
		}
	}
}

func names(wrong []fault.Field) string {
	var names []string
	for _, f := range wrong {
		names = append(names, f.Name)
	}
	return strings.Join(names, " ")
}

func TestCheckEmail(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ email, want, why string }{
		{"ada@example.com", "", ""},
		{"ada+marina@example.com", "", "a part behind a plus is the address's own"},
		{"", "email", "none"},
		{"no address", "email", ""},
		{"Ada <ada@example.com>", "email", "a name is not a part of the address"},
		{" ada@example.com", "email", "nor are blanks"},
		{"ädä@example.com", "email", "two letters may look the same"},
		{"ada@exämple.com", "email", "in the domain, too"},
		{"ada\x00@example.com", "email", "Postgres refuses NUL"},
		{"ada@example.com\r\nBcc: eve@example.com", "email", "a line of its own in a mail"},
		{strings.Repeat("a", 243) + "@example.com", "email", "RFC 5321 allows 254 characters"},
	} {
		if got := names(identity.CheckEmail(tc.email)); got != tc.want {
			t.Errorf("CheckEmail(%q): %q, want %q: %s", tc.email, got, tc.want, tc.why)
		}
	}
}

func TestCheckNewPerson(t *testing.T) {
	t.Parallel()
	const password = "correct horse battery"
	for _, tc := range []struct{ password, name, organization, want, why string }{
		{password, "", "", "", "both names may be left out"},
		{strings.Repeat("ä", 12), "Ada", strings.Repeat("ä", 100), "", "characters count, not bytes"},
		{password, "Ada Lovelace", "Ada & Söhne", "", "names are in any script"},
		{"short", "a\nb", strings.Repeat("x", 101), "password name organization", "every wrong field is named"},
		{strings.Repeat("x", 11), "", "", "password", "too short"},
		{strings.Repeat("x", 201), "", "", "password", "too long to hash cheaply"},
		{password, "", "a\x00b", "organization", "Postgres refuses NUL"},
		{password, "", "a\nb", "organization", "a name is one line"},
	} {
		if got := names(identity.CheckNewPerson(tc.password, tc.name, tc.organization)); got != tc.want {
			t.Errorf("CheckNewPerson(%d characters, %q, %q): %q, want %q: %s", len(tc.password), tc.name, tc.organization, got, tc.want, tc.why)
		}
	}
}

func TestCheckToken(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name      string
		scopes    []identity.Permission
		life      time.Duration
		want, why string
	}{
		{"ci", nil, time.Hour, "", ""},
		{"ci", nil, time.Minute, "", "the shortest"},
		{"ci", nil, identity.MaxTokenLife, "", "the longest"},
		{"ci", identity.AllPermissions(), time.Hour, "", "every permission is a scope"},
		{"ci", []identity.Permission{"clusters:read", "clusters:all", ""}, time.Hour, "scopes[1] scopes[2]", "what is no permission is named"},
		{"ci", []identity.Permission{}, time.Hour, "scopes", "a token that may do nothing is a mistake"},
		{" ", nil, 2 * identity.MaxTokenLife, "name expires_in_seconds", "every wrong field is named"},
		{"ci", nil, time.Minute - 1, "expires_in_seconds", "too short"},
		{"ci", nil, -time.Hour, "expires_in_seconds", "over before it began"},
		{strings.Repeat("x", 101), nil, time.Hour, "name", "too long"},
		{"a\x00", nil, time.Hour, "name", "Postgres refuses NUL"},
	} {
		if got := names(identity.CheckToken(tc.name, tc.scopes, tc.life)); got != tc.want {
			t.Errorf("CheckToken(%q, %v, %s): %q, want %q: %s", tc.name, tc.scopes, tc.life, got, tc.want, tc.why)
		}
	}
}
