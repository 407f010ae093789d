package vault

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/marina-cloud/marina/internal/secret"
)

// Config says which Vault seals, and how to get in. Secrets are in files, which are
// read again whenever they are needed: a new one is taken without a restart.
type Config struct {
	Address   string // URL; empty: there is no Vault
	CAFile    string // PEM of the authorities that Vault's certificate may come from; empty: the machine's
	Namespace string // Vault Enterprise; usually empty
	Mount     string // of the transit engine
	Key       string // of that engine; it must be one for authenticated encryption with associated data

	TokenFile string // holds a token; or, for AppRole:

	AppRole      string // mount of the auth method
	RoleID       string // not a secret
	SecretIDFile string
}

// Defaults of a Config.
const (
	DefaultMount   = "transit"
	DefaultKey     = "marina"
	DefaultAppRole = "approle"
)

// Enabled reports whether a Vault is named.
func (c Config) Enabled() bool { return c.Address != "" }

// Validate returns everything that is wrong with the configuration. Fields are
// named as the flags of `marina serve`.
func (c Config) Validate() error {
	var wrong []error
	say := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf(format, args...)) }
	if !c.Enabled() {
		for flag, value := range map[string]string{"ca-file": c.CAFile, "namespace": c.Namespace, "token-file": c.TokenFile, "role-id": c.RoleID, "secret-id-file": c.SecretIDFile} {
			if value != "" {
				say("--vault-%s says nothing without --vault-address", flag)
			}
		}
		return errors.Join(wrong...)
	}
	if u, err := url.Parse(c.Address); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || strings.Trim(u.Path, "/") != "" {
		say("--vault-address is %q: write it like https://vault.example.com:8200", c.Address)
	}
	for flag, name := range map[string]string{"transit-mount": c.Mount, "transit-key": c.Key, "approle-mount": c.AppRole} {
		if name == "" || strings.Trim(name, "/") != name || strings.ContainsAny(name, " ?#") {
			say("--vault-%s is %q: write a name such as %s, without slashes around it", flag, name, DefaultMount)
		}
	}
	switch appRole := c.RoleID != "" || c.SecretIDFile != ""; {
	case appRole && c.TokenFile != "":
		say("name either --vault-token-file or --vault-role-id with --vault-secret-id-file")
	case appRole && (c.RoleID == "" || c.SecretIDFile == ""):
		say("AppRole needs both --vault-role-id and --vault-secret-id-file")
	case !appRole && c.TokenFile == "":
		say("it is not said how to log in: name --vault-token-file, or --vault-role-id with --vault-secret-id-file")
	}
	return errors.Join(wrong...)
}

// Absolute returns the configuration with paths that mean the same in every
// working directory.
func (c Config) Absolute() (Config, error) {
	for _, path := range []*string{&c.CAFile, &c.TokenFile, &c.SecretIDFile} {
		if *path == "" {
			continue
		}
		abs, err := filepath.Abs(*path)
		if err != nil {
			return c, fmt.Errorf("find %s: %w", *path, err)
		}
		*path = abs
	}
	return c, nil
}

// readSecret reads a file that holds one line, which only its owner may read.
func readSecret(path string) (string, error) {
	text, err := secret.FromFile(path)
	return string(text), err
}
