package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/marina-cloud/marina/node-fleet/agent/internal/enroll"
	"github.com/marina-cloud/marina/node-fleet/agent/internal/monitor"
	"github.com/marina-cloud/marina/node-fleet/agent/internal/podapi"
	"github.com/marina-cloud/marina/node-fleet/agent/internal/podnet"
	"github.com/marina-cloud/marina/node-fleet/agent/internal/render"
	"github.com/marina-cloud/marina/node-fleet/agent/internal/supervise"
	"github.com/marina-cloud/marina/node-fleet/join"
)

// Options say how a machine becomes a node.
type Options struct {
	Ticket string // path of the join ticket (JSON of join.Ticket); removed after use
	State  string // directory of identity and credentials
	Log    *slog.Logger
}

// Run makes this machine a node and keeps it one until ctx ends, or until
// something is wrong that trying again does not mend. Pods outlive its return,
// except where the machine ends with it.
func Run(ctx context.Context, o Options) error {
	ctx, cancel := context.WithCancelCause(ctx)
	a := &agent{
		log:       o.Log,
		dir:       enroll.Dir(o.State),
		loaded:    make(chan struct{}),
		newTunnel: make(chan struct{}, 1),
		fail:      cancel,
	}
	m := &monitor.Monitor{Log: o.Log, Expiry: func() (time.Time, error) {
		_, until, err := enroll.Validity(a.dir.Identity().Certificate)
		return until, err
	}}
	a.supervisor = supervise.Supervisor{Log: o.Log, Started: m.Started, Ended: m.Ended}
	a.client = &enroll.Client{Dir: a.dir, Ticket: o.Ticket, Log: o.Log}
	defer a.parts.Wait()
	defer cancel(nil) // before waiting

	if err := prepareMachine(); err != nil {
		return err
	}
	a.parts.Go(func() { m.Run(ctx) })
	if err := a.startRuntime(ctx); err != nil {
		return err
	}
	node, err := a.client.Join(ctx)
	if err != nil {
		return cause(ctx, err)
	}
	a.log.InfoContext(ctx, "joined", "cluster", node.Config.Cluster, "node", node.Config.NodeName, "address", node.Config.Address)
	if err := a.startNode(ctx, node); err != nil {
		return cause(ctx, err)
	}
	<-ctx.Done()
	return cause(ctx, nil)
}

