// Package world is the world that nodes live in, as the reconciler sees and
// changes it: machines of a provider, objects of Kubernetes, and the identities
// that are let in.
package world

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/marina-cloud/marina/internal/tenant"
	fleet "github.com/marina-cloud/marina/node-fleet"
	"github.com/marina-cloud/marina/node-fleet/internal/drain"
	"github.com/marina-cloud/marina/node-fleet/internal/kube"
	"github.com/marina-cloud/marina/node-fleet/join"
	"github.com/marina-cloud/marina/node-fleet/provider"
)

const (
	tokenLife = 15 * time.Minute
	// lookLimit is how long an API server may take to answer: after it, it counts
	// as not answering.
	lookLimit = 5 * time.Second
	// awaitLimit is how long AwaitReady waits at most: also how late a wish to
	// delete a joining node may be noticed.
	awaitLimit = 2 * time.Second
)

// Tokens issues join tokens.
type Tokens interface {
	IssueToken(ctx context.Context, n fleet.Node, life time.Duration) (string, error)
}

// Identities are the nodes that are let in.
type Identities interface {
	Grant(n fleet.Node) error
	Revoke(n fleet.Node) error
	Granted(n fleet.Node) (everywhere, somewhere bool, err error)
}

// World is the real one. It is safe for concurrent use.
type World struct {
	Provider   provider.Provider
	Kube       func(context.Context, tenant.ClusterID) (kubernetes.Interface, error)
	Tokens     Tokens
	Identities Identities
	ServerName string // of the node API
	Authority  string // PEM; of the platform
	Log        *slog.Logger
}

// Look says what there is of a node.
func (w *World) Look(ctx context.Context, n fleet.Node, c fleet.Control) (fleet.Seen, error) {
	seen := fleet.Seen{ClusterDeleting: c.Deleting}
	everywhere, somewhere, err := w.Identities.Granted(n)
	if err != nil {
		return seen, err
	}
	seen.Identity, seen.HalfIdentity = everywhere, somewhere && !everywhere
	m, err := w.Provider.Machine(ctx, n.ID)
	if err != nil && !errors.Is(err, provider.ErrNoMachine) {
		return seen, fmt.Errorf("look at machine: %w", err)
	}
	seen.Machine, seen.MachineRunning = err == nil, err == nil && m.Running
	if c.Purge || !c.Running && !c.Deleting {
		return seen, nil // of a cluster that goes for now, the API server may still answer
	}
	return w.lookAtObject(ctx, n, seen), nil
}

// lookAtObject adds what Kubernetes says. An API that does not answer, or not in
// time, is itself something seen, and no error.
func (w *World) lookAtObject(ctx context.Context, n fleet.Node, seen fleet.Seen) fleet.Seen {
	ctx, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	silent := func(err error) fleet.Seen {
		w.Log.WarnContext(ctx, "cluster does not answer", "cluster", n.Cluster, "node", n.ID, "error", err)
		return seen
	}
	client, err := w.Kube(ctx, n.Cluster)
	if err != nil {
		return silent(err)
	}
	object, err := client.CoreV1().Nodes().Get(ctx, n.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		seen.API = true
		seen.Message = "It has not registered with Kubernetes yet."
		return seen
	}
	if err != nil {
		return silent(fmt.Errorf("read node %s: %w", n.Name, err))
	}
	pods := 0
	if n.Phase == fleet.NodeDraining && seen.MachineRunning {
		if pods, err = drain.Left(ctx, client, n.Name); err != nil {
			return silent(err)
		}
	}
	seen.API, seen.Object, seen.Pods, seen.Cordoned = true, true, pods, object.Spec.Unschedulable
	seen.Ready, seen.Message = kube.Ready(object)
	return seen
}

// Do carries a step out.
func (w *World) Do(ctx context.Context, n fleet.Node, p fleet.Pool, c fleet.Control, s fleet.Step) (fleet.Node, error) {
	switch s.(type) {
	case fleet.CreateMachine:
		return w.createMachine(ctx, n, p, c)
	case fleet.DeleteMachine:
		return n, w.Provider.Delete(ctx, n.ID)
	case fleet.GrantIdentity:
		return n, w.Identities.Grant(n)
	case fleet.RevokeIdentity:
		return n, w.Identities.Revoke(n)
	}
	client, err := w.Kube(ctx, n.Cluster)
	if err != nil {
		return n, err
	}
	switch s.(type) {
	case fleet.AwaitReady:
		ctx, cancel := context.WithTimeout(ctx, awaitLimit)
		defer cancel()
		return n, kube.AwaitReady(ctx, client, n.Name)
	case fleet.Drain:
		return n, drain.Pass(ctx, client, n.Name)
	case fleet.DeleteNodeObject:
		return n, kube.DeleteNode(ctx, client, n.Name)
	}
	return n, fmt.Errorf("a node knows no step %T", s)
}

func (w *World) createMachine(ctx context.Context, n fleet.Node, p fleet.Pool, c fleet.Control) (fleet.Node, error) {
	size, ok := fleet.SizeByName(p.Size)
	if !ok {
		return n, fmt.Errorf("pool %s has the unknown size %q", p.ID, p.Size)
	}
	token, err := w.Tokens.IssueToken(ctx, n, tokenLife)
	if err != nil {
		return n, err
	}
	m, err := w.Provider.Create(ctx, provider.Spec{
		Node: n.ID, Cluster: n.Cluster, Organization: n.Organization, Name: n.Name, Size: size, Version: c.Version,
		Join: join.Ticket{ServerName: w.ServerName, Authority: w.Authority, Node: n.ID, Token: token},
	})
	if err != nil {
		return n, fmt.Errorf("create machine: %w", err)
	}
	n.Address = m.Address
	return n, nil
}
