package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/marina-cloud/marina/deploy/client"
)

func (e *env) signupCommand() *cobra.Command {
	var email, organization string
	c := &cobra.Command{
		Use:   "signup",
		Short: "Create an account and an organization, and log in",
		Long:  "Create an account and an organization, and log in. The password is asked for, or read from\nthe first line of the standard input.",
		Example: `  marina signup --email ada@example.com
  marina signup --email ada@example.com --organization "Analytical Engines" <password.txt`,
		Args: takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := e.anonymous()
			if err != nil {
				return err
			}
			p := e.prompt(cmd)
			if email, err = p.email(email); err != nil {
				return err
			}
			password, err := p.newPassword()
			if err != nil {
				return err
			}
			s, err := api.SignUp(cmd.Context(), email, password, organization)
			if err != nil {
				return err
			}
			return e.loggedIn(api.Server, s)
		},
	}
	c.Flags().StringVar(&email, "email", "", "e-mail `address` (asked for when absent)")
	c.Flags().StringVar(&organization, "organization", "", "`name` of the new organization (default: the e-mail address)")
	return c
}

func (e *env) loginCommand() *cobra.Command {
	var email string
	c := &cobra.Command{
		Use:     "login",
		Short:   "Log in and remember it",
		Long:    "Log in and remember it. The password is asked for, or read from the first line of the\nstandard input; where the account has a second factor, the code comes after it.",
		Example: "  marina login --email ada@example.com\n  marina login --server https://marina.example.com",
		Args:    takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := e.anonymous()
			if err != nil {
				return err
			}
			p := e.prompt(cmd)
			if email, err = p.email(email); err != nil {
				return err
			}
			password, err := p.password("Password: ")
			if err != nil {
				return err
			}
			s, err := api.LogIn(cmd.Context(), email, password, "")
			if client.IsCode(err, "second_factor_needed") {
				var code string
				if code, err = p.code(); err == nil {
					s, err = api.LogIn(cmd.Context(), email, password, code)
				}
			}
			if err != nil {
				return err
			}
			return e.loggedIn(api.Server, s)
		},
	}
	c.Flags().StringVar(&email, "email", "", "e-mail `address` (asked for when absent)")
	return c
}

func (e *env) loggedIn(server string, s client.Session) error {
	if err := e.writeLogin(login{Server: server, Token: s.Token.Secret, Email: s.Email}); err != nil {
		return err
	}
	s.Token.Secret = "" // it is remembered; a terminal's history need not know it
	return e.print(s, func(w io.Writer) {
		fmt.Fprintf(w, "Logged in to %s as %s, organization %s, until %s.\n", server, s.Email, s.Name, s.Token.ExpiresAt.Local().Format("2 January 2006"))
		fmt.Fprintf(w, "Next: %s clusters create NAME --wait\n", e.marina())
	})
}
