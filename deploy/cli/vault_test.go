package cli

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"github.com/marina-cloud/marina/internal/seal/vault"
)

// TestVaultFlagsReachTheServer: what `up` is told, or finds in the environment, the
// server that it starts is told.
func TestVaultFlagsReachTheServer(t *testing.T) {
	t.Setenv("MARINA_VAULT_ADDRESS", "https://vault.example.com:8200")
	t.Setenv("MARINA_VAULT_SECRET_ID_FILE", "/etc/secret-id")
	parse := func(args ...string) vaultFlags {
		var v vaultFlags
		c := &cobra.Command{}
		v.bind(c)
		if err := c.ParseFlags(args); err != nil {
			t.Fatal(err)
		}
		if err := v.check(); err != nil {
			t.Fatal(err)
		}
		return v
	}
	told := parse("--vault-role-id", "r", "--vault-transit-key", "other")
	want := vault.Config{
		Address: "https://vault.example.com:8200", Mount: "transit", Key: "other", AppRole: "approle", RoleID: "r", SecretIDFile: "/etc/secret-id",
	}
	if diff := cmp.Diff(want, told.Config); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	t.Setenv("MARINA_VAULT_ADDRESS", "")
	t.Setenv("MARINA_VAULT_SECRET_ID_FILE", "")
	if diff := cmp.Diff(told.Config, parse(told.args()...).Config); diff != "" {
		t.Errorf("the server hears (-told +heard):\n%s", diff)
	}
	if none := parse(); none.args() != nil {
		t.Errorf("without a Vault, the server is told %q", none.args())
	}
}
