package cli

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/marina-cloud/marina/deploy/client"
)

// moment is a point in time for a person.
func moment(t time.Time) string { return t.Local().Format("2 Jan 2006, 15:04 MST") }

func (e *env) clustersDelete() *cobra.Command {
	var until waiting
	var purge bool
	c := &cobra.Command{
		Use: "delete CLUSTER", Short: "Delete a cluster and its nodes",
		Long: "Delete a cluster and its nodes. It can be brought back for a while, seven days unless your operator\n" +
			"chose otherwise, with all that is in it: see `marina clusters undelete`. With --purge nothing is kept;\n" +
			"CLUSTER may be a deleted one then.",
		Args: takes("CLUSTER"), ValidArgsFunction: e.completeClusters,
		RunE: func(cmd *cobra.Command, args []string) error {
			api, k, err := e.deletable(cmd, args[0], purge)
			if err != nil {
				return err
			}
			remove := api.DeleteCluster
			if purge {
				remove = api.PurgeCluster
			}
			if k, err = remove(cmd.Context(), k.ID); err != nil {
				return err
			}
			if until.wait {
				if err := e.awaitClusterGone(cmd.Context(), api, k, until.limit); err != nil {
					return err
				}
				k.Phase = "deleted"
			}
			return e.print(k, func(w io.Writer) {
				if !until.wait {
					fmt.Fprintf(w, "Cluster %s is being deleted.\n", k.Name)
				}
				if k.PurgeAt != nil {
					fmt.Fprintf(w, "Until %s it can be brought back: %s clusters undelete %s\n", moment(*k.PurgeAt), e.marina(), k.Name)
				}
			})
		},
	}
	c.Flags().BoolVar(&purge, "purge", false, "keep nothing: the cluster cannot be brought back")
	until.bind(c, "the cluster is gone")
	return c
}

// deletable finds the cluster that an argument names; to be purged, it may be a
// deleted one.
func (e *env) deletable(cmd *cobra.Command, nameOrID string, purge bool) (*client.Client, client.Cluster, error) {
	api, k, err := e.cluster(cmd, nameOrID)
	if err == nil || !purge || api == nil {
		return api, k, err
	}
	if deleted, notFound := api.FindDeletedCluster(cmd.Context(), nameOrID); notFound == nil {
		return api, deleted, nil
	}
	return api, k, err
}

func (e *env) clustersUndelete() *cobra.Command {
	var until waiting
	c := &cobra.Command{
		Use: "undelete CLUSTER", Short: "Bring a deleted cluster back, with all that is in it", Args: takes("CLUSTER"), ValidArgsFunction: e.completeDeleted,
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := e.client()
			if err != nil {
				return err
			}
			k, err := api.FindDeletedCluster(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if k, err = api.UndeleteCluster(cmd.Context(), k.ID); err != nil {
				return err
			}
			if until.wait {
				if k, err = e.awaitCluster(cmd.Context(), api, k, until.limit); err != nil {
					return err
				}
			}
			return e.print(k, func(w io.Writer) {
				if !until.wait {
					fmt.Fprintf(w, "Cluster %s (%s) is being brought back.\nNext: %s clusters get %s --wait\n", k.Name, k.ID, e.marina(), k.Name)
				}
			})
		},
	}
	until.bind(c, "the cluster is usable")
	return c
}

func showDeleted(w io.Writer, clusters []client.Cluster) {
	var rows [][]string
	for _, k := range clusters {
		until := ""
		if k.PurgeAt != nil {
			until = moment(*k.PurgeAt)
		}
		rows = append(rows, []string{k.Name, k.ID, k.Version, until})
	}
	table(w, "There are no deleted clusters that could be brought back.", []string{"NAME", "ID", "VERSION", "CAN BE BROUGHT BACK UNTIL"}, rows)
}
