package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/marina-cloud/marina/deploy/client"
	"github.com/marina-cloud/marina/deploy/demo"
	"github.com/marina-cloud/marina/internal/home"
)

// What `up` makes on a new installation.
const (
	demoCluster = "demo"
	demoPool    = "workers"
	demoNodes   = 2
	demoLimit   = 5 * time.Minute
	demoAccess  = 30 * 24 * time.Hour // of the kubeconfig, for tests and first visits
)

// ensureDemo makes the first cluster, its nodes and the workload on them. What of
// it exists already stays as its owner made it.
func (e *env) ensureDemo(ctx context.Context, h home.Home, c *client.Client, limit time.Duration, r *upResult) error {
	k, err := c.CreateCluster(ctx, client.NewCluster{Name: demoCluster})
	if client.IsCode(err, "cluster_name_taken") {
		k, err = c.FindCluster(ctx, demoCluster)
	}
	if err != nil {
		return err
	}
	// The machines may boot while the control plane does.
	p, err := c.CreatePool(ctx, k.ID, client.NewPool{Name: demoPool, Count: demoNodes})
	if client.IsCode(err, "pool_name_taken") {
		p, err = c.FindPool(ctx, k.ID, demoPool)
	}
	if err != nil {
		return err
	}
	if k, err = e.awaitCluster(ctx, c, k, limit); err != nil {
		return err
	}
	kubeconfig, err := c.Kubeconfig(ctx, k.ID, demoAccess)
	if err != nil {
		return err
	}
	r.Cluster, r.Endpoint, r.Kubeconfig = k.Name, k.Endpoint, h.Path(demoCluster+".kubeconfig")
	if err := writeSecret(r.Kubeconfig, kubeconfig); err != nil {
		return fmt.Errorf("write kubeconfig: %w", err)
	}
	d := demo.Demo{Kubectl: r.Kubectl, Kubeconfig: r.Kubeconfig}
	if err := d.Create(ctx); err != nil {
		return err
	}
	if p, err = e.awaitPool(ctx, c, k.ID, p, limit); err != nil {
		return err
	}
	if p.Count == 0 {
		return nil // the owner has sent the nodes home: nothing can run
	}
	return e.showDemo(ctx, d, recent(c, k.ID), r)
}

// showDemo waits for the workload and its answer.
func (e *env) showDemo(ctx context.Context, d demo.Demo, why func(context.Context) string, r *upResult) error {
	step := e.steps.Begin("Deployment hello")
	silent := fmt.Errorf("the Deployment hello does not answer after %s: see `kubectl --kubeconfig %s get pods,events`", demoLimit, d.Kubeconfig)
	limited, cancel := context.WithTimeoutCause(ctx, demoLimit, silent)
	defer cancel()
	step.Detail("waiting for its pods")
	err := d.Wait(limited)
	var nodes []string
	if err == nil {
		nodes, err = d.Placed(limited)
	}
	if err == nil && len(nodes) > 0 { // its owner may have scaled it down
		step.Detail("asking its Service")
		r.Answer, err = d.Ask(limited)
	}
	if err != nil {
		step.Failed()
		return e.explained(ctx, goal{why: why}, err)
	}
	if r.Answer == "" {
		step.Done("Deployment hello has no pods")
		return nil
	}
	step.Done("Deployment hello runs on %s and answers through its Service: %q", count(len(nodes), "node"), r.Answer)
	return nil
}
