package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/marina-cloud/marina/deploy/client"
)

func (e *env) signupCommand() *cobra.Command {
	return e.mailing(&cobra.Command{
		Use:     "signup",
		Short:   "Sign up: get a mail with a link",
		Long:    "Sign up: get a mail with a link. `marina verify` takes it, creates an account and an organization,\nand logs in; the console does the same.",
		Example: "  marina signup --email ada@example.com",
	}, (*client.Client).SignUp, "verify")
}

// mailing makes a command of c that asks for a mail to an address, with whose link the
// command next goes on.
func (e *env) mailing(c *cobra.Command, ask func(api *client.Client, ctx context.Context, email string) error, next string) *cobra.Command {
	var email string
	c.Args = takes()
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		api, err := e.anonymous()
		if err != nil {
			return err
		}
		if email, err = e.prompt(cmd).email(email); err != nil {
			return err
		}
		if err := ask(api, cmd.Context(), email); err != nil {
			return err
		}
		return e.print(map[string]string{"email": email}, func(w io.Writer) {
			fmt.Fprintf(w, "Look at your mail: there is a link for %s. Open it, or: %s %s\n", email, e.marina(), next)
		})
	}
	c.Flags().StringVar(&email, "email", "", "e-mail `address` (asked for when absent)")
	return c
}

func (e *env) verifySignUpCommand() *cobra.Command {
	var organization string
	c := &cobra.Command{
		Use:   "verify",
		Short: "Create an account with the link of a sign-up's mail, and log in",
		Long:  "Create an account and an organization with the link of a sign-up's mail, and log in. The link and a\npassword are asked for, or read from the first two lines of the standard input.",
		Example: `  marina verify
  marina verify --organization "Analytical Engines" <link-and-password.txt`,
		Args: takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := e.anonymous()
			if err != nil {
				return err
			}
			secret, password, err := linkAndPassword(e.prompt(cmd))
			if err != nil {
				return err
			}
			s, err := api.Verify(cmd.Context(), secret, password, organization)
			if err != nil {
				return err
			}
			return e.loggedIn(api.Server, s)
		},
	}
	c.Flags().StringVar(&organization, "organization", "", "`name` of the new organization (default: the e-mail address)")
	return c
}

func (e *env) passwordCommand() *cobra.Command {
	c := group(&cobra.Command{Use: "password", Short: "Change your password, or choose a new one when you have forgotten it"})
	c.AddCommand(e.passwordChange(), e.passwordForgot(), e.passwordReset())
	return c
}

func (e *env) passwordChange() *cobra.Command {
	return &cobra.Command{
		Use: "change", Short: "Change your password, and end your other sessions",
		Long: "Change your password, and end your other sessions. The present password and the new one are asked\nfor, or read from the first two lines of the standard input.",
		Args: takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := e.client()
			if err != nil {
				return err
			}
			p := e.prompt(cmd)
			present, err := p.password("Present password: ")
			if err != nil {
				return err
			}
			password, err := p.newPassword()
			if err != nil {
				return err
			}
			if err := api.ChangePassword(cmd.Context(), present, password); err != nil {
				return err
			}
			return e.print(map[string]bool{"changed": true}, func(w io.Writer) {
				fmt.Fprintln(w, "The password is changed. Your other sessions have ended.")
			})
		},
	}
}

func (e *env) passwordForgot() *cobra.Command {
	return e.mailing(&cobra.Command{Use: "forgot", Short: "Get a mail with a link to choose a new password"}, (*client.Client).ForgotPassword, "password reset")
}

func (e *env) passwordReset() *cobra.Command {
	return &cobra.Command{
		Use: "reset", Short: "Choose a new password with the link of a mail",
		Long: "Choose a new password with the link of a mail, and end all your sessions. The link and the password are\nasked for, or read from the first two lines of the standard input.",
		Args: takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := e.anonymous()
			if err != nil {
				return err
			}
			secret, password, err := linkAndPassword(e.prompt(cmd))
			if err != nil {
				return err
			}
			if err := api.ResetPassword(cmd.Context(), secret, password); err != nil {
				return err
			}
			return e.print(map[string]bool{"changed": true}, func(w io.Writer) {
				fmt.Fprintf(w, "The password is changed, and all your sessions have ended. Next: %s login\n", e.marina())
			})
		},
	}
}

// linkAndPassword asks for the link of a mail and for a new password.
func linkAndPassword(p prompt) (secret, password string, err error) {
	link, err := p.password("Link from the mail: ") // it is as good as a password
	if err != nil {
		return "", "", err
	}
	if password, err = p.newPassword(); err != nil {
		return "", "", err
	}
	return client.LinkSecret(link), password, nil
}
