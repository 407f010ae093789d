package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/marina-cloud/marina/deploy/artifacts"
	"github.com/marina-cloud/marina/deploy/host"
)

func (e *env) downCommand() *cobra.Command {
	var purge bool
	c := &cobra.Command{
		Use:   "down",
		Short: "Stop an installation on this machine",
		Long:  "Stop the server, all clusters and all local machines. Data stays, and `marina up` brings everything back;\nwith --purge it is deleted, too.",
		Args:  takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			h, err := e.rootHome()
			if err != nil {
				return err
			}
			runcBinary, err := artifacts.Path(artifacts.Runc)
			if err != nil {
				return err
			}
			step := e.steps.Begin("Taking Marina down in %s", h.Dir)
			d, err := host.Down(cmd.Context(), h, runcBinary, purge, func(what string) { step.Detail("%s", what) })
			if err != nil {
				step.Failed()
				return err
			}
			step.Done("%s", downed(d, h.Dir))
			if d.Purged {
				if err := e.forgetLogin(); err != nil {
					return err
				}
			}
			return e.print(d, func(io.Writer) {})
		},
	}
	c.Flags().BoolVar(&purge, "purge", false, "delete all data, too: accounts, clusters and what is in them")
	return c
}

// downed says what Down found and left.
func downed(d host.Downed, dir string) string {
	did := "Nothing of Marina was running"
	switch {
	case d.Containers > 0:
		did = fmt.Sprintf("Marina is down, %s stopped", count(d.Containers, "container"))
	case d.Processes > 0:
		did = "Marina is down"
	}
	switch {
	case d.Purged:
		return did + "; all data is deleted"
	case d.Existed:
		return did + "; the data is kept in " + dir
	}
	return did + "; there is no installation in " + dir
}
