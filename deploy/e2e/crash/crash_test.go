//go:build integration

package crash_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/marina-cloud/marina/deploy/client"
	"github.com/marina-cloud/marina/deploy/host"
	"github.com/marina-cloud/marina/deploy/installation"
	"github.com/marina-cloud/marina/internal/home"
)

const (
	// seed chooses what is tried where not everything is.
	seed = 1
	// patience is how long a life may stand still. A hung control plane is
	// replaced after two minutes.
	patience = 4 * time.Minute
)

// world is the installation whose processes die.
type world struct {
	*installation.Installation
	home home.Home
	bare []string // the census of an installation without clusters
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// newWorld starts an installation.
func newWorld(t *testing.T) *world {
	t.Helper()
	i, err := installation.New(os.Stderr)
	check(t, err)
	i.Env = []string{"MARINA_LOG=debug"} // steps begin at this level
	t.Cleanup(func() {
		if err := i.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	_, err = i.Start(t.Context(), false)
	check(t, err)
	h, err := home.At(i.Home)
	check(t, err)
	return &world{Installation: i, home: h}
}

// blows lives once without any, and returns all that there could be: every victim
// that there is at a step, at that step.
func (w *world) blows(t *testing.T) []blow {
	t.Helper()
	// The first cluster makes what is made once for all.
	w.life(t, "first", nil)
	w.bare = census(t, w.home)
	var steps []string
	var all []blow
	w.life(t, "steps", func(step string) {
		if slices.Contains(steps, step) {
			return
		}
		steps = append(steps, step)
		for _, v := range victims {
			if len(v.find(w.home)) > 0 {
				all = append(all, blow{step, v})
			}
		}
	})
	w.empty(t)
	t.Logf("%d steps: %s", len(steps), strings.Join(steps, " "))
	for _, v := range victims {
		if !slices.ContainsFunc(all, func(b blow) bool { return b.victim.name == v.name }) {
			t.Fatalf("there never was any %s", v.name)
		}
	}
	for _, step := range []string{"deleting/ClearRun", "recoverable/Enter", "restoring/StartStack", "running/EnterPool", "deleting/DestroyKeys"} {
		if !slices.Contains(steps, step) {
			t.Fatalf("a life does not come to %s", step)
		}
	}
	if len(steps) < 20 {
		t.Fatalf("a life has %d steps: the log does not tell all of them", len(steps))
	}
	return all
}

// blow is the death of a victim when a step begins for the first time in a life.
type blow struct {
	step   string
	victim victim
}

func (b blow) String() string { return b.victim.name + " at " + b.step }

// struck lives a life in which blows strike, holds that nothing is left, and
// returns how many struck. A blow whose victim is just not there, since no life is
// quite like another, strikes at a later step, if it ever can.
func (w *world) struck(t *testing.T, name string, blows ...blow) int {
	t.Helper()
	due := map[string]bool{}
	waiting := slices.Clone(blows)
	w.life(t, name, func(step string) {
		due[step] = true
		waiting = slices.DeleteFunc(waiting, func(b blow) bool { return due[b.step] && b.victim.kill(t, w.home) })
	})
	if len(waiting) > 0 {
		t.Logf("these never struck: %v", waiting)
	}
	w.empty(t)
	return len(blows) - len(waiting)
}

// life makes a cluster and a pool, takes the cluster away and brings it back, and takes
// the pool and then the cluster away for good.
// It calls at, one call after the other, for every step that this takes.
func (w *world) life(t *testing.T, name string, at func(step string)) {
	t.Helper()
	if at != nil {
		stop := follow(t, t.Context(), filepath.Join(w.home.Dir, "log", "marina.log"), at)
		defer stop()
	}
	cluster := w.make(t, name, func(ctx context.Context) (string, error) {
		k, err := w.Client.CreateCluster(ctx, client.NewCluster{Name: name})
		return k.ID, err
	}, func(ctx context.Context) (string, error) {
		k, err := w.Client.FindCluster(ctx, name)
		return k.ID, err
	})
	w.until(t, "the cluster runs", func(ctx context.Context) bool {
		k, err := w.Client.Cluster(ctx, cluster)
		return err == nil && k.Phase == "running"
	})
	pool := w.make(t, "pool", func(ctx context.Context) (string, error) {
		p, err := w.Client.CreatePool(ctx, cluster, client.NewPool{Name: "workers", Count: 1})
		return p.ID, err
	}, func(ctx context.Context) (string, error) {
		p, err := w.Client.FindPool(ctx, cluster, "workers")
		return p.ID, err
	})
	ready := func(ctx context.Context) bool {
		nodes, err := w.Client.Nodes(ctx, cluster)
		return err == nil && len(nodes) == 1 && nodes[0].Ready
	}
	w.until(t, "the node is ready", ready)
	// Deleted for now, and brought back with its pool.
	w.until(t, "the cluster is deleted", func(ctx context.Context) bool {
		k, err := w.Client.Cluster(ctx, cluster)
		if err == nil && k.PurgeAt == nil {
			_, _ = w.Client.DeleteCluster(ctx, cluster) // again where the answer was lost
		}
		return err == nil && k.Phase == "recoverable"
	})
	w.until(t, "the cluster is back", func(ctx context.Context) bool {
		k, err := w.Client.Cluster(ctx, cluster)
		if err == nil && k.PurgeAt != nil {
			_, _ = w.Client.UndeleteCluster(ctx, cluster)
		}
		return err == nil && k.Phase == "running"
	})
	w.until(t, "a node is ready again", ready)
	w.until(t, "the pool is gone", func(ctx context.Context) bool {
		_, err := w.Client.Pool(ctx, cluster, pool)
		if err == nil {
			_ = w.Client.DeletePool(ctx, cluster, pool) // again where the answer was lost
		}
		return missing(err)
	})
	w.until(t, "the cluster is gone", func(ctx context.Context) bool {
		_, err := w.Client.Cluster(ctx, cluster)
		if err == nil {
			_, _ = w.Client.PurgeCluster(ctx, cluster)
		}
		return missing(err)
	})
}

// make asks for something until it is there, once: where an answer was lost, it
// looks before it asks again.
func (w *world) make(t *testing.T, what string, create, find func(context.Context) (string, error)) (id string) {
	t.Helper()
	w.until(t, what+" is asked for", func(ctx context.Context) bool {
		var err error
		if id, err = find(ctx); err == nil {
			return true
		}
		id, err = create(ctx)
		return err == nil
	})
	return id
}

// missing is true of the answer that there is no such thing.
func missing(err error) bool {
	var p *client.Problem
	return errors.As(err, &p) && p.Status == http.StatusNotFound
}

// until waits for a condition, and starts marina whenever it is dead.
func (w *world) until(t *testing.T, what string, ok func(context.Context) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	began := time.Now()
	defer func() { t.Logf("%s: %.1fs", what, time.Since(began).Seconds()) }()
	for {
		if _, alive, err := host.Find(host.ServerFile(w.home)); err == nil && !alive {
			if _, err := w.Start(ctx, false); err != nil && ctx.Err() == nil {
				t.Logf("marina up: %v", err) // it may have died again
			}
		}
		if ok(ctx) {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("never: %s\n%s", what, strings.Join(census(t, w.home), "\n"))
		case <-tick.C:
		}
	}
}

// empty holds that nothing is left of any cluster.
func (w *world) empty(t *testing.T) {
	t.Helper()
	var diff string
	w.until(t, "nothing is left over", func(ctx context.Context) bool {
		diff = cmp.Diff(w.bare, census(t, w.home))
		return diff == "" || ctx.Err() != nil
	})
	if diff != "" {
		t.Fatalf("left over (+) or lost (-):\n%s", diff)
	}
}

// TestCrash strikes every kind of victim once, three in a life, as seed says.
func TestCrash(t *testing.T) {
	w := newWorld(t)
	all := w.blows(t)
	t.Logf("seed %d", seed)
	rand.New(rand.NewPCG(seed, seed)).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	var some []blow
	for _, b := range all {
		if !slices.ContainsFunc(some, func(s blow) bool { return s.victim.name == b.victim.name }) {
			some = append(some, b)
		}
	}
	struck := 0
	for i, three := range slices.Collect(slices.Chunk(some, 3)) {
		t.Run(fmt.Sprint(three), func(t *testing.T) { struck += w.struck(t, fmt.Sprintf("seed-%d", i), three...) })
	}
	if struck < len(victims)-2 {
		t.Errorf("only %d of %d blows struck", struck, len(victims))
	}
}
