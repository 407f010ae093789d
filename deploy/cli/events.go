package cli

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/marina-cloud/marina/deploy/client"
)

func (e *env) clustersEvents() *cobra.Command {
	return &cobra.Command{
		Use: "events CLUSTER", Short: "List what happened to a cluster and its nodes", Args: takes("CLUSTER"), ValidArgsFunction: e.completeClusters,
		RunE: func(cmd *cobra.Command, args []string) error {
			api, k, err := e.cluster(cmd, args[0])
			if err != nil {
				return err
			}
			events, err := api.Events(cmd.Context(), k.ID)
			if err != nil {
				return err
			}
			return e.print(list(events), func(w io.Writer) {
				var rows [][]string
				for _, v := range told(events) {
					rows = append(rows, []string{age(v.At), v.Kind, v.Subject, v.Message})
				}
				table(w, "Nothing is known to have happened to the cluster in the last 30 days.", []string{"AGE", "KIND", "SUBJECT", "MESSAGE"}, rows)
			})
		},
	}
}

// told are the events that have something to say to a person.
func told(events []client.Event) []client.Event {
	var found []client.Event
	for _, v := range events {
		if v.Message != "" {
			found = append(found, v)
		}
	}
	return found
}

// recentEvents is how many events explain a failure.
const recentEvents = 6

// recent returns what happened last to a cluster and its nodes, for the reader of
// an error; nothing when that cannot be found out either.
func recent(c *client.Client, cluster string) func(context.Context) string {
	return func(ctx context.Context) string {
		events, err := c.Events(ctx, cluster)
		if err != nil {
			return ""
		}
		events = told(events)
		if len(events) == 0 {
			return ""
		}
		var b strings.Builder
		b.WriteString("What happened last:")
		for _, v := range events[max(0, len(events)-recentEvents):] {
			fmt.Fprintf(&b, "\n  %s ago: %s", age(v.At), plain(v.Message))
		}
		return b.String()
	}
}
