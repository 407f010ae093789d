package nodeapi

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"time"

	"github.com/marina-cloud/marina/internal/fault"
	"github.com/marina-cloud/marina/internal/tenant"
	fleet "github.com/marina-cloud/marina/node-fleet"
	"github.com/marina-cloud/marina/node-fleet/internal/authority"
	"github.com/marina-cloud/marina/node-fleet/join"
)

// maxPods is how many pods a node takes: Kubernetes' own default.
const maxPods = 110

// Store is what the node API needs of the database.
type Store interface {
	// Candidate returns the node that a token stands for, and its pool, or
	// ErrBadToken or ErrNotExpected.
	Candidate(ctx context.Context, id tenant.NodeID, token string) (fleet.Node, fleet.Pool, error)
	// Join uses the token up and calls admit before anybody can see that.
	Join(ctx context.Context, id tenant.NodeID, token string, admit func(fleet.Node) error) error
	// Expected returns a node that may have credentials, or ErrNotExpected.
	Expected(ctx context.Context, cluster tenant.ClusterID, id tenant.NodeID) (fleet.Node, fleet.Pool, error)
}

// Identities are the nodes that are let in.
type Identities interface {
	Grant(n fleet.Node) error
}

// API answers machines. It is safe for concurrent use.
type API struct {
	Store      Store
	Control    fleet.ControlPlanes
	Authority  *authority.Authority
	Identities Identities
	Joined     func() // makes the reconciler of nodes look at once
	Log        *slog.Logger
	Now        func() time.Time

	images *images // set by Server
}

// keys are the public keys of a request.
type keys struct{ identity, kubelet, tunnel crypto.PublicKey }

func (a *API) join(w http.ResponseWriter, r *http.Request) {
	a.answer(w, r, func(ctx context.Context) (join.Response, error) {
		var q join.Request
		if err := decode(w, r, &q); err != nil {
			return join.Response{}, err
		}
		id, ok := tenant.ParseNodeID(string(q.Node))
		if !ok || q.Token == "" {
			return join.Response{}, fleet.ErrBadToken
		}
		var wrong []fault.Field
		k := keys{
			identity: key(&wrong, "public_key", q.PublicKey),
			kubelet:  key(&wrong, "kubelet_key", q.KubeletKey),
			tunnel:   key(&wrong, "tunnel_key", q.TunnelKey),
		}
		if err := fault.InvalidFields(wrong); err != nil {
			return join.Response{}, err
		}
		// Everything is made before the token is used up, so that a failure of ours
		// does not cost the machine its only chance; only a good token costs work.
		n, p, err := a.Store.Candidate(ctx, id, q.Token)
		if err != nil {
			return join.Response{}, err
		}
		if n.Address == "" {
			return join.Response{}, errEarly
		}
		response, err := a.equip(ctx, n, p, k)
		if err != nil {
			return join.Response{}, err
		}
		err = a.Store.Join(ctx, id, q.Token, a.Identities.Grant)
		if err != nil {
			return join.Response{}, err
		}
		a.Joined()
		a.Log.InfoContext(ctx, "machine joined", "node", n.ID, "name", n.Name, "cluster", n.Cluster)
		return response, nil
	})
}

func (a *API) bootstrap(w http.ResponseWriter, r *http.Request) {
	a.answer(w, r, func(ctx context.Context) (join.Response, error) {
		if len(r.TLS.PeerCertificates) == 0 {
			return join.Response{}, fleet.ErrNotExpected
		}
		presented := r.TLS.PeerCertificates[0]
		id, cluster, ok := authority.Identity(presented)
		if !ok {
			return join.Response{}, fleet.ErrNotExpected
		}
		var q join.BootstrapRequest
		if err := decode(w, r, &q); err != nil {
			return join.Response{}, err
		}
		var wrong []fault.Field
		k := keys{
			identity: presented.PublicKey, // renewed every time
			kubelet:  key(&wrong, "kubelet_key", q.KubeletKey),
			tunnel:   key(&wrong, "tunnel_key", q.TunnelKey),
		}
		if err := fault.InvalidFields(wrong); err != nil {
			return join.Response{}, err
		}
		n, p, err := a.Store.Expected(ctx, cluster, id)
		if err != nil {
			return join.Response{}, err
		}
		response, err := a.equip(ctx, n, p, k)
		if err == nil {
			a.Log.InfoContext(ctx, "machine got fresh credentials", "node", n.ID, "name", n.Name, "cluster", n.Cluster)
		}
		return response, err
	})
}

// equip makes all that a machine needs to be node n of pool p.
func (a *API) equip(ctx context.Context, n fleet.Node, p fleet.Pool, k keys) (join.Response, error) {
	var r join.Response
	c, err := a.Control.Control(ctx, n.Cluster)
	if err != nil {
		return r, fmt.Errorf("look at control plane: %w", err)
	}
	if c.Deleting {
		return r, fleet.ErrNotExpected
	}
	identity, err := a.Authority.SignIdentity(k.identity, n.ID, n.Cluster, a.Now())
	if err != nil {
		return r, err
	}
	kubelet, err := a.Control.IssueNodeBootstrap(ctx, n.Cluster, n.Name, k.kubelet)
	if err != nil {
		return r, fmt.Errorf("issue bootstrap certificate: %w", err)
	}
	tunnel, err := a.Control.IssueTunnel(ctx, n.Cluster, n.Name, k.tunnel)
	if err != nil {
		return r, fmt.Errorf("issue tunnel certificate: %w", err)
	}
	r.Identity, r.Kubelet, r.Tunnel = string(identity), string(kubelet), string(tunnel)
	r.Config = config(n, p, c, a.Now())
	return r, nil
}

func config(n fleet.Node, p fleet.Pool, c fleet.Control, now time.Time) join.Config {
	size, _ := fleet.SizeByName(p.Size) // a size that is no more: the machine is what it is
	labels := map[string]string{fleet.LabelPool: p.Name, fleet.LabelPoolID: string(p.ID), fleet.LabelSize: p.Size}
	maps.Copy(labels, p.Labels)
	taints := make([]string, len(p.Taints))
	for i, t := range p.Taints {
		taints[i] = t.Key + "=" + t.Value + ":" + t.Effect
	}
	return join.Config{
		Cluster: n.Cluster, NodeName: n.Name, Address: n.Address, Version: c.Version,
		APIServerName: c.ServerName, TunnelServerName: c.TunnelName,
		ClusterAuthority: string(c.CA), TunnelAuthority: string(c.TunnelCA),
		PodCIDR: c.PodCIDR, ServiceCIDR: c.ServiceCIDR, DNSAddress: c.DNS, DNSDomain: fleet.DNSDomain,
		Labels: labels, Taints: taints, ProviderID: "marina://" + string(n.ID), MaxPods: maxPods,
		CPUs: size.CPUs, MemoryMiB: size.MemoryMiB, IssuedAt: now,
	}
}

// key reads a public key, or adds what is wrong with it.
func key(wrong *[]fault.Field, field, text string) crypto.PublicKey {
	k, err := publicKey(text)
	if err != nil {
		*wrong = append(*wrong, fault.Field{Name: field, Reason: err.Error()})
	}
	return k
}

var errKey = errors.New("must be an ECDSA public key on the curve P-256, in PEM (PKIX)")

func publicKey(text string) (crypto.PublicKey, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil || block.Type != "PUBLIC KEY" {
		return nil, errKey
	}
	k, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, errKey
	}
	if ec, ok := k.(*ecdsa.PublicKey); ok && ec.Curve == elliptic.P256() {
		return ec, nil
	}
	return nil, errKey
}
