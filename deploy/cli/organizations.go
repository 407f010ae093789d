package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/marina-cloud/marina/deploy/client"
)

func (e *env) organizationsCommand() *cobra.Command {
	c := group(&cobra.Command{Use: "organizations", Aliases: []string{"organization", "orgs", "org"}, Short: "List, choose, create, rename, leave and delete organizations"})
	c.AddCommand(e.organizationsList(), e.organizationsCreate(),
		e.organizationsDo("use", "Act in an organization from now on", "You act in %s now.\n", func(context.Context, *client.Client) error { return nil }),
		e.organizationsRename(),
		e.organizationsDo("leave", "Leave an organization", "You are no member of %s any more.\n", func(ctx context.Context, api *client.Client) error { return api.LeaveOrganization(ctx) }),
		e.organizationsDo("delete", "Delete an organization that has no clusters", "%s is deleted.\n", func(ctx context.Context, api *client.Client) error { return api.DeleteOrganization(ctx) }))
	return c
}

func (e *env) organizationsList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the organizations that you are a member of", Args: takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := e.client()
			if err != nil {
				return err
			}
			a, err := api.Who(cmd.Context())
			if err != nil {
				return err
			}
			return e.print(list(a.Organizations), func(w io.Writer) {
				var rows [][]string
				for _, o := range a.Organizations {
					rows = append(rows, []string{o.Name, o.ID, o.Role, yes(o.ID == a.Organization)})
				}
				table(w, "You are a member of no organization. Create one: "+e.marina()+" organizations create NAME", []string{"NAME", "ID", "ROLE", "IN USE"}, rows)
			})
		},
	}
}

func (e *env) organizationsCreate() *cobra.Command {
	return &cobra.Command{
		Use: "create NAME", Short: "Create an organization, whose owner you are, and act in it", Args: takes("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := e.client()
			if err != nil {
				return err
			}
			o, err := api.CreateOrganization(cmd.Context(), args[0])
			if err == nil {
				_, err = api.In(o.ID).Who(cmd.Context())
			}
			if err != nil {
				return err
			}
			return e.print(o, func(w io.Writer) {
				fmt.Fprintf(w, "You act in %s (%s) now. Next: %s invitations create EMAIL\n", plain(o.Name), o.ID, e.marina())
			})
		},
	}
}

func (e *env) organizationsRename() *cobra.Command {
	return &cobra.Command{
		Use: "rename NAME NEW", Short: "Rename an organization", Args: takes("NAME", "NEW"), ValidArgsFunction: e.completeOrganizations,
		RunE: func(cmd *cobra.Command, args []string) error {
			api, _, err := e.organization(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			o, err := api.RenameOrganization(cmd.Context(), args[1])
			if err != nil {
				return err
			}
			return e.print(o, func(w io.Writer) { fmt.Fprintf(w, "It is called %s now.\n", plain(o.Name)) })
		},
	}
}

// organizationsDo is a command that does something in an organization that it names.
func (e *env) organizationsDo(verb, short, done string, do func(context.Context, *client.Client) error) *cobra.Command {
	return &cobra.Command{
		Use: verb + " NAME", Short: short, Args: takes("NAME"), ValidArgsFunction: e.completeOrganizations,
		RunE: func(cmd *cobra.Command, args []string) error {
			api, o, err := e.organization(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if err := do(cmd.Context(), api); err != nil {
				return err
			}
			return e.print(o, func(w io.Writer) { fmt.Fprintf(w, done, plain(o.Name)) })
		},
	}
}

// organization returns one by its id or name, with a client that acts in it, as one's
// session does from then on.
func (e *env) organization(ctx context.Context, which string) (*client.Client, client.Membership, error) {
	api, err := e.client()
	if err != nil {
		return nil, client.Membership{}, err
	}
	a, err := api.Who(ctx)
	if err != nil {
		return nil, client.Membership{}, err
	}
	var found []client.Membership
	for _, o := range a.Organizations {
		if o.ID == which || o.Name == which {
			found = append(found, o)
		}
	}
	switch len(found) {
	case 0:
		return nil, client.Membership{}, fmt.Errorf("you are a member of no organization %q: `%s organizations list` says which there are", which, e.marina())
	case 1:
		api = api.In(found[0].ID)
		_, err = api.Who(ctx)
		return api, found[0], err
	}
	return nil, client.Membership{}, fmt.Errorf("%d organizations are called %q: name one by its id, which `%s organizations list` says", len(found), which, e.marina())
}

func (e *env) completeOrganizations(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return e.completeFirst(cmd, args, func(ctx context.Context, api *client.Client) (found []cobra.Completion) {
		a, _ := api.Who(ctx)
		for _, o := range a.Organizations {
			found = append(found, cobra.CompletionWithDesc(o.Name, o.Role))
		}
		return found
	})
}
