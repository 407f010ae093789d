package cli

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/marina-cloud/marina/deploy/client"
)

func (e *env) operatorCommand() *cobra.Command {
	c := group(&cobra.Command{
		Use: "operator", Short: "Show what is in an installation, to whoever runs it",
		Long: "Show what is in an installation: the organizations, clusters and nodes of everybody. It is for\naccounts that are operators; to others there is nothing to see.",
	})
	c.AddCommand(e.operatorOrganizations(), e.operatorClusters(), e.operatorNodes(), e.operatorHealth())
	return c
}

// everything is a command that lists what a search finds in the installation.
func everything[T any](e *env, use, short, none string, header []string, list func(context.Context, *client.Client, string) ([]T, error), row func(T) []string) *cobra.Command {
	var search string
	c := &cobra.Command{
		Use: use, Short: short, Args: takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := e.client()
			if err != nil {
				return err
			}
			found, err := list(cmd.Context(), api, search)
			if err != nil {
				return explainOperator(err)
			}
			if found == nil {
				found = []T{}
			}
			return e.print(found, func(w io.Writer) {
				var rows [][]string
				for _, x := range found {
					rows = append(rows, row(x))
				}
				table(w, none, header, rows)
			})
		},
	}
	c.Flags().StringVar(&search, "search", "", "find only what has this `text` as an id, or in its name")
	return c
}

func (e *env) operatorOrganizations() *cobra.Command {
	return everything(e, "organizations", "List all organizations", "No organization is found.",
		[]string{"ID", "NAME", "OWNER", "MEMBERS", "CLUSTERS", "NODES", "AGE"},
		func(ctx context.Context, c *client.Client, search string) ([]client.OrganizationSummary, error) {
			return c.AllOrganizations(ctx, search)
		},
		func(o client.OrganizationSummary) []string {
			return []string{o.ID, o.Name, o.Owner, strconv.Itoa(o.Members), strconv.Itoa(o.Clusters), strconv.Itoa(o.Nodes), age(o.CreatedAt)}
		})
}

func (e *env) operatorClusters() *cobra.Command {
	return everything(e, "clusters", "List the clusters of all organizations", "No cluster is found.",
		[]string{"ID", "NAME", "ORGANIZATION", "VERSION", "PHASE", "AMISS", "AGE"},
		func(ctx context.Context, c *client.Client, search string) ([]client.PlacedCluster, error) {
			return c.AllClusters(ctx, search)
		},
		func(k client.PlacedCluster) []string {
			var amiss []string
			for _, x := range k.Conditions {
				if !x.OK {
					amiss = append(amiss, x.Type)
				}
			}
			return []string{k.ID, k.Name, k.OrgName, k.Version, k.Phase, strings.Join(amiss, ","), age(k.CreatedAt)}
		})
}

func (e *env) operatorNodes() *cobra.Command {
	return everything(e, "nodes", "List the nodes of all organizations", "No node is found.",
		[]string{"ID", "NAME", "CLUSTER", "PROVIDER", "SIZE", "ADDRESS", "PHASE", "READY", "AGE", "MESSAGE"},
		func(ctx context.Context, c *client.Client, search string) ([]client.PlacedNode, error) {
			return c.AllNodes(ctx, search)
		},
		func(n client.PlacedNode) []string {
			return []string{n.ID, n.Name, n.Cluster, n.Provider, n.Size, n.Address, n.Phase, yes(n.Ready), age(n.CreatedAt), n.Message}
		})
}

func (e *env) operatorHealth() *cobra.Command {
	return &cobra.Command{
		Use: "health", Short: "Say how the installation is", Args: takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := e.client()
			if err != nil {
				return err
			}
			i, err := api.Installation(cmd.Context())
			if err != nil {
				return explainOperator(err)
			}
			return e.print(i, func(w io.Writer) { writeInstallation(w, i) })
		},
	}
}

func writeInstallation(w io.Writer, i client.Installation) {
	var rows [][]string
	for _, c := range i.Checks {
		state := "well"
		if !c.OK {
			state = "not well"
		}
		rows = append(rows, []string{c.Name, state, c.Message})
	}
	for _, d := range i.Disks {
		rows = append(rows, []string{"disk of " + d.Name, fmt.Sprintf("%.1f of %.1f GiB free", float64(d.Free)/(1<<30), float64(d.Size)/(1<<30)), ""})
	}
	saved := "never"
	if i.LastBackup != nil {
		saved = age(*i.LastBackup) + " ago"
	}
	rows = append(rows, []string{"last backup", saved, ""})
	table(w, "", []string{"WHAT", "STATE", "MESSAGE"}, rows)
}
