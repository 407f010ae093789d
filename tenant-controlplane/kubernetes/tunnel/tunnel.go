// Package tunnel is the konnectivity server of one tenant: it carries the API
// server's connections to nodes, pods and services through the agents that dial in
// from the nodes.
//
// Upstream's server is used as a package, in the API server's own process: its two
// gRPC services listen on unix sockets, so that a tenant's control plane still has
// no network.
package tunnel

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"sigs.k8s.io/apiserver-network-proxy/konnectivity-client/proto/client"
	"sigs.k8s.io/apiserver-network-proxy/pkg/server"
	"sigs.k8s.io/apiserver-network-proxy/pkg/server/proxystrategies"
	"sigs.k8s.io/apiserver-network-proxy/proto/agent"

	"github.com/marina-cloud/marina/tenant-controlplane/kubernetes/config"
	"github.com/marina-cloud/marina/tenant-controlplane/kubernetes/listener"
	"github.com/marina-cloud/marina/tenant-controlplane/kubernetes/members"
)

const (
	// serverID tells servers apart for an agent that dials several; there is one.
	serverID    = "stack"
	serverCount = 1

	// transferBuffer is the number of packets that wait until their connection is
	// found, before the agent's stream stalls; upstream's default is 10.
	transferBuffer = 150

	// keepaliveTime finds an agent whose machine is gone without a word. A dead
	// one makes every request that is sent through it wait, so this is minutes
	// less than upstream's hour.
	keepaliveTime    = 30 * time.Second
	keepaliveTimeout = 10 * time.Second

	// minPing is how often an agent may ping; one that does so more often is cut off.
	minPing = 10 * time.Second
)

// Serve runs the server, for the agents of members alone, until ctx is done and then
// returns nil, or until it cannot go on. It calls ready once both sockets listen.
func Serve(ctx context.Context, c config.Tunnel, m *members.Directory, ready func()) error {
	creds, err := newIdentity(c.Certificate, c.Key, c.ClientCA)
	if err != nil {
		return err
	}
	proxy := server.NewProxyServer(serverID, []proxystrategies.ProxyStrategy{
		// An agent that says that it is the host in question comes first: another
		// node may have no route to it. Anything else (a pod, a service) any
		// agent can reach.
		proxystrategies.ProxyStrategyDestHost,
		proxystrategies.ProxyStrategyDefault,
	}, serverCount, &server.AgentTokenAuthenticationOptions{Enabled: false}, transferBuffer)

	agents := grpc.NewServer(
		grpc.Creds(m.Credentials(credentials.NewTLS(creds.tls()))),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: keepaliveTime, Timeout: keepaliveTimeout}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: minPing, PermitWithoutStream: true}),
	)
	agent.RegisterAgentServiceServer(agents, proxy)
	apiServer := grpc.NewServer()
	client.RegisterProxyServiceServer(apiServer, newPatient(proxy))

	agentsListener, err := listener.Unix(c.Agents)
	if err != nil {
		return fmt.Errorf("tunnel for agents on %s: %w", c.Agents, err)
	}
	apiServerListener, err := listener.Unix(c.APIServer)
	if err != nil {
		_ = agentsListener.Close()
		return fmt.Errorf("tunnel for the API server on %s: %w", c.APIServer, err)
	}
	ready()

	ended := make(chan error, 2)
	serve := func(s *grpc.Server, l net.Listener) { ended <- s.Serve(l) }
	go serve(agents, agentsListener)
	go serve(apiServer, apiServerListener)
	defer func() {
		// Streams last as long as a node is up: waiting for their end is no use.
		apiServer.Stop()
		agents.Stop()
	}()
	select {
	case <-ctx.Done():
		return nil
	case err := <-ended:
		if err == nil {
			err = errors.New("a listener was closed")
		}
		return fmt.Errorf("serve tunnel: %w", err)
	}
}
