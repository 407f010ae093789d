package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/marina-cloud/marina/deploy/client"
)

func (e *env) invitationsCommand() *cobra.Command {
	c := group(&cobra.Command{Use: "invitations", Aliases: []string{"invitation", "invite"}, Short: "Invite people to your organization, and accept invitations"})
	c.AddCommand(e.invitationsList(), e.invitationsCreate(), e.invitationsResend(), e.invitationsRevoke(), e.invitationsAccept())
	return c
}

func (e *env) invitationsList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the invitations that nobody has accepted", Args: takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := e.client()
			if err != nil {
				return err
			}
			all, err := api.Invitations(cmd.Context())
			if err != nil {
				return err
			}
			return e.print(list(all), func(w io.Writer) {
				var rows [][]string
				for _, x := range all {
					rows = append(rows, []string{x.Email, x.Role, x.Inviter, x.ID, left(x.ExpiresAt)})
				}
				table(w, "Nobody is invited. Invite somebody: "+e.marina()+" invitations create EMAIL --role developer", []string{"EMAIL", "ROLE", "INVITED BY", "ID", "GOOD FOR"}, rows)
			})
		},
	}
}

func (e *env) invitationsCreate() *cobra.Command {
	var role string
	c := &cobra.Command{
		Use: "create EMAIL", Short: "Send somebody a mail with an invitation, which is good for a week", Args: takes("EMAIL"),
		Example: "  marina invitations create grace@example.com --role developer",
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := e.client()
			if err != nil {
				return err
			}
			x, err := api.Invite(cmd.Context(), client.NewInvitation{Email: args[0], Role: role})
			if err != nil {
				return err
			}
			return e.print(x, func(w io.Writer) { fmt.Fprintf(w, "A mail with the invitation goes to %s.\n", x.Email) })
		},
	}
	c.Flags().StringVar(&role, "role", "developer", "`one` of "+strings.Join(roles, ", "))
	_ = c.RegisterFlagCompletionFunc("role", cobra.FixedCompletions(roles, cobra.ShellCompDirectiveNoFileComp)) // the flag exists
	return c
}

func (e *env) invitationsResend() *cobra.Command {
	return &cobra.Command{
		Use: "resend EMAIL", Short: "Send the mail again, for another week", Args: takes("EMAIL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, x, err := e.invitation(cmd, args[0])
			if err != nil {
				return err
			}
			if x, err = api.ResendInvitation(cmd.Context(), x.ID); err != nil {
				return err
			}
			return e.print(x, func(w io.Writer) {
				fmt.Fprintf(w, "Another mail goes to %s. The link in the one before is good no more.\n", x.Email)
			})
		},
	}
}

func (e *env) invitationsRevoke() *cobra.Command {
	return &cobra.Command{
		Use: "revoke EMAIL", Short: "Revoke an invitation at once", Args: takes("EMAIL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, x, err := e.invitation(cmd, args[0])
			if err != nil {
				return err
			}
			if err := api.RevokeInvitation(cmd.Context(), x.ID); err != nil {
				return err
			}
			return e.print(map[string]string{"revoked": x.ID}, func(w io.Writer) { fmt.Fprintf(w, "The invitation of %s is revoked.\n", x.Email) })
		},
	}
}

func (e *env) invitation(cmd *cobra.Command, which string) (*client.Client, client.Invitation, error) {
	api, err := e.client()
	if err != nil {
		return nil, client.Invitation{}, err
	}
	x, err := api.FindInvitation(cmd.Context(), which)
	return api, x, err
}

func (e *env) invitationsAccept() *cobra.Command {
	return &cobra.Command{
		Use: "accept", Short: "Accept an invitation, and act in its organization", Args: takes(),
		Long: "Accept an invitation that was sent to your address, and act in its organization. The link in the\n" +
			"mail is asked for, or read from the first line of the standard input: other users of a machine\n" +
			"see arguments.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := e.client()
			if err != nil {
				return err
			}
			link, err := e.prompt(cmd).password("The link in the mail: ")
			if err != nil {
				return err
			}
			link = strings.TrimSpace(link)
			o, err := api.AcceptInvitation(cmd.Context(), link[strings.LastIndex(link, "#")+1:])
			if err == nil {
				_, err = api.In(o.ID).Who(cmd.Context())
			}
			if err != nil {
				return err
			}
			return e.print(o, func(w io.Writer) { fmt.Fprintf(w, "You act in %s now, with the role %s.\n", plain(o.Name), o.Role) })
		},
	}
}
