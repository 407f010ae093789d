package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func (e *env) credentialsCommand() *cobra.Command {
	c := group(&cobra.Command{Use: "credentials", Aliases: []string{"credential"}, Short: "List and revoke credentials for the Kubernetes API of a cluster"})
	c.AddCommand(e.credentialsList(), e.credentialsRevoke())
	return c
}

func (e *env) credentialsList() *cobra.Command {
	return &cobra.Command{
		Use: "list CLUSTER", Aliases: []string{"ls"}, Short: "List the credentials that have not ended",
		Args: takes("CLUSTER"), ValidArgsFunction: e.completeClusters,
		RunE: func(cmd *cobra.Command, args []string) error {
			api, k, err := e.cluster(cmd, args[0])
			if err != nil {
				return err
			}
			all, err := api.Credentials(cmd.Context(), k.ID)
			if err != nil {
				return err
			}
			return e.print(list(all), func(w io.Writer) {
				var rows [][]string
				for _, x := range all {
					used, state := "never", "good for "+left(x.ExpiresAt)
					if x.LastUsedAt != nil {
						used = age(*x.LastUsedAt) + " ago"
					}
					if x.RevokedAt != nil {
						state = "revoked"
					}
					rows = append(rows, []string{x.ID, x.User, strings.Join(x.Groups, ","), x.Kind, age(x.IssuedAt), used, state})
				}
				table(w, "Nobody has credentials for the cluster. Get some: "+e.marina()+" kubeconfig "+k.Name,
					[]string{"ID", "USER", "GROUP", "FOR", "AGE", "USED", "STATE"}, rows)
			})
		},
	}
}

func (e *env) credentialsRevoke() *cobra.Command {
	return &cobra.Command{
		Use: "revoke CLUSTER ID...", Short: "Revoke credentials at once, and end what is open with them",
		Args: func(c *cobra.Command, args []string) error {
			return takes("CLUSTER", "ID")(c, args[:min(2, len(args))])
		}, ValidArgsFunction: e.completeClusters,
		RunE: func(cmd *cobra.Command, args []string) error {
			api, k, err := e.cluster(cmd, args[0])
			if err != nil {
				return err
			}
			for _, id := range args[1:] {
				if err := api.RevokeCredential(cmd.Context(), k.ID, id); err != nil {
					return fmt.Errorf("%s: %w", id, err)
				}
			}
			return e.print(map[string][]string{"revoked": args[1:]}, func(w io.Writer) {
				fmt.Fprintf(w, "Revoked %s.\n", count(len(args)-1, "credential"))
			})
		},
	}
}

// left is how long it is until something, as age says how long ago it was.
func left(t time.Time) string { return age(time.Now().Add(-max(0, time.Until(t)))) }
