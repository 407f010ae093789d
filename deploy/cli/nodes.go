package cli

import (
	"io"

	"github.com/spf13/cobra"
)

func (e *env) nodesCommand() *cobra.Command {
	c := group(&cobra.Command{Use: "nodes", Aliases: []string{"node"}, Short: "List nodes"})
	c.AddCommand(&cobra.Command{
		Use: "list CLUSTER", Aliases: []string{"ls"}, Short: "List a cluster's nodes", Args: takes("CLUSTER"), ValidArgsFunction: e.completeClusters,
		RunE: func(cmd *cobra.Command, args []string) error {
			api, k, err := e.cluster(cmd, args[0])
			if err != nil {
				return err
			}
			pools, err := api.Pools(cmd.Context(), k.ID)
			if err != nil {
				return err
			}
			names := map[string]string{}
			for _, p := range pools {
				names[p.ID] = p.Name
			}
			nodes, err := api.Nodes(cmd.Context(), k.ID)
			if err != nil {
				return err
			}
			return e.print(list(nodes), func(w io.Writer) {
				var rows [][]string
				for _, n := range nodes {
					rows = append(rows, []string{n.Name, names[n.Pool], n.Address, n.Phase, yes(n.Ready), age(n.CreatedAt), n.Message})
				}
				table(w, "The cluster has no nodes. Create some: "+e.marina()+" pools create "+k.Name+" NAME --count 2 --wait",
					[]string{"NAME", "POOL", "ADDRESS", "PHASE", "READY", "AGE", "MESSAGE"}, rows)
			})
		},
	})
	return c
}
