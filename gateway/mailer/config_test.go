package mailer_test

import (
	"strings"
	"testing"

	"github.com/marina-cloud/marina/gateway/mailer"
)

func TestValidate(t *testing.T) {
	t.Parallel()
	good := mailer.Config{Address: "mail.example.com:587", From: "Marina <marina@example.com>"}
	with := func(change func(*mailer.Config)) mailer.Config {
		c := good
		change(&c)
		return c
	}
	for why, tc := range map[string]struct {
		c    mailer.Config
		want string // flags that are named
	}{
		"no server":          {mailer.Config{}, ""},
		"a server":           {good, ""},
		"a log-in":           {with(func(c *mailer.Config) { c.Username, c.PasswordFile, c.TLS = "marina", "/etc/p", mailer.TLS }), ""},
		"nothing without it": {mailer.Config{From: "x", Username: "x"}, "--smtp-from --smtp-username"},
		"no port":            {with(func(c *mailer.Config) { c.Address = "mail.example.com" }), "--smtp-address"},
		"no sender":          {with(func(c *mailer.Config) { c.From = "" }), "--smtp-from"},
		"another TLS":        {with(func(c *mailer.Config) { c.TLS = "maybe" }), "--smtp-tls"},
		"half a log-in":      {with(func(c *mailer.Config) { c.Username = "marina" }), "--smtp-username"},
		"a password in the clear": {
			with(func(c *mailer.Config) { c.Username, c.PasswordFile, c.TLS = "marina", "/etc/p", mailer.Plain }), "--smtp-tls",
		},
	} {
		err := tc.c.Validate()
		if (err == nil) != (tc.want == "") {
			t.Errorf("%s: %v", why, err)
			continue
		}
		for flag := range strings.FieldsSeq(tc.want) {
			if !strings.Contains(err.Error(), flag) {
				t.Errorf("%s: %v does not name %s", why, err, flag)
			}
		}
	}
}
