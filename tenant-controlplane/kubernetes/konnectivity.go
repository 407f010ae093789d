package main

import (
	"context"

	"github.com/marina-cloud/marina/tenant-controlplane/kubernetes/config"
	"github.com/marina-cloud/marina/tenant-controlplane/kubernetes/members"
	"github.com/marina-cloud/marina/tenant-controlplane/kubernetes/tunnel"
)

// startTunnel starts the konnectivity server, if the configuration has one, and
// returns once it listens: the API server must not find its socket missing.
func startTunnel(ctx context.Context, c *config.Tunnel, m *members.Directory, parts *parts) error {
	if c == nil {
		return nil
	}
	ready, failed := make(chan struct{}), make(chan error, 1)
	parts.start("konnectivity server", func() error {
		err := tunnel.Serve(ctx, *c, m, func() { close(ready) })
		failed <- err
		return err
	})
	select {
	case <-ready:
		return nil
	case err := <-failed:
		return err
	}
}
