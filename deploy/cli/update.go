package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/marina-cloud/marina/deploy/client"
)

func (e *env) clustersUpdate() *cobra.Command {
	var name string
	var protected bool
	c := &cobra.Command{
		Use: "update CLUSTER", Short: "Rename a cluster, or put deletion protection on or off",
		Example: "  marina clusters update demo --name production --deletion-protection\n  marina clusters update production --deletion-protection=false",
		Args:    takes("CLUSTER"), ValidArgsFunction: e.completeClusters,
		RunE: func(cmd *cobra.Command, args []string) error {
			var change client.ClusterChange
			if cmd.Flags().Changed("name") {
				change.Name = &name
			}
			if cmd.Flags().Changed("deletion-protection") {
				change.Protected = &protected
			}
			if change == (client.ClusterChange{}) {
				return &usageError{cmd, "say what to change with --name or --deletion-protection"}
			}
			api, k, err := e.cluster(cmd, args[0])
			if err != nil {
				return err
			}
			if k, err = api.ChangeCluster(cmd.Context(), k.ID, change); err != nil {
				return err
			}
			return e.print(k, func(w io.Writer) {
				fmt.Fprintf(w, "Cluster %s is changed.\nNext: %s clusters get %s\n", k.Name, e.marina(), k.Name)
			})
		},
	}
	c.Flags().StringVar(&name, "name", "", "the cluster's new `name`; kubeconfigs go on working")
	c.Flags().BoolVar(&protected, "deletion-protection", false, "keep the cluster from being deleted until this is taken off")
	return c
}
