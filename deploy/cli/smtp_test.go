package cli

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"github.com/marina-cloud/marina/gateway/mailer"
)

// TestSMTPFlagsReachTheServer: what `up` is told, or finds in the environment, the
// server that it starts is told, and no password.
func TestSMTPFlagsReachTheServer(t *testing.T) {
	t.Setenv("MARINA_SMTP_ADDRESS", "mail.example.com:587")
	t.Setenv("MARINA_SMTP_PASSWORD_FILE", "/etc/smtp-password")
	parse := func(args ...string) smtpFlags {
		var f smtpFlags
		c := &cobra.Command{}
		f.bind(c)
		if err := c.ParseFlags(args); err != nil {
			t.Fatal(err)
		}
		if err := f.check(); err != nil {
			t.Fatal(err)
		}
		return f
	}
	told := parse("--smtp-username", "marina", "--smtp-from", "marina@example.com")
	want := mailer.Config{Address: "mail.example.com:587", From: "marina@example.com", Username: "marina", PasswordFile: "/etc/smtp-password"}
	if diff := cmp.Diff(want, told.Config); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	t.Setenv("MARINA_SMTP_ADDRESS", "")
	t.Setenv("MARINA_SMTP_PASSWORD_FILE", "")
	if diff := cmp.Diff(told.Config, parse(told.args()...).Config); diff != "" {
		t.Errorf("the server hears (-told +heard):\n%s", diff)
	}
	if none := parse(); none.args() != nil {
		t.Errorf("without a mail server, the server is told %q", none.args())
	}
}