// cause returns why a part gave up; the end of the caller's context is no error.
func cause(ctx context.Context, err error) error {
	if c := context.Cause(ctx); c != nil {
		err = c
	}
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

type agent struct {
	log        *slog.Logger
	dir        enroll.Dir
	supervisor supervise.Supervisor

	mu     sync.Mutex // guards client
	client *enroll.Client

	parts     sync.WaitGroup
	fail      context.CancelCauseFunc // ends the agent
	loaded    chan struct{}           // closed once the machine's images are loaded
	newTunnel chan struct{}           // has an element when the tunnel's certificate changed
}

// keep keeps a program running, with its output in a file of its own.
func (a *agent) keep(ctx context.Context, p supervise.Program) error {
	output, err := supervise.OpenLog(filepath.Join(logs, p.Name+".log"), 10<<20, 3)
	if err != nil {
		return err
	}
	p.Output = output
	a.parts.Go(func() {
		defer output.Close()
		a.supervisor.Run(ctx, p)
	})
	return nil
}

// startRuntime starts what does not depend on the cluster.
func (a *agent) startRuntime(ctx context.Context) error {
	config, err := runtimeConfig()
	if err != nil {
		return err
	}
	if err := enroll.Write(containerdConfig, config, 0o644); err != nil {
		return err
	}
	if err := a.keep(ctx, supervise.Program{
		Name:  "containerd",
		Args:  []string{"/usr/bin/containerd", "--config", containerdConfig},
		Grace: 5 * time.Second,
	}); err != nil {
		return err
	}
	a.parts.Go(func() {
		defer close(a.loaded)
		if err := loadImages(ctx, a.log, runtimeSocket, filepath.Join(string(a.dir), "images.json")); err != nil && ctx.Err() == nil {
			a.log.ErrorContext(ctx, "load images", "error", err)
		}
	})
	return nil
}

// startNode starts what makes the machine a node.
func (a *agent) startNode(ctx context.Context, n enroll.Node) error {
	if err := a.writeConfig(n); err != nil {
		return err
	}
	if err := a.startAPI(ctx, n); err != nil {
		return err
	}
	if err := masquerade(ctx, n.Config.PodCIDR); err != nil {
		return err
	}
	for _, p := range a.programs(n) {
		if err := a.keep(ctx, p); err != nil {
			return err
		}
	}
	a.parts.Go(func() { a.network(ctx, n) })
	a.parts.Go(func() { a.renew(ctx, n) })
	return nil
}

// writeConfig writes the files that the node's programs read.
func (a *agent) writeConfig(n enroll.Node) error {
	host, err := look()
	if err != nil {
		return err
	}
	gateway, port, err := net.SplitHostPort(n.Gateway)
	if err != nil {
		return fmt.Errorf("address of the gateway: %w", err)
	}
	if err := addHosts(
		render.Named{Address: gateway, Names: []string{n.ServerName, n.Config.TunnelServerName}},
		render.Named{Address: join.KubeletAPIAddress, Names: []string{n.Config.APIServerName}},
	); err != nil {
		return err
	}
	api := render.Endpoint{Name: n.Config.APIServerName, Port: strconv.Itoa(join.KubeletAPIPort), Authority: a.dir.ClusterAuthority()}
	bootstrap, identity := a.dir.Kubelet(), a.dir.Identity()
	for _, f := range []struct {
		path    string
		content []byte
	}{
		{registryHosts, render.RegistryHosts(render.Mirror{
			Name: n.ServerName, Port: port, Authority: a.dir.Authority(), Certificate: identity.Certificate, Key: identity.Key,
		})},
		{kubeletConfig, render.KubeletConfig(n.Config, host.Host, render.Kubelet{
			ClusterAuthority: a.dir.ClusterAuthority(),
			RuntimeSocket:    runtimeSocket,
			ResolvConf:       resolvConf,
			VolumePlugins:    volumePlugins,
		})},
		{kubeletBootstrap, render.Kubeconfig(api, bootstrap.Certificate, bootstrap.Key)},
		{proxyConfig, render.ProxyConfig(n.Config, proxyKubeconfig, host.mayLowerOOMScore)},
		// kube-proxy is the node, too: system:nodes may read what it needs.
		{proxyKubeconfig, render.Kubeconfig(api, kubeletClient, kubeletClient)},
	} {
		if err := enroll.Write(f.path, f.content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// programs returns what runs on a node beside containerd.
func (a *agent) programs(n enroll.Node) []supervise.Program {
	k8s := kubernetes(n.Config.Version)
	_, port, _ := net.SplitHostPort(n.Gateway) // writeConfig has checked it
	tunnel := a.dir.Tunnel()
	return []supervise.Program{
		{
			Name:   "kubelet",
			Args:   append([]string{k8s, "kubelet"}, render.KubeletFlags(n.Config, kubeletConfig, kubeletBootstrap, kubeletKubeconfig, kubeletCertificates)...),
			Before: func(ctx context.Context) error { return a.beforeKubelet(ctx, n) },
			Grace:  5 * time.Second,
		},
		{
			Name:   "kube-proxy",
			Args:   []string{k8s, "kube-proxy", "--config=" + proxyConfig},
			Before: func(ctx context.Context) error { return waitFor(ctx, func() bool { return exists(kubeletClient) }) },
			Grace:  5 * time.Second,
		},
		{
			Name: "konnectivity-agent",
			Args: append([]string{"/usr/bin/konnectivity-agent"}, render.TunnelFlags(n.Config, render.Tunnel{
				Port:        port,
				Authority:   a.dir.TunnelAuthority(),
				Certificate: tunnel.Certificate,
				Key:         tunnel.Key,
			})...),
			Restart: a.newTunnel,
			// It does not heed SIGTERM: it drains for as long as streams are open.
			Grace: 0,
		},
	}
}

// startAPI opens the addresses that pods, and the node itself, know as the API
// server.
func (a *agent) startAPI(ctx context.Context, n enroll.Node) error {
	if err := podnet.AddLocalAddress(join.APIAddress); err != nil {
		return err
	}
	for _, way := range []struct {
		address, protocol string
	}{
		{net.JoinHostPort(join.APIAddress, strconv.Itoa(join.APIPort)), join.PodAPIProtocol},
		{kubeletAPI, join.KubeletAPIProtocol},
	} {
		l, err := net.Listen("tcp", way.address)
		if err != nil {
			return fmt.Errorf("open an address of the API server on the node: %w", err)
		}
		carrier := &podapi.Carrier{
			Protocol:   way.protocol,
			Gateway:    n.Gateway,
			ServerName: n.ServerName,
			Authority:  a.dir.Authority(),
			Identity:   a.dir.Identity(),
			Log:        a.log,
		}
		a.parts.Go(func() {
			if err := carrier.Serve(ctx, l); err != nil {
				a.fail(err)
			}
		})
	}
	return nil
}
