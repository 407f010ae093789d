package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// roles are those of an organization, the mightiest first.
var roles = []string{"owner", "admin", "developer", "viewer", "billing"}

func (e *env) membersCommand() *cobra.Command {
	c := group(&cobra.Command{Use: "members", Aliases: []string{"member"}, Short: "List, change and remove the members of your organization"})
	c.AddCommand(e.membersList(), e.membersChange(), e.membersRemove())
	return c
}

func (e *env) membersList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the members", Args: takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := e.client()
			if err != nil {
				return err
			}
			members, err := api.Members(cmd.Context())
			if err != nil {
				return err
			}
			return e.print(list(members), func(w io.Writer) {
				var rows [][]string
				for _, m := range members {
					rows = append(rows, []string{m.Email, m.Name, m.Role, m.User, age(m.Since)})
				}
				table(w, "There are no members.", []string{"EMAIL", "NAME", "ROLE", "ID", "SINCE"}, rows)
			})
		},
	}
}

func (e *env) membersChange() *cobra.Command {
	return &cobra.Command{
		Use: "change EMAIL ROLE", Short: "Change a member's role",
		Long: "Change a member's role, at once. Roles:\n" +
			"  owner      everything, also owners and the organization itself\n" +
			"  admin      everything but that\n" +
			"  developer  create, use and delete clusters\n" +
			"  viewer     look at clusters and what runs in them\n" +
			"  billing    look at clusters, pay for them",
		Example: "  marina members change grace@example.com developer",
		Args:    takes("EMAIL", "ROLE"), ValidArgsFunction: e.completeMembers,
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := e.client()
			if err != nil {
				return err
			}
			m, err := api.FindMember(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if m, err = api.ChangeMember(cmd.Context(), m.User, args[1]); err != nil {
				return err
			}
			return e.print(m, func(w io.Writer) { fmt.Fprintf(w, "%s has the role %s now.\n", m.Email, m.Role) })
		},
	}
}

func (e *env) membersRemove() *cobra.Command {
	return &cobra.Command{
		Use: "remove EMAIL", Aliases: []string{"rm"}, Short: "Remove a member, and end their tokens and credentials at once",
		Args: takes("EMAIL"), ValidArgsFunction: e.completeMembers,
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := e.client()
			if err != nil {
				return err
			}
			m, err := api.FindMember(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if err := api.RemoveMember(cmd.Context(), m.User); err != nil {
				return err
			}
			return e.print(map[string]string{"removed": m.User}, func(w io.Writer) { fmt.Fprintf(w, "%s is a member no more.\n", m.Email) })
		},
	}
}

// completeMembers completes a member's address, then a role.
func (e *env) completeMembers(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return suggest(cmd, func(ctx context.Context) (found []cobra.Completion) {
		switch len(args) {
		case 0:
			api, err := e.client()
			if err != nil {
				return nil
			}
			members, _ := api.Members(ctx)
			for _, m := range members {
				found = append(found, cobra.CompletionWithDesc(m.Email, m.Role))
			}
		case 1:
			found = roles
		}
		return found
	})
}
