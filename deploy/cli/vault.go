package cli

import (
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/marina-cloud/marina/internal/seal/vault"
)

// vaultFlags say which Vault seals. What is secret is only ever named as a file.
type vaultFlags struct{ vault.Config }

// values are the flags by their names after "vault-".
func (v *vaultFlags) values() []struct {
	name, usage, otherwise string
	value                  *string
} {
	return []struct {
		name, usage, otherwise string
		value                  *string
	}{
		{"address", "`URL` of a HashiCorp Vault that seals secrets in place of the built-in keystore", "", &v.Address},
		{"ca-file", "`file` with the authorities (PEM) that Vault's certificate may come from (default: the machine's)", "", &v.CAFile},
		{"namespace", "`namespace` in Vault Enterprise", "", &v.Namespace},
		{"transit-mount", "`path` of the transit engine", vault.DefaultMount, &v.Mount},
		{"transit-key", "`name` of the key in it", vault.DefaultKey, &v.Key},
		{"token-file", "`file` with a token (Vault Agent's sink, for instance)", "", &v.TokenFile},
		{"approle-mount", "`path` of the AppRole log-in", vault.DefaultAppRole, &v.AppRole},
		{"role-id", "role `id` to log in with", "", &v.RoleID},
		{"secret-id-file", "`file` with the secret id to log in with", "", &v.SecretIDFile},
	}
}

func (v *vaultFlags) bind(c *cobra.Command) {
	for _, f := range v.values() {
		otherwise := f.otherwise
		if given := os.Getenv("MARINA_VAULT_" + strings.ToUpper(strings.ReplaceAll(f.name, "-", "_"))); given != "" {
			otherwise = given
		}
		c.Flags().StringVar(f.value, "vault-"+f.name, otherwise, f.usage)
	}
}

// check also makes paths absolute: a server runs in another directory.
func (v *vaultFlags) check() (err error) {
	if err := v.Validate(); err != nil {
		return err
	}
	v.Config, err = v.Absolute()
	return err
}

// args are the flags for another process.
func (v *vaultFlags) args() (args []string) {
	if !v.Enabled() {
		return nil
	}
	for _, f := range v.values() {
		if *f.value != "" {
			args = append(args, "--vault-"+f.name, *f.value)
		}
	}
	return args
}
