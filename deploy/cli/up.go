package cli

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/marina-cloud/marina/deploy/artifacts"
	"github.com/marina-cloud/marina/internal/home"
)

// upResult is what `marina up --json` prints.
type upResult struct {
	API        string `json:"api"`
	Email      string `json:"email"`
	Cluster    string `json:"cluster,omitempty"`
	Endpoint   string `json:"endpoint,omitempty"`
	Kubeconfig string `json:"kubeconfig,omitempty"`
	Kubectl    string `json:"kubectl"`
	Answer     string `json:"answer,omitempty"` // name of the pod that answered
	TookMS     int64  `json:"took_ms"`
}

// upFlags are what `up` can be told.
type upFlags struct {
	listenFlags
	detach, demo bool
	limit        time.Duration
}

func (e *env) upCommand() *cobra.Command {
	var f upFlags
	c := &cobra.Command{
		Use:   "up",
		Short: "Start an installation on this machine, with a first cluster",
		Long: "Start Marina in a home directory, with an account, a cluster of two nodes and a small workload.\n" +
			"What exists already is left as it is. Without --detach the server ends with this command;\n" +
			"clusters go on until `marina down`.",
		Example: "  marina up --detach\n  marina up --home /srv/marina --demo=false",
		Args:    takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(cmd); err != nil {
				return err
			}
			h, err := e.rootHome()
			if err != nil {
				return err
			}
			return e.up(cmd.Context(), h, f)
		},
	}
	f.bind(c)
	c.Flags().BoolVar(&f.detach, "detach", false, "leave the server running in the background")
	c.Flags().BoolVar(&f.demo, "demo", true, "make a first cluster with two nodes and a workload")
	c.Flags().DurationVar(&f.limit, "timeout", defaultLimit, "give up waiting for the cluster, and for its nodes, after this `time`; 0 for never")
	return c
}

func (e *env) up(ctx context.Context, h home.Home, f upFlags) error {
	began := time.Now()
	built, err := builtFiles()
	if err != nil {
		return err
	}
	kubectl, err := artifacts.Path(artifacts.Kubectl)
	if err != nil {
		return err
	}
	s, err := e.ensureServer(ctx, h, f.listenFlags, built.Marina)
	if err != nil {
		return err
	}
	r := upResult{API: s.api, Kubectl: kubectl}
	account, err := e.furnish(ctx, h, f, &r)
	if err == nil {
		r.TookMS = time.Since(began).Milliseconds()
		err = e.print(r, func(w io.Writer) { e.greet(w, h, r, account.passwordFile, built.Marina) })
	}
	switch {
	case s.found || f.detach:
		return err
	case err != nil:
		return errors.Join(err, e.dismiss(s))
	}
	return e.attend(ctx, s)
}

// furnish makes what a new installation has: an account and a first cluster.
func (e *env) furnish(ctx context.Context, h home.Home, f upFlags, r *upResult) (account, error) {
	a, err := e.ensureAccount(ctx, h, r.API)
	if err != nil {
		return a, err
	}
	r.Email = a.email
	if !f.demo {
		return a, nil
	}
	return a, e.ensureDemo(ctx, h, a.client, f.limit, r)
}
