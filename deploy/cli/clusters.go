package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/marina-cloud/marina/deploy/client"
)

func (e *env) clustersCommand() *cobra.Command {
	c := group(&cobra.Command{Use: "clusters", Aliases: []string{"cluster"}, Short: "Create, list, show, change, watch, delete and undelete clusters"})
	c.AddCommand(e.clustersCreate(), e.clustersList(), e.clustersGet(), e.clustersUpdate(), e.clustersEvents(), e.clustersLogs(), e.clustersMetrics(), e.networksCommand(), e.clustersAuthentication(), e.clustersDelete(), e.clustersUndelete())
	return c
}

func (e *env) clustersCreate() *cobra.Command {
	var n client.NewCluster
	var until waiting
	c := &cobra.Command{
		Use:     "create NAME",
		Short:   "Create a cluster",
		Example: "  marina clusters create production --wait",
		Args:    takes("NAME"), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := e.client()
			if err != nil {
				return err
			}
			n.Name = args[0]
			k, err := api.CreateCluster(cmd.Context(), n)
			if err != nil {
				return err
			}
			if until.wait {
				if k, err = e.awaitCluster(cmd.Context(), api, k, until.limit); err != nil {
					return err
				}
			}
			return e.print(k, func(w io.Writer) {
				if !until.wait {
					fmt.Fprintf(w, "Cluster %s (%s) is being created.\nNext: %s clusters get %s --wait\n", k.Name, k.ID, e.marina(), k.Name)
					return
				}
				fmt.Fprintf(w, "Next: %s pools create %s workers --count 2 --wait\n      %s kubeconfig %s\n", e.marina(), k.Name, e.marina(), k.Name)
			})
		},
	}
	c.Flags().StringVar(&n.Version, "version", "", "Kubernetes `version`, such as 1.37 (default: the newest)")
	c.Flags().StringVar(&n.PodCIDR, "pod-cidr", "", "`network` of the pods, such as 10.244.0.0/16, the default")
	c.Flags().StringVar(&n.Services, "service-cidr", "", "`network` of the Services, such as 10.96.0.0/12, the default")
	c.Flags().BoolVar(&n.Protected, "deletion-protection", false, "keep the cluster from being deleted until this is taken off")
	until.bind(c, "the cluster is usable")
	_ = c.RegisterFlagCompletionFunc("version", e.completeVersions) // the flag exists
	return c
}

func (e *env) clustersList() *cobra.Command {
	var deleted bool
	c := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List clusters", Args: takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := e.client()
			if err != nil {
				return err
			}
			read, show := api.Clusters, e.showClusters
			if deleted {
				read, show = api.DeletedClusters, showDeleted
			}
			clusters, err := read(cmd.Context())
			if err != nil {
				return err
			}
			return e.print(list(clusters), func(w io.Writer) { show(w, clusters) })
		},
	}
	c.Flags().BoolVar(&deleted, "deleted", false, "list the deleted clusters that can be brought back")
	return c
}

func (e *env) showClusters(w io.Writer, clusters []client.Cluster) {
	var rows [][]string
	for _, k := range clusters {
		rows = append(rows, []string{k.Name, k.ID, k.Version, k.Phase, age(k.CreatedAt)})
	}
	table(w, e.noClusters(), []string{"NAME", "ID", "VERSION", "PHASE", "AGE"}, rows)
}

func (e *env) noClusters() string {
	return "There are no clusters. Create one: " + e.marina() + " clusters create NAME --wait"
}

func (e *env) clustersGet() *cobra.Command {
	var until waiting
	c := &cobra.Command{
		Use: "get CLUSTER", Short: "Show a cluster", Args: takes("CLUSTER"), ValidArgsFunction: e.completeClusters,
		RunE: func(cmd *cobra.Command, args []string) error {
			api, k, err := e.cluster(cmd, args[0])
			if err != nil {
				return err
			}
			if until.wait {
				if k, err = e.awaitCluster(cmd.Context(), api, k, until.limit); err != nil {
					return err
				}
			}
			return e.print(k, func(w io.Writer) { describe(w, k) })
		},
	}
	until.bind(c, "the cluster is usable")
	return c
}

func describe(w io.Writer, k client.Cluster) {
	for _, line := range [][2]string{
		{"Name", k.Name}, {"ID", k.ID}, {"Phase", k.Phase}, {"Version", k.Version}, {"Endpoint", k.Endpoint},
		{"Issuer", k.Issuer}, {"Pods", k.PodCIDR}, {"Services", k.Services}, {"Open to", openTo(k.Networks)}, {"Protected", yes(k.Protected)}, {"Age", age(k.CreatedAt)},
	} {
		fmt.Fprintf(w, "%-10s %s\n", line[0]+":", line[1])
	}
	if k.PurgeAt != nil {
		fmt.Fprintf(w, "%-10s it can be brought back until %s\n", "Deleted:", moment(*k.PurgeAt))
	}
	var rows [][]string
	for _, c := range k.Conditions {
		rows = append(rows, []string{c.Type, yes(c.OK), age(c.Since), c.Message})
	}
	fmt.Fprintln(w)
	table(w, "No conditions are known yet.", []string{"CONDITION", "OK", "SINCE", "MESSAGE"}, rows)
}

// cluster finds the cluster that an argument names.
func (e *env) cluster(cmd *cobra.Command, nameOrID string) (*client.Client, client.Cluster, error) {
	api, err := e.client()
	if err != nil {
		return nil, client.Cluster{}, err
	}
	k, err := api.FindCluster(cmd.Context(), nameOrID)
	return api, k, err
}
