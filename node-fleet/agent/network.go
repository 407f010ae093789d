package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"github.com/marina-cloud/marina/node-fleet/agent/internal/enroll"
	"github.com/marina-cloud/marina/node-fleet/agent/internal/podnet"
	"github.com/marina-cloud/marina/node-fleet/agent/internal/render"
	"github.com/marina-cloud/marina/node-fleet/join"
)

// kubeletAPI is where the node itself reaches the API server.
var kubeletAPI = net.JoinHostPort(join.KubeletAPIAddress, strconv.Itoa(join.KubeletAPIPort))

// network keeps the pod network as the cluster's Nodes say.
func (a *agent) network(ctx context.Context, n enroll.Node) {
	cluster, err := netip.ParsePrefix(n.Config.PodCIDR)
	if err != nil {
		a.fail(fmt.Errorf("range of the cluster's pods: %w", err))
		return
	}
	// The kubelet's certificate is the node's right to read Nodes.
	if waitFor(ctx, func() bool { return exists(kubeletClient) }) != nil {
		return
	}
	api := podnet.API{
		Address:    kubeletAPI,
		ServerName: n.Config.APIServerName,
		Authority:  a.dir.ClusterAuthority(),
		Client:     enroll.Pair{Certificate: kubeletClient, Key: kubeletClient},
		Log:        a.log,
	}
	api.Watch(ctx, func(nodes podnet.Nodes) {
		own, routes := podnet.Plan(nodes, n.Config.NodeName, cluster)
		if err := podnet.SetRoutes(routes); err != nil {
			a.log.WarnContext(ctx, "set routes to other nodes", "error", err)
		}
		if !own.IsValid() {
			return
		}
		if err := a.configureCNI(ctx, own); err != nil && ctx.Err() == nil {
			a.log.ErrorContext(ctx, "configure the pod network", "error", err)
		}
	})
}

// configureCNI writes the configuration that makes the node Ready, not before
// the machine's images are there: pods come right after.
func (a *agent) configureCNI(ctx context.Context, own netip.Prefix) error {
	select {
	case <-a.loaded:
	case <-ctx.Done():
		return ctx.Err()
	}
	mtu, err := podnet.MTU()
	if err != nil {
		return err
	}
	return enroll.Write(cniList, render.CNI(own.String(), mtu, cniLeases), 0o644)
}

func masquerade(ctx context.Context, pods string) error {
	cmd := exec.CommandContext(ctx, "nft", "-f", "-")
	cmd.Stdin = strings.NewReader(render.Masquerade(pods))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("masquerade pods: nft: %w: %s", err, out)
	}
	return nil
}

func addHosts(hosts ...render.Named) error {
	old, err := os.ReadFile(hostsFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read hosts: %w", err)
	}
	return enroll.Write(hostsFile, []byte(render.Hosts(string(old), hosts...)), 0o644)
}
