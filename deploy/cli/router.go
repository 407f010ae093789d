package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/marina-cloud/marina/deploy/host"
	"github.com/marina-cloud/marina/deploy/server"
	"github.com/marina-cloud/marina/gateway/router"
	"github.com/marina-cloud/marina/internal/home"
	"github.com/marina-cloud/marina/internal/route"
	"github.com/marina-cloud/marina/internal/tenant"
)

func (e *env) routerCommand() *cobra.Command {
	var s host.RouterSettings
	c := &cobra.Command{
		Use:   "router",
		Short: "Run the router in the foreground (`marina serve` does it for you)",
		Long: "Run the router in the foreground. It takes the sockets of the router that serves, if there is one,\n" +
			"which then ends with its last connection.",
		Args: takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			h, err := e.rootHome()
			if err != nil {
				return err
			}
			return runRouter(cmd.Context(), h, s, e.logger())
		},
	}
	c.Flags().StringVar(&s.Listen, "listen", server.DefaultRouter, "`address` of the clusters' endpoints")
	c.Flags().StringVar(&s.Domain, "domain", server.DefaultDomain, "`domain` of the clusters' names")
	c.Flags().StringVar(&s.TrustedProxies, "trusted-proxies", "", trustedProxiesHelp)
	c.AddCommand(e.routerReplaceCommand())
	return c
}

// runRouter runs a router until ctx ends or, once it was replaced, its last connection.
func runRouter(ctx context.Context, h home.Home, s host.RouterSettings, log *slog.Logger) (err error) {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(max(1, runtime.GOMAXPROCS(0)/2)) // the other half is for the servers behind it, which have more to do
	}
	if err := host.InterruptNobody(); err != nil {
		log.Warn("router interrupts the servers behind it more often than it should", "error", err)
	}
	proxies, err := networks(s.TrustedProxies)
	if err != nil {
		return err
	}
	record, err := host.RecordRouter(h, s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, record.Ended()) }()
	return router.Run(ctx, router.Config{
		Listen: s.Listen, Domain: s.Domain, Routes: h.Routes(), Nodes: h.Nodes(),
		NodeNamespace: h.NetworkNamespace(), NodePort: server.NodePort, Certificates: h.Router(), NodesSocket: h.NodesSocket(), TrustedProxies: proxies,
		Control: h.RouterControl(), Handover: h.RouterHandover(), RetiredControl: record.RetiredControl(),
		Log: log,
		Serving: func(addr net.Addr) {
			if err := record.Serves(addr.String()); err != nil {
				log.Error("router cannot be found by others", "error", err)
			}
		},
		Retired: func() {
			if err := record.Retired(); err != nil {
				log.Error("router that was replaced is still taken for the one that serves", "error", err)
			}
		},
		Used: func(id tenant.ClusterID) {
			if err := route.NoteUse(h.LastUse(id)); err != nil {
				log.Warn("cluster will not be known to be in use after a reboot", "cluster", id, "error", err)
			}
		},
	})
}

// replaced is what `marina router replace` did.
type replaced struct {
	PID     int    `json:"pid"` // of the router that serves now
	Address string `json:"address"`
	Before  int    `json:"before"`  // process that it replaced
	Waiting int    `json:"waiting"` // routers, this one's predecessor among them, whose connections are still open
}

func (e *env) routerReplaceCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "replace",
		Short: "Replace the router that runs by one of this build, cutting no connection",
		Long: "Replace the router that runs by one of this build, with the same settings. The new one takes its\n" +
			"sockets over: no connection is refused, and none that is open is cut. The old router ends with its\n" +
			"last connection, after a day at the latest. `marina serve` does the same by itself when it starts\n" +
			"and finds a router of another build.",
		Args: takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			h, err := e.rootHome()
			if err != nil {
				return err
			}
			r, err := e.replaceRouter(cmd.Context(), h)
			if err != nil {
				return err
			}
			return e.print(r, func(w io.Writer) {
				if r.Waiting > 0 {
					fmt.Fprintf(w, "%s will end with the last of the connections that are still open.\n", count(r.Waiting, "replaced router"))
				}
			})
		},
	}
}

func (e *env) replaceRouter(ctx context.Context, h home.Home) (r replaced, err error) {
	old, ok, err := host.ServingRouter(h)
	if err != nil {
		return r, err
	}
	if !ok {
		return r, fmt.Errorf("no router runs in %s: start Marina with `%s up`", h.Dir, e.marina())
	}
	program, err := os.Executable()
	if err != nil {
		return r, fmt.Errorf("find this program: %w", err)
	}
	step := e.steps.Begin("Replacing the router at %s", old.Address)
	keeper := host.Router{Home: h, Program: program, RouterSettings: old.RouterSettings, Log: slog.New(slog.DiscardHandler)}
	now, err := keeper.Replace(ctx)
	if err != nil {
		step.Failed()
		return r, err
	}
	all, err := host.Routers(h)
	if err != nil {
		step.Failed()
		return r, err
	}
	r = replaced{PID: now.PID, Address: now.Address, Before: old.PID}
	for _, p := range all {
		if !p.Serving {
			r.Waiting++
		}
	}
	step.Done("Process %d serves %s in place of process %d", r.PID, r.Address, r.Before)
	return r, nil
}
