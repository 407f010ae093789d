package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/marina-cloud/marina/deploy/client"
)

// components are those that have a log.
var components = []string{"apiserver", "controller-manager", "scheduler", "etcd", "audit"}

func (e *env) clustersLogs() *cobra.Command {
	var q client.LogQuery
	var since time.Duration
	c := &cobra.Command{
		Use: "logs CLUSTER", Short: "Print a log of a cluster's control plane",
		Long: "Print a log of a cluster's control plane: of its apiserver, controller-manager, scheduler or etcd, or\n" +
			"the audit log, which says who did what. The first three share a process: lines that neither\n" +
			"controllers nor scheduler signed are shown as the apiserver's.",
		Example: "  marina clusters logs production --component audit --since 1h\n  marina clusters logs production --component scheduler --follow",
		Args:    takes("CLUSTER"), ValidArgsFunction: e.completeClusters,
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.Contains(components, q.Component) {
				return &usageError{cmd, fmt.Sprintf("--component is %q: say one of %s", q.Component, strings.Join(components, ", "))}
			}
			if since > 0 {
				q.Since = time.Now().Add(-since)
			}
			api, k, err := e.cluster(cmd, args[0])
			if err != nil {
				return err
			}
			return api.Logs(cmd.Context(), k.ID, q, e.out)
		},
	}
	c.Flags().StringVar(&q.Component, "component", "apiserver", "whose log: `one` of "+strings.Join(components, ", "))
	c.Flags().IntVar(&q.Tail, "tail", 500, "how many of the newest `lines`, up to 10000")
	c.Flags().DurationVar(&since, "since", 0, "nothing older than this `time`, such as 1h")
	c.Flags().BoolVarP(&q.Follow, "follow", "f", false, "go on with what is written from now on")
	_ = c.RegisterFlagCompletionFunc("component", cobra.FixedCompletions(components, cobra.ShellCompDirectiveNoFileComp)) // the flag exists
	return c
}

func (e *env) clustersMetrics() *cobra.Command {
	return &cobra.Command{
		Use: "metrics CLUSTER", Short: "Print the metrics of a cluster's control plane, as Prometheus reads them",
		Long: "Print the metrics of a cluster's control plane in Prometheus' text format. A Prometheus of yours gets\n" +
			"the same from the API, with a token: GET /v1/clusters/ID/metrics.",
		Args: takes("CLUSTER"), ValidArgsFunction: e.completeClusters,
		RunE: func(cmd *cobra.Command, args []string) error {
			api, k, err := e.cluster(cmd, args[0])
			if err != nil {
				return err
			}
			return api.Metrics(cmd.Context(), k.ID, e.out)
		},
	}
}
