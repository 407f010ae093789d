package vault

import (
	"testing"
	"time"
)

func TestSessionNeeds(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	hour := session{token: "t", began: noon, life: time.Hour, ends: noon.Add(time.Hour), renewable: true}
	fixed := hour
	fixed.renewable = false
	for _, c := range []struct {
		why       string
		s         session
		after     time.Duration
		onlyToken bool
		want      need
	}{
		{"there is none", session{}, 0, false, login},
		{"a root token never ends", session{token: "t"}, 1000 * time.Hour, false, nothing},
		{"a young token needs nothing", hour, 29 * time.Minute, false, nothing},
		{"at half of its life it is renewed", hour, 30 * time.Minute, false, renewal},
		{"one that ended cannot be renewed", hour, time.Hour, false, login},
		{"one that cannot be renewed is replaced in time", fixed, 40 * time.Minute, false, login},
		{"but not too early", fixed, 39 * time.Minute, false, nothing},
		{"one that nothing replaces is used to its end", fixed, 59 * time.Minute, true, nothing},
		{"and then read again", fixed, time.Hour, true, login},
		{"a renewal that gave the whole life is followed by others", hour.renewed(noon, time.Hour, true), 30 * time.Minute, false, renewal},
		{"one that gave little is the last", hour.renewed(noon, 30*time.Minute, true), 11 * time.Minute, false, login},
	} {
		if got := c.s.needs(noon.Add(c.after), c.onlyToken); got != c.want {
			t.Errorf("%s: needs %d, want %d", c.why, got, c.want)
		}
		if due := c.s.due(c.onlyToken); !due.IsZero() && c.want == nothing && due.Before(noon.Add(c.after)) {
			t.Errorf("%s: it is due at %s, before it needs anything", c.why, due)
		}
	}
}

func TestConfigNamesEveryMistake(t *testing.T) {
	t.Parallel()
	good := Config{Address: "https://vault.example.com:8200", Mount: DefaultMount, Key: DefaultKey, AppRole: DefaultAppRole, RoleID: "r", SecretIDFile: "f"}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	if err := (Config{Mount: DefaultMount, Key: DefaultKey, AppRole: DefaultAppRole}).Validate(); err != nil {
		t.Errorf("no Vault: %v", err)
	}
	for why, change := range map[string]func(*Config){
		"no scheme":            func(c *Config) { c.Address = "vault.example.com:8200" },
		"a path":               func(c *Config) { c.Address += "/ui" },
		"slashes":              func(c *Config) { c.Mount = "/transit" },
		"no key":               func(c *Config) { c.Key = "" },
		"no way in":            func(c *Config) { c.RoleID, c.SecretIDFile = "", "" },
		"two ways in":          func(c *Config) { c.TokenFile = "t" },
		"half of AppRole":      func(c *Config) { c.SecretIDFile = "" },
		"a token for no Vault": func(c *Config) { c.Address = "" },
	} {
		c := good
		change(&c)
		if c.Validate() == nil {
			t.Errorf("%s: it was accepted", why)
		}
	}
	two := good
	two.Address, two.Key = "nowhere", "a b"
	if err, ok := two.Validate().(interface{ Unwrap() []error }); !ok || len(err.Unwrap()) != 2 {
		t.Errorf("two mistakes: %v, want both", two.Validate())
	}
}
