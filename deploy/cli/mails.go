package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/marina-cloud/marina/deploy/client"
)

func (e *env) mailsCommand() *cobra.Command {
	c := group(&cobra.Command{
		Use: "mails", Aliases: []string{"mail"}, Short: "See the mails that Marina has sent, or keeps for you to pass on",
		Long: "See the mails that Marina has sent. An installation without a mail server (--smtp-address of `marina up`)\n" +
			"keeps them for its operator, who passes them on.",
	})
	c.AddCommand(e.mailsList(), e.mailsShow())
	return c
}

func (e *env) mailsList() *cobra.Command {
	var to string
	c := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the last hundred mails, the newest first",
		Example: "  marina mails list --to ada@example.com", Args: takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := e.client()
			if err != nil {
				return err
			}
			all, err := api.Mails(cmd.Context(), to)
			if err != nil {
				return explainOperator(err)
			}
			return e.print(list(all), func(w io.Writer) {
				var rows [][]string
				for _, m := range all {
					rows = append(rows, []string{m.ID, m.To, m.Subject, m.State, age(m.CreatedAt), m.LastError})
				}
				table(w, "Marina has written to nobody in the last 30 days.", []string{"ID", "TO", "SUBJECT", "STATE", "AGE", "ERROR"}, rows)
			})
		},
	}
	c.Flags().StringVar(&to, "to", "", "only those to this `address`")
	return c
}

func (e *env) mailsShow() *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Aliases: []string{"get"}, Short: "Show a mail that this installation keeps",
		Args: takes("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := e.client()
			if err != nil {
				return err
			}
			m, err := api.Mail(cmd.Context(), args[0])
			if err != nil {
				return explainOperator(err)
			}
			return e.print(m, func(w io.Writer) {
				fmt.Fprintf(w, "To: %s\nSubject: %s\nState: %s\n", plain(m.To), plain(m.Subject), m.State)
				if m.LastError != "" {
					fmt.Fprintf(w, "Error: %s\n", plain(m.LastError))
				}
				if m.Text != "" {
					fmt.Fprintf(w, "\n%s", m.Text)
				}
			})
		},
	}
}

// explainOperator says why there is nothing where only operators find something.
func explainOperator(err error) error {
	if client.IsCode(err, "not_found") {
		return fmt.Errorf("only who runs the installation sees this, logged in as such: %w", err)
	}
	return err
}
