package cli

import (
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/marina-cloud/marina/gateway/mailer"
)

// smtpFlags say which server takes mails. The password is only ever named as a file.
type smtpFlags struct{ mailer.Config }

// values are the flags by their names after "smtp-".
func (f *smtpFlags) values() []struct {
	name, usage string
	value       *string
} {
	return []struct {
		name, usage string
		value       *string
	}{
		{"address", "`HOST:PORT` of the server that takes mails (default: they stay here, and `marina mails` shows them)", &f.Address},
		{"from", "sender's `address`, such as \"Marina <marina@example.com>\"", &f.From},
		{"tls", "how the conversation is kept secret: `" + strings.Join(mailer.Ways(), "|") + "` (default " + mailer.Ways()[0] + ")", &f.TLS},
		{"ca-file", "`file` with the authorities (PEM) that the server's certificate may come from (default: the machine's)", &f.CAFile},
		{"username", "`name` to log in with", &f.Username},
		{"password-file", "`file` with the password to log in with", &f.PasswordFile},
	}
}

func (f *smtpFlags) bind(c *cobra.Command) {
	for _, v := range f.values() {
		c.Flags().StringVar(v.value, "smtp-"+v.name, os.Getenv("MARINA_SMTP_"+strings.ToUpper(strings.ReplaceAll(v.name, "-", "_"))), v.usage)
	}
	_ = c.RegisterFlagCompletionFunc("smtp-tls", cobra.FixedCompletions(mailer.Ways(), cobra.ShellCompDirectiveNoFileComp)) // the flag exists
}

// check also makes paths absolute: a server runs in another directory.
func (f *smtpFlags) check() (err error) {
	if err := f.Validate(); err != nil {
		return err
	}
	f.Config, err = f.Absolute()
	return err
}

// args are the flags for another process.
func (f *smtpFlags) args() (args []string) {
	if !f.Enabled() {
		return nil
	}
	for _, v := range f.values() {
		if *v.value != "" {
			args = append(args, "--smtp-"+v.name, *v.value)
		}
	}
	return args
}
