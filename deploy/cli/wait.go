package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/marina-cloud/marina/deploy/client"
)

const (
	pollEvery    = 200 * time.Millisecond // what a person does not notice
	outageLimit  = 30 * time.Second       // for the API to be started again while one waits
	defaultLimit = 10 * time.Minute
)

// waiting are the flags of commands that can wait.
type waiting struct {
	wait  bool
	limit time.Duration
}

func (f *waiting) bind(c *cobra.Command, until string) {
	c.Flags().BoolVar(&f.wait, "wait", false, "wait until "+until)
	c.Flags().DurationVar(&f.limit, "timeout", defaultLimit, "give up waiting after this `time`; 0 for never")
}

// goal is something that a person waits for.
type goal struct {
	title string
	limit time.Duration // 0: none
	// ask returns how it was reached, or else what it waits for.
	ask func(context.Context) (reached, waitingFor string, err error)
	// why adds to the error of a goal that was not reached; nil for nothing.
	why func(context.Context) string
}

// await asks until the goal is reached, and shows what is being waited for.
func (e *env) await(ctx context.Context, g goal) error {
	var expired <-chan time.Time
	if g.limit > 0 {
		timer := time.NewTimer(g.limit)
		defer timer.Stop()
		expired = timer.C
	}
	step := e.steps.Begin("%s", g.title)
	silent := time.Time{} // since when the API does not answer
	last := ""
	for {
		reached, waitingFor, err := g.ask(ctx)
		switch {
		case err == nil && reached != "":
			step.Done("%s", reached)
			return nil
		case err == nil:
			silent, last = time.Time{}, waitingFor
		case !client.IsTransient(err) || !silent.IsZero() && time.Since(silent) > outageLimit:
			step.Failed()
			return e.explained(ctx, g, err)
		case silent.IsZero():
			silent, waitingFor = time.Now(), "Marina does not answer"
		default:
			waitingFor = "Marina does not answer"
		}
		step.Detail("%s", waitingFor)
		select {
		case <-ctx.Done():
			step.Failed()
			return context.Cause(ctx)
		case <-expired:
			step.Failed()
			return e.explained(ctx, g, fmt.Errorf("%s: gave up after %s; last seen: %s", g.title, g.limit, last))
		case <-time.After(pollEvery):
		}
	}
}

func (e *env) explained(ctx context.Context, g goal, err error) error {
	if g.why == nil || ctx.Err() != nil {
		return err
	}
	if why := g.why(ctx); why != "" {
		return fmt.Errorf("%w\n%s", err, why)
	}
	return err
}

// awaitCluster waits until a cluster is usable.
func (e *env) awaitCluster(ctx context.Context, c *client.Client, k client.Cluster, limit time.Duration) (client.Cluster, error) {
	err := e.await(ctx, goal{title: "Cluster " + k.Name, limit: limit, why: recent(c, k.ID), ask: func(ctx context.Context) (string, string, error) {
		now, err := c.Cluster(ctx, k.ID)
		if err != nil {
			return "", "", err
		}
		k = now
		switch k.Phase {
		case "running":
			return fmt.Sprintf("Cluster %s is running, Kubernetes %s", k.Name, k.Version), "", nil
		case "deleting", "recoverable", "deleted":
			return "", "", fmt.Errorf("cluster %s is deleted", k.Name)
		}
		return "", k.Phase + unmet(k.Conditions), nil
	}})
	return k, err
}

// unmet lists the conditions that a cluster does not meet yet.
func unmet(conditions []client.Condition) string {
	var names []string
	for _, c := range conditions {
		if !c.OK && c.Type != "TunnelReady" && c.Type != "WithinLimits" { // which need nodes, and nothing at all
			names = append(names, c.Type)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return ", waiting for " + strings.Join(names, ", ")
}

// awaitClusterGone waits until nothing of a cluster runs, and, where nothing is kept of
// it, until nothing is left.
func (e *env) awaitClusterGone(ctx context.Context, c *client.Client, k client.Cluster, limit time.Duration) error {
	return e.await(ctx, goal{title: "Deleting cluster " + k.Name, limit: limit, why: recent(c, k.ID), ask: func(ctx context.Context) (string, string, error) {
		now, err := c.Cluster(ctx, k.ID)
		gone := fmt.Sprintf("Cluster %s is deleted", k.Name)
		switch {
		case client.IsCode(err, "cluster_not_found"):
			return gone, "", nil
		case err != nil:
			return "", "", err
		case now.Phase == "deleted", now.Phase == "recoverable" && k.PurgeAt != nil:
			return gone, "", nil
		}
		nodes, err := c.Nodes(ctx, k.ID)
		if err != nil && !client.IsCode(err, "cluster_not_found") {
			return "", "", err
		}
		return "", count(len(nodes), "node") + " left", nil
	}})
}

// awaitPool waits until a pool has as many ready nodes as wanted.
func (e *env) awaitPool(ctx context.Context, c *client.Client, cluster string, p client.Pool, limit time.Duration) (client.Pool, error) {
	err := e.await(ctx, goal{title: "Node pool " + p.Name, limit: limit, why: recent(c, cluster), ask: func(ctx context.Context) (string, string, error) {
		now, err := c.Pool(ctx, cluster, p.ID)
		if err != nil {
			return "", "", err
		}
		p = now
		if p.Phase == "deleting" || p.Phase == "deleted" {
			return "", "", fmt.Errorf("node pool %s is being deleted", p.Name)
		}
		nodes, err := c.Nodes(ctx, cluster)
		if err != nil {
			return "", "", err
		}
		ready, others := tally(nodes, p.ID)
		progress := fmt.Sprintf("%d of %s ready", ready, count(p.Count, "node"))
		if p.Phase == "running" && ready == p.Count && others == "" {
			return fmt.Sprintf("Node pool %s is running, %s", p.Name, progress), "", nil
		}
		return "", progress + others, nil
	}})
	return p, err
}

// tally counts a pool's ready nodes, and says in which phases the others are.
func tally(nodes []client.Node, pool string) (ready int, others string) {
	phases := map[string]int{}
	for _, n := range nodes {
		switch {
		case n.Pool != pool:
		case n.Ready && n.Phase == "running":
			ready++
		default:
			phases[n.Phase]++
		}
	}
	for _, phase := range []string{"provisioning", "joining", "running", "draining", "deleting"} {
		if n := phases[phase]; n > 0 {
			others += fmt.Sprintf(", %d %s", n, phase)
		}
	}
	return ready, others
}

// awaitPoolGone waits until nothing of a pool is left.
func (e *env) awaitPoolGone(ctx context.Context, c *client.Client, cluster string, p client.Pool, limit time.Duration) error {
	return e.await(ctx, goal{title: "Deleting node pool " + p.Name, limit: limit, why: recent(c, cluster), ask: func(ctx context.Context) (string, string, error) {
		now, err := c.Pool(ctx, cluster, p.ID)
		gone := fmt.Sprintf("Node pool %s is deleted", p.Name)
		switch {
		case client.IsCode(err, "pool_not_found"), client.IsCode(err, "cluster_not_found"):
			return gone, "", nil
		case err != nil:
			return "", "", err
		case now.Phase == "deleted":
			return gone, "", nil
		}
		nodes, err := c.Nodes(ctx, cluster)
		if err != nil {
			return "", "", err
		}
		ready, others := tally(nodes, p.ID)
		return "", count(ready, "node") + " ready" + others, nil
	}})
}
