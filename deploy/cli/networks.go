package cli

import (
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/marina-cloud/marina/deploy/client"
)

func (e *env) networksCommand() *cobra.Command {
	c := group(&cobra.Command{
		Use: "networks", Aliases: []string{"network"}, Short: "Say from which networks people reach the Kubernetes API of a cluster",
		Long: "Say from which networks people reach the Kubernetes API of a cluster.\n\n" +
			"Nodes and their pods are let in wherever they are, and so are terminals in the browser.",
	})
	c.AddCommand(e.networksGet(), e.networksSet())
	return c
}

func (e *env) networksGet() *cobra.Command {
	return &cobra.Command{
		Use: "get CLUSTER", Short: "Show the networks", Args: takes("CLUSTER"), ValidArgsFunction: e.completeClusters,
		RunE: func(cmd *cobra.Command, args []string) error {
			api, k, err := e.cluster(cmd, args[0])
			if err != nil {
				return err
			}
			n, err := api.Networks(cmd.Context(), k.ID)
			if err != nil {
				return err
			}
			return e.print(n, func(w io.Writer) { describeNetworks(w, n) })
		},
	}
}

func (e *env) networksSet() *cobra.Command {
	var me, everybody, force bool
	c := &cobra.Command{
		Use: "set CLUSTER [NETWORK...]", Short: "Replace the networks, and cut whoever is connected from elsewhere",
		Example: "  marina clusters networks set production 203.0.113.0/24 --me\n  marina clusters networks set production --everybody",
		Args: func(c *cobra.Command, args []string) error {
			if err := takes("CLUSTER")(c, args[:min(1, len(args))]); err != nil {
				return err
			}
			if everybody == (me || len(args) > 1) {
				return &usageError{c, "say which networks, such as 203.0.113.0/24, or --me for your own address, or else --everybody"}
			}
			return nil
		}, ValidArgsFunction: e.completeClusters,
		RunE: func(cmd *cobra.Command, args []string) error {
			api, k, err := e.cluster(cmd, args[0])
			if err != nil {
				return err
			}
			networks := args[1:]
			now, err := api.Networks(cmd.Context(), k.ID)
			if err != nil {
				return err
			}
			if me {
				networks = append(slices.Clone(networks), now.Address)
			}
			if !force && !everybody && !admits(networks, now.Address) {
				return fmt.Errorf("this would lock you out: the API sees you at %s. Add that with --me, or do it nevertheless with --force", now.Address)
			}
			n, err := api.SetNetworks(cmd.Context(), k.ID, networks)
			if err != nil {
				return err
			}
			return e.print(n, func(w io.Writer) { describeNetworks(w, n) })
		},
	}
	c.Flags().BoolVar(&me, "me", false, "the address that you have now, too")
	c.Flags().BoolVar(&everybody, "everybody", false, "no limits any more")
	c.Flags().BoolVar(&force, "force", false, "also when you lock yourself out")
	return c
}

func describeNetworks(w io.Writer, n client.Networks) {
	if len(n.Networks) == 0 {
		fmt.Fprintln(w, "Everybody who has credentials reaches the Kubernetes API, from everywhere.")
		return
	}
	fmt.Fprintf(w, "People reach the Kubernetes API from these networks only:\n  %s\n", strings.Join(n.Networks, "\n  "))
	if !n.Admitted {
		fmt.Fprintf(w, "You are not among them: the API sees you at %s.\n", n.Address)
	}
}

// openTo says in a line from where people reach a cluster.
func openTo(networks []string) string {
	if len(networks) == 0 {
		return "everybody"
	}
	return strings.Join(networks, ", ")
}

// admits reports whether one of the networks, as a person has written them, holds the
// address. What is wrong with one of them, the API says.
func admits(networks []string, address string) bool {
	a, err := netip.ParseAddr(address)
	return err != nil || slices.ContainsFunc(networks, func(text string) bool {
		if n, err := netip.ParseAddr(text); err == nil {
			return n == a
		}
		n, err := netip.ParsePrefix(text)
		return err != nil || n.Contains(a)
	})
}
