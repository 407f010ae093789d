package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/marina-cloud/marina/deploy/client"
	"github.com/marina-cloud/marina/deploy/host"
	"github.com/marina-cloud/marina/deploy/secrets"
	"github.com/marina-cloud/marina/deploy/server"
	"github.com/marina-cloud/marina/internal/home"
)

// statusDown is the exit status of `marina status` when Marina does not run, as
// service managers have it (LSB 5.0, init script actions).
const statusDown exitStatus = 3

// status is what `marina status` says.
type status struct {
	Running    bool             `json:"running"`
	Healthy    bool             `json:"healthy"`
	Home       string           `json:"home"`
	API        string           `json:"api,omitempty"`
	PID        int              `json:"pid,omitempty"`
	Router     string           `json:"router,omitempty"`
	RouterPID  int              `json:"router_pid,omitempty"`
	Containers int              `json:"containers"`            // etcds, control planes and machines
	Failed     []server.Check   `json:"failed,omitempty"`      // what the server cannot do without and does not have; for root
	OtherBuild []string         `json:"other_build,omitempty"` // which of server and router are not this build
	Secrets    *secrets.Status  `json:"secrets,omitempty"`     // as root alone can see it
	Email      string           `json:"email,omitempty"`
	Clusters   []clusterSummary `json:"clusters,omitempty"`
}

// clusterSummary is a cluster with how many of its nodes are ready.
type clusterSummary struct {
	Name    string    `json:"name"`
	Version string    `json:"version"`
	Phase   string    `json:"phase"`
	Nodes   int       `json:"nodes"`
	Ready   int       `json:"nodes_ready"`
	Created time.Time `json:"created_at"`
}

func (e *env) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Say whether an installation on this machine runs, and what is in it",
		Long: "Say whether an installation on this machine runs, and what is in it. The exit status is 0 when it\nruns and is healthy, else 3.",
		Args: takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			h, err := e.at()
			if err != nil {
				return err
			}
			s, err := look(cmd.Context(), h)
			if err != nil {
				return err
			}
			if l, err := e.readLogin(); err == nil && s.Healthy && l.Server == s.API {
				s.Email = l.Email
				if s.Clusters, err = summaries(cmd.Context(), &client.Client{Server: l.Server, Token: l.Token}); err != nil {
					return err
				}
			}
			if err := e.print(s, func(w io.Writer) { e.writeStatus(w, s) }); err != nil {
				return err
			}
			if !s.Healthy {
				return statusDown
			}
			return nil
		},
	}
}

// look finds out about a home without asking its API more than whether it is well.
func look(ctx context.Context, h home.Home) (status, error) {
	s := status{Home: h.Dir}
	own, err := host.OwnBuild()
	if err != nil {
		return s, err
	}
	for name, file := range map[string]string{"server": host.ServerFile(h), "router": host.RouterFile(h)} {
		p, ok, err := host.Find(file)
		if err != nil {
			return s, err
		}
		if !ok {
			continue
		}
		if name == "server" {
			s.Running, s.PID, s.API, s.Healthy = true, p.PID, p.Address, healthy(ctx, p.Address)
			s.Failed = failedChecks(ctx, h)
			s.Healthy = s.Healthy && len(s.Failed) == 0
		} else {
			s.RouterPID, s.Router = p.PID, p.Address
		}
		// Only root may look at another user's program; others are not told.
		if build, err := p.Build(); err == nil && build != own {
			s.OtherBuild = append(s.OtherBuild, name)
		}
	}
	if s.Running {
		// Others than root are not told, and a server of an older build does not know.
		if about, err := (secrets.Client{Socket: h.SecretsControl()}).Status(ctx); err == nil {
			s.Secrets = &about
		}
	}
	containers, err := os.ReadDir(h.Runc()) // runc keeps a directory for each
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
		return s, fmt.Errorf("count containers: %w", err)
	}
	s.Containers = len(containers)
	return s, nil
}

func (e *env) writeStatus(w io.Writer, s status) {
	if !s.Running {
		fmt.Fprintf(w, "Marina does not run in %s. Start it: %s up\n", s.Home, e.marina())
		if s.Containers > 0 {
			fmt.Fprintf(w, "What it started goes on without it (%s). Stop that, too: %s down\n", count(s.Containers, "container"), e.marina())
		}
		return
	}
	health := "healthy"
	if !s.Healthy {
		health = "not healthy: see " + filepath.Join(s.Home, "log", "marina.log")
	}
	router := "does not run: see " + filepath.Join(s.Home, "log", "router.log")
	if s.Router != "" {
		router = fmt.Sprintf("%s (process %d)", s.Router, s.RouterPID)
	}
	fmt.Fprintf(w, "Home:    %s\nAPI:     %s (%s, process %d)\nRouter:  %s\n", s.Home, s.API, health, s.PID, router)
	if s.Secrets != nil {
		writeSecrets(w, *s.Secrets)
	}
	for _, c := range s.Failed {
		fmt.Fprintf(w, "Not well: %s: %s\n", c.Name, c.Message)
	}
	for _, name := range s.OtherBuild {
		replace := " down, then up"
		if name == "router" {
			replace = " router replace"
		}
		fmt.Fprintf(w, "The %s is of another build than this command. Replace it: %s%s\n", name, e.marina(), replace)
	}
	if s.Email == "" {
		return
	}
	fmt.Fprintf(w, "Account: %s\n\n", s.Email)
	var rows [][]string
	for _, k := range s.Clusters {
		rows = append(rows, []string{k.Name, k.Version, k.Phase, fmt.Sprintf("%d/%d", k.Ready, k.Nodes), age(k.Created)})
	}
	table(w, e.noClusters(), []string{"CLUSTER", "VERSION", "PHASE", "NODES READY", "AGE"}, rows)
}

func summaries(ctx context.Context, api *client.Client) ([]clusterSummary, error) {
	clusters, err := api.Clusters(ctx)
	if err != nil {
		return nil, err
	}
	var found []clusterSummary
	for _, k := range clusters {
		nodes, err := api.Nodes(ctx, k.ID)
		if client.IsCode(err, "cluster_not_found") {
			continue // deleted just now
		}
		if err != nil {
			return nil, err
		}
		s := clusterSummary{Name: k.Name, Version: k.Version, Phase: k.Phase, Nodes: len(nodes), Created: k.CreatedAt}
		for _, n := range nodes {
			if n.Ready {
				s.Ready++
			}
		}
		found = append(found, s)
	}
	return found, nil
}

func healthy(ctx context.Context, api string) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, api+"/healthz", nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}
