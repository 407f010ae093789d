package router

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/marina-cloud/marina/internal/tenant"
)

// node is who a client certificate speaks for.
type node struct {
	id      tenant.NodeID    // its common name
	cluster tenant.ClusterID // its organization
}

// nodeOf reads a verified certificate.
func nodeOf(cert *x509.Certificate) (node, error) {
	id, ok := tenant.ParseNodeID(cert.Subject.CommonName)
	if !ok {
		return node{}, fmt.Errorf("certificate names no node but %q", cert.Subject.CommonName)
	}
	if len(cert.Subject.Organization) != 1 {
		return node{}, fmt.Errorf("certificate of %s has %d organizations instead of one cluster", id, len(cert.Subject.Organization))
	}
	cluster, ok := tenant.ParseClusterID(cert.Subject.Organization[0])
	if !ok {
		return node{}, fmt.Errorf("certificate of %s names no cluster but %q", id, cert.Subject.Organization[0])
	}
	return node{id, cluster}, nil
}

var errNodeGone = errors.New("node is not, or no longer, part of the cluster")

// live returns nil while the node is part of the cluster, and errNodeGone when
// it is not: removing its file revokes its certificate.
func (r *Router) live(n node) error {
	cluster, err := os.ReadFile(filepath.Join(r.config.Nodes, string(n.id)))
	if errors.Is(err, fs.ErrNotExist) {
		return errNodeGone
	}
	if err != nil {
		return fmt.Errorf("read whether %s is live: %w", n.id, err)
	}
	if strings.TrimSpace(string(cluster)) != string(n.cluster) {
		return errNodeGone
	}
	return nil
}

// welcome ends the TLS connection of a node's agent, whose ClientHello was read
// already. The deadline of c still holds.
func (r *Router) welcome(c *net.TCPConn, h hello) (*tls.Conn, node, error) {
	config, err := r.keyring.config()
	if err != nil {
		return nil, node{}, &refusal{reason: certificateGone, reset: true, cause: err}
	}
	var who node
	config.VerifyConnection = func(state tls.ConnectionState) error {
		n, err := nodeOf(state.PeerCertificates[0])
		if err != nil {
			return err
		}
		who = n
		return r.live(n)
	}
	secure := tls.Server(&replay{c, h.raw}, config)
	if err := secure.Handshake(); err != nil { // it has sent the alert itself
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil, node{}, &refusal{reason: tooSlow, cause: err}
		}
		return nil, node{}, &refusal{reason: badCertificate, cause: err}
	}
	return secure, who, nil
}

// carryNode carries a connection that a pod or the kubelet of a node has made to its
// cluster's API server. What comes out of the agent's TLS connection is theirs. It
// calls handshaken when it knows who the agent is.
func (r *Router) carryNode(ctx context.Context, c *net.TCPConn, as service, from origin, who ends, h hello, handshaken func()) error {
	secure, agent, err := r.welcome(c, h)
	if err != nil {
		return err
	}
	handshaken()
	ctx, cut := context.WithCancel(ctx)
	defer cut()
	go r.watch(ctx, agent, cut)
	err = r.carryTo(ctx, destination{as, agent.cluster}, secure, from, who, nil)
	if no, ok := errors.AsType[*refusal](err); ok { // its answer would be one to a ClientHello
		return &refusal{reason: no.reason, reset: true, cause: err}
	}
	return err
}

// watch cuts a connection when its node is removed, until ctx is done.
func (r *Router) watch(ctx context.Context, n node, cut func()) {
	tick := time.NewTicker(r.config.Recheck)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if errors.Is(r.live(n), errNodeGone) {
				cut()
				return
			}
		case <-ctx.Done():
			return
		}
	}
}
