package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/marina-cloud/marina/deploy/server"
	"github.com/marina-cloud/marina/internal/home"
)

func (e *env) metricsCommand() *cobra.Command {
	var router bool
	c := &cobra.Command{
		Use: "metrics", Short: "Print the metrics of the server or of the router, as Prometheus reads them",
		Long: "Print the metrics of the server or of the router, in Prometheus' text format. A Prometheus of\n" +
			"yours gets the same from `marina serve --metrics-listen`; deploy/alerts has rules for it.",
		Args: takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			h, err := e.rootHome()
			if err != nil {
				return err
			}
			path := "/metrics"
			if router {
				path = "/metrics/router"
			}
			answer, err := askOperator(cmd.Context(), h, path)
			if err != nil {
				return fmt.Errorf("marina does not answer in %s: start it with `%s up` (%w)", h.Dir, e.marina(), err)
			}
			defer answer.Body.Close()
			if answer.StatusCode != http.StatusOK {
				return fmt.Errorf("no metrics: the server answered %s", answer.Status)
			}
			if _, err := io.Copy(e.out, answer.Body); err != nil {
				return fmt.Errorf("read the metrics: %w", err)
			}
			return nil
		},
	}
	c.Flags().BoolVar(&router, "router", false, "of the router")
	return c
}

// askOperator sends a request to the server's socket for whoever runs it.
func askOperator(ctx context.Context, h home.Home, path string) (*http.Response, error) {
	client := http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", h.Operator())
		},
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://marina"+path, nil)
	if err != nil {
		return nil, err
	}
	return client.Do(req)
}

// failedChecks asks the server what is wrong. Only root may; others learn nothing.
func failedChecks(ctx context.Context, h home.Home) (failed []server.Check) {
	answer, err := askOperator(ctx, h, "/readyz")
	if err != nil {
		return nil
	}
	defer answer.Body.Close()
	var health server.Health
	if json.NewDecoder(answer.Body).Decode(&health) != nil {
		return nil
	}
	for _, c := range health.Checks {
		if !c.OK {
			failed = append(failed, c)
		}
	}
	return failed
}
