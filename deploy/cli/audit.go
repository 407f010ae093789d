package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/marina-cloud/marina/deploy/client"
)

func (e *env) auditCommand() *cobra.Command {
	c := group(&cobra.Command{Use: "audit", Short: "Show and export who changed what in your organization"})
	c.AddCommand(e.auditList(), e.auditExport())
	return c
}

// asksAudit gives a command the flags of a query.
func asksAudit(c *cobra.Command) func() client.AuditQuery {
	var q client.AuditQuery
	var since time.Duration
	c.Flags().StringVar(&q.Actor, "actor", "", "only what this `person` or token did: an e-mail address or an id")
	c.Flags().StringVar(&q.Action, "action", "", "only this `action`, or the beginning of several, such as cluster")
	c.Flags().StringVar(&q.Resource, "resource", "", "only what happened to the `id`")
	c.Flags().DurationVar(&since, "since", 0, "nothing older than this `time`, such as 24h")
	return func() client.AuditQuery {
		if since > 0 {
			q.Since = time.Now().Add(-since)
		}
		return q
	}
}

func (e *env) auditList() *cobra.Command {
	limit := 50
	c := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "Show the newest lines", Args: takes(),
		Example: "  marina audit list --action member\n  marina audit list --actor ada@example.com --since 24h",
	}
	query := asksAudit(c)
	c.Flags().IntVar(&limit, "limit", limit, "how many `lines`, up to 100; export has them all")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		if limit < 1 || limit > 100 {
			return &usageError{cmd, "--limit is from 1 to 100"}
		}
		api, err := e.client()
		if err != nil {
			return err
		}
		lines, err := api.Audit(cmd.Context(), query(), limit)
		if err != nil {
			return err
		}
		return e.print(list(lines), func(w io.Writer) {
			var rows [][]string
			for _, l := range lines {
				who, details := l.Email, ""
				if who == "" {
					who = l.Actor
				}
				if len(l.Details) > 0 {
					text, _ := json.Marshal(l.Details) // it came as JSON
					details = string(text)
				}
				rows = append(rows, []string{l.At.Local().Format("2006-01-02 15:04:05"), who, l.Action, l.Resource, l.Address, details})
			}
			table(w, "There are no such lines.", []string{"AT", "WHO", "ACTION", "RESOURCE", "FROM", "DETAILS"}, rows)
		})
	}
	return c
}

func (e *env) auditExport() *cobra.Command {
	formats := []string{"csv", "jsonl"}
	var format string
	c := &cobra.Command{
		Use: "export", Short: "Print all lines, as CSV or JSON Lines", Args: takes(),
		Example: "  marina audit export >audit.csv\n  marina audit export --format jsonl --since 720h >audit.jsonl",
	}
	query := asksAudit(c)
	c.Flags().StringVar(&format, "format", "csv", "`csv` or jsonl")
	_ = c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp)) // the flag exists
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		if e.json {
			format = "jsonl"
		}
		if !slices.Contains(formats, format) {
			return &usageError{cmd, fmt.Sprintf("--format is %q: say csv or jsonl", format)}
		}
		api, err := e.client()
		if err != nil {
			return err
		}
		return api.ExportAudit(cmd.Context(), query(), format, e.out)
	}
	return c
}
