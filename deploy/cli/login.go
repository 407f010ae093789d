package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/marina-cloud/marina/deploy/client"
)

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
