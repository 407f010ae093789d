package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// group makes a command of others: alone it shows its help, and it refuses what is
// none of them.
func group(c *cobra.Command) *cobra.Command {
	c.DisableFlagsInUseLine = true
	c.SuggestionsMinimumDistance = 2
	c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	c.Args = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		message := fmt.Sprintf("there is no command `%s %s`", c.CommandPath(), args[0])
		if like := c.SuggestionsFor(args[0]); len(like) > 0 {
			message += "; did you mean " + strings.Join(like, " or ") + "?"
		}
		return &usageError{c, message}
	}
	return c
}

// takes checks that there is one argument for each name, in this order.
func takes(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names):
			missing, verb := names[len(args):], "is"
			if len(missing) > 1 {
				verb = "are"
			}
			return &usageError{c, fmt.Sprintf("%s %s missing: say `%s %s`", strings.Join(missing, " and "), verb, c.CommandPath(), strings.Join(names, " "))}
		case len(args) > len(names):
			return &usageError{c, fmt.Sprintf("%q is one argument too many", args[len(names)])}
		}
		return nil
	}
}
