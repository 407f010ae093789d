package cli

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/marina-cloud/marina/deploy/client"
)

func (e *env) poolsCommand() *cobra.Command {
	c := group(&cobra.Command{Use: "pools", Aliases: []string{"pool"}, Short: "Create, list, resize and delete node pools"})
	c.AddCommand(e.poolsCreate(), e.poolsList(), e.poolsResize(), e.poolsDelete())
	return c
}

func (e *env) poolsCreate() *cobra.Command {
	var n client.NewPool
	var until waiting
	var taints []string
	c := &cobra.Command{
		Use:     "create CLUSTER NAME",
		Short:   "Create a node pool",
		Example: "  marina pools create production workers --count 2 --wait\n  marina pools create production batch --count 1 --size large --taint dedicated=batch:NoSchedule",
		Args:    takes("CLUSTER", "NAME"), ValidArgsFunction: e.completeClusters,
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, t := range taints {
				taint, ok := parseTaint(t)
				if !ok {
					return &usageError{cmd, fmt.Sprintf("taint %q is not of the form KEY=VALUE:EFFECT, such as dedicated=batch:NoSchedule", t)}
				}
				n.Taints = append(n.Taints, taint)
			}
			api, k, err := e.cluster(cmd, args[0])
			if err != nil {
				return err
			}
			n.Name = args[1]
			p, err := api.CreatePool(cmd.Context(), k.ID, n)
			if err != nil {
				return err
			}
			return e.poolChanged(cmd, api, k, p, until, "is being created")
		},
	}
	c.Flags().IntVar(&n.Count, "count", 1, "`number` of nodes")
	c.Flags().StringVar(&n.Size, "size", "", "`size` of the nodes (default: the smallest)")
	c.Flags().StringToStringVar(&n.Labels, "label", nil, "label of the nodes, `KEY=VALUE`; may be repeated")
	c.Flags().Lookup("label").DefValue = "" // and not []
	c.Flags().StringArrayVar(&taints, "taint", nil, "taint of the nodes, `KEY=VALUE:EFFECT`; may be repeated")
	_ = c.RegisterFlagCompletionFunc("size", e.completeSizes) // the flag exists
	until.bind(c, "all nodes are ready")
	return c
}

// parseTaint reads a taint as kubectl writes it.
func parseTaint(s string) (t client.Taint, ok bool) {
	rest, effect, ok := strings.Cut(s, ":")
	key, value, _ := strings.Cut(rest, "=")
	return client.Taint{Key: key, Value: value, Effect: effect}, ok && key != "" && effect != ""
}

// poolChanged waits if asked to, and prints what became of a pool.
func (e *env) poolChanged(cmd *cobra.Command, api *client.Client, k client.Cluster, p client.Pool, until waiting, doing string) (err error) {
	if until.wait {
		if p, err = e.awaitPool(cmd.Context(), api, k.ID, p, until.limit); err != nil {
			return err
		}
	}
	return e.print(p, func(w io.Writer) {
		if until.wait {
			fmt.Fprintf(w, "Next: %s nodes list %s\n", e.marina(), k.Name)
			return
		}
		fmt.Fprintf(w, "Node pool %s (%s) %s.\nNext: %s nodes list %s\n", p.Name, p.ID, doing, e.marina(), k.Name)
	})
}

func (e *env) poolsList() *cobra.Command {
	return &cobra.Command{
		Use: "list CLUSTER", Aliases: []string{"ls"}, Short: "List a cluster's node pools", Args: takes("CLUSTER"), ValidArgsFunction: e.completeClusters,
		RunE: func(cmd *cobra.Command, args []string) error {
			api, k, err := e.cluster(cmd, args[0])
			if err != nil {
				return err
			}
			pools, err := api.Pools(cmd.Context(), k.ID)
			if err != nil {
				return err
			}
			return e.print(list(pools), func(w io.Writer) {
				var rows [][]string
				for _, p := range pools {
					rows = append(rows, []string{p.Name, p.ID, p.Size, strconv.Itoa(p.Count), p.Phase, age(p.CreatedAt)})
				}
				table(w, "The cluster has no node pools. Create one: "+e.marina()+" pools create "+k.Name+" NAME --count 2 --wait",
					[]string{"NAME", "ID", "SIZE", "COUNT", "PHASE", "AGE"}, rows)
			})
		},
	}
}

func (e *env) poolsResize() *cobra.Command {
	var count int
	var until waiting
	c := &cobra.Command{
		Use: "resize CLUSTER POOL --count N", Short: "Change how many nodes a pool has", Args: takes("CLUSTER", "POOL"), ValidArgsFunction: e.completePools,
		RunE: func(cmd *cobra.Command, args []string) error {
			if !cmd.Flags().Changed("count") {
				return &usageError{cmd, "say how many nodes with --count"}
			}
			api, k, p, err := e.pool(cmd, args)
			if err != nil {
				return err
			}
			if p, err = api.ResizePool(cmd.Context(), k.ID, p.ID, count); err != nil {
				return err
			}
			return e.poolChanged(cmd, api, k, p, until, "is being resized")
		},
	}
	c.Flags().IntVar(&count, "count", 0, "`number` of nodes")
	until.bind(c, "all nodes are ready")
	return c
}

func (e *env) poolsDelete() *cobra.Command {
	var until waiting
	c := &cobra.Command{
		Use: "delete CLUSTER POOL", Short: "Drain and delete a pool's nodes, then the pool", Args: takes("CLUSTER", "POOL"), ValidArgsFunction: e.completePools,
		RunE: func(cmd *cobra.Command, args []string) error {
			api, k, p, err := e.pool(cmd, args)
			if err != nil {
				return err
			}
			if err := api.DeletePool(cmd.Context(), k.ID, p.ID); err != nil {
				return err
			}
			p.Phase = "deleting"
			if until.wait {
				if err := e.awaitPoolGone(cmd.Context(), api, k.ID, p, until.limit); err != nil {
					return err
				}
				p.Phase = "deleted"
			}
			return e.print(p, func(w io.Writer) {
				if !until.wait {
					fmt.Fprintf(w, "Node pool %s is being deleted.\n", p.Name)
				}
			})
		},
	}
	until.bind(c, "nothing of the pool is left")
	return c
}

// pool finds the pool that two arguments name.
func (e *env) pool(cmd *cobra.Command, args []string) (*client.Client, client.Cluster, client.Pool, error) {
	api, k, err := e.cluster(cmd, args[0])
	if err != nil {
		return nil, k, client.Pool{}, err
	}
	p, err := api.FindPool(cmd.Context(), k.ID, args[1])
	return api, k, p, err
}
