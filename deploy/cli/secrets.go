package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/marina-cloud/marina/deploy/secrets"
	"github.com/marina-cloud/marina/internal/home"
	"github.com/marina-cloud/marina/internal/rootsocket"
	"github.com/marina-cloud/marina/internal/seal"
)

func (e *env) secretsCommand() *cobra.Command {
	c := group(&cobra.Command{
		Use:   "secrets",
		Short: "Look after what seals secrets: the built-in keystore, or HashiCorp Vault",
		Long: "Everything secret in an installation is sealed under data keys. What seals those is the built-in\n" +
			"keystore (a key in the home) or HashiCorp Vault, which `marina up` and `marina serve` are told of\n" +
			"with --vault-address and other flags (or MARINA_VAULT_ADDRESS and so on in the environment).",
	})
	c.AddCommand(e.secretsStatusCommand(), e.secretsMigrateCommand(), e.secretsRewrapCommand(), e.secretsPolicyCommand())
	return c
}

func (e *env) secretsStatusCommand() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Say what seals secrets, and whether it can",
		Args: takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := e.secretsClient()
			if err != nil {
				return err
			}
			s, err := c.Status(cmd.Context())
			if err != nil {
				return e.explainSecrets(err)
			}
			return e.print(s, func(w io.Writer) { writeSecrets(w, s) })
		},
	}
}

func (e *env) secretsMigrateCommand() *cobra.Command {
	var to string
	c := &cobra.Command{
		Use:   "migrate --to vault|keystore",
		Short: "Have everything sealed by Vault, or by the built-in keystore, from now on",
		Long: "Seal every data key anew by another store, while the server runs; clusters notice nothing. The server\n" +
			"must have been started with the --vault- flags, also for the way back.\n\n" +
			"It is the server that does it. Whatever is interrupted (this command, the server, Vault), each key is\n" +
			"sealed by one store or the other and opens, and the server goes on by itself.",
		Example: "  marina secrets migrate --to vault",
		Args:    takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if to != seal.InFile && to != seal.InVault {
				return &usageError{cmd, fmt.Sprintf("--to is %q: say vault or keystore", to)}
			}
			begin := func(ctx context.Context, c secrets.Client) (secrets.Status, error) { return c.Migrate(ctx, to) }
			return e.sealAnew(cmd.Context(), begin, func(w io.Writer, h home.Home) {
				if to == seal.InVault {
					fmt.Fprintf(w, "%s opens nothing here any more, only copies of the database from before. Keep it as long as you keep\nthose, then delete it.\n", h.Path("master.key"))
					return
				}
				fmt.Fprintln(w, "Vault is not needed here any more: the next start can do without the --vault- flags. Copies of the\ndatabase from before still need it.")
			})
		},
	}
	c.Flags().StringVar(&to, "to", "", "`store`: vault or keystore")
	_ = c.MarkFlagRequired("to")
	_ = c.RegisterFlagCompletionFunc("to", cobra.FixedCompletions([]cobra.Completion{seal.InVault, seal.InFile}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

func (e *env) secretsRewrapCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "rewrap",
		Short: "Have everything sealed anew by the same store",
		Long: "Seal every data key anew by the store that seals them now. After Vault's key was rotated\n" +
			"(vault write -f transit/keys/marina/rotate), nothing needs its older versions then.",
		Args: takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			begin := func(ctx context.Context, c secrets.Client) (secrets.Status, error) { return c.Rewrap(ctx) }
			return e.sealAnew(cmd.Context(), begin, func(io.Writer, home.Home) {})
		},
	}
}

func (e *env) secretsPolicyCommand() *cobra.Command {
	var v vaultFlags
	c := &cobra.Command{
		Use:     "policy",
		Short:   "Print the policy that Marina's token needs in Vault, and no more",
		Example: "  marina secrets policy | vault policy write marina -",
		Args:    takes(),
		RunE: func(*cobra.Command, []string) error {
			return e.print(map[string]string{"policy": v.Policy()}, func(w io.Writer) { fmt.Fprint(w, v.Policy()) })
		},
	}
	v.bind(c)
	return c
}

// secretsClient reaches the server of the home that the flags mean.
func (e *env) secretsClient() (secrets.Client, error) {
	h, err := e.rootHome()
	return secrets.Client{Socket: h.SecretsControl()}, err
}

func (e *env) explainSecrets(err error) error {
	if errors.Is(err, rootsocket.ErrNotRunning) {
		return fmt.Errorf("marina does not run: start it with `%s up`, and with the --vault- flags if Vault is concerned", e.marina())
	}
	return err
}

// sealAnew begins something that seals all keys anew, and waits until that is done.
func (e *env) sealAnew(ctx context.Context, begin func(context.Context, secrets.Client) (secrets.Status, error), done func(io.Writer, home.Home)) error {
	h, err := e.rootHome()
	if err != nil {
		return err
	}
	c := secrets.Client{Socket: h.SecretsControl()}
	s, err := begin(ctx, c)
	if err != nil {
		return e.explainSecrets(err)
	}
	step := e.steps.Begin("Sealing %s anew", count(s.Keys, "data key"))
	said := ""
	for s.Left > 0 {
		if s.Failed != "" && s.Failed != said {
			said = s.Failed
			e.steps.Say("%d of %d are left, and it does not go on: %s", s.Left, s.Keys, s.Failed)
		}
		select {
		case <-ctx.Done():
			step.Failed()
			e.steps.Say("%d of %d are left. The server goes on with it: %s secrets status", s.Left, s.Keys, e.marina())
			return context.Cause(ctx)
		case <-time.After(200 * time.Millisecond):
		}
		if s, err = c.Status(ctx); err != nil {
			step.Failed()
			return e.explainSecrets(err)
		}
	}
	step.Done("Sealed by %s: %s", s.Master, count(s.Keys, "data key"))
	return e.print(s, func(w io.Writer) { done(w, h) })
}

// writeSecrets says in a few lines how the secret store is.
func writeSecrets(w io.Writer, s secrets.Status) {
	store := "the built-in keystore"
	if s.Master == seal.InVault {
		store = "Vault"
	}
	fmt.Fprintf(w, "Secrets: sealed by %s, %s\n", store, count(s.Keys, "data key"))
	if v := s.Vault; v != nil {
		state := "can be used"
		if !v.OK {
			state = "cannot be used since " + v.Since.Local().Format("2006-01-02 15:04:05") + ": " + v.Message
		}
		fmt.Fprintf(w, "         Vault at %s, key %s of %s/, %s\n", v.Address, v.Key, v.Mount, state)
		if !v.OK && (s.Master == seal.InVault || s.Left > 0) {
			fmt.Fprintf(w, "         What runs goes on. New clusters, and what starts anew, wait until it can be used again.\n")
		}
	}
	if s.Left > 0 {
		fmt.Fprintf(w, "         %d of them are still to be sealed anew\n", s.Left)
	}
	if s.Failed != "" {
		fmt.Fprintf(w, "         which does not go on: %s\n", s.Failed)
	}
}
