package gateway

import (
	"context"
	"errors"
	"slices"

	"github.com/marina-cloud/marina/internal/event"
	"github.com/marina-cloud/marina/internal/fault"
	"github.com/marina-cloud/marina/internal/tenant"
	fleet "github.com/marina-cloud/marina/node-fleet"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

// watched is what a stream shows: one cluster with all that belongs to it, or the
// clusters of an organization.
type watched struct {
	org      tenant.OrganizationID
	cluster  tenant.ClusterID // "": all
	clusters Clusters
	fleet    Fleet
	view     func(controlplane.Cluster) clusterView
}

// thing is something that a stream shows, as it is now; a nil change says that it is
// not there.
type thing struct {
	id     string
	change *ChangeView
}

// scene is what was seen in one look.
type scene struct {
	things []thing
	whole  bool // whatever is not among the things is not there
	over   bool // what is watched is gone
}

// atOnce is how many rows are read at once.
const atOnce = 500

// look reads all that is watched, or, where that is enough, what events are about.
func (w watched) look(ctx context.Context, events []event.Event, whole bool) (scene, error) {
	switch {
	case w.cluster != "":
		s, err := w.one(ctx)
		if err != nil && fault.From(err).Kind == fault.NotFound {
			return scene{whole: true, over: true}, nil
		}
		return s, err
	case whole:
		return w.all(ctx)
	}
	return w.some(ctx, events)
}

func (w watched) one(ctx context.Context) (scene, error) {
	c, err := w.clusters.Cluster(ctx, w.org, w.cluster)
	if err != nil {
		return scene{}, err
	}
	pools, err := pages(func(after string) ([]fleet.Pool, error) { return w.fleet.Pools(ctx, w.org, w.cluster, after, atOnce) },
		func(p fleet.Pool) string { return string(p.ID) })
	if err != nil {
		return scene{}, err
	}
	nodes, err := pages(func(after string) ([]fleet.Node, error) { return w.fleet.Nodes(ctx, w.org, w.cluster, after, atOnce) },
		func(n fleet.Node) string { return string(n.ID) })
	if err != nil {
		return scene{}, err
	}
	s := scene{things: []thing{w.thing(c)}, whole: true}
	for _, p := range pools {
		v := viewPool(p)
		s.things = append(s.things, thing{v.ID, &ChangeView{Kind: "pool", Pool: &v}})
	}
	for _, n := range nodes {
		v := viewNode(n)
		s.things = append(s.things, thing{v.ID, &ChangeView{Kind: "node", Node: &v}})
	}
	return s, nil
}

func (w watched) all(ctx context.Context) (scene, error) {
	clusters, err := pages(func(after string) ([]controlplane.Cluster, error) {
		return w.clusters.List(ctx, w.org, false, after, atOnce)
	},
		func(c controlplane.Cluster) string { return string(c.ID) })
	s := scene{whole: true}
	for _, c := range clusters {
		s.things = append(s.things, w.thing(c))
	}
	return s, err
}

func (w watched) some(ctx context.Context, events []event.Event) (s scene, err error) {
	for _, id := range changed(events) {
		c, err := w.clusters.Cluster(ctx, w.org, id)
		switch {
		case errors.Is(err, controlplane.ErrNoCluster), c.Deleting && c.Phase == controlplane.Recoverable:
			s.things = append(s.things, thing{id: string(id)})
		case err != nil:
			return scene{}, err
		default:
			s.things = append(s.things, w.thing(c))
		}
	}
	return s, nil
}

func (w watched) thing(c controlplane.Cluster) thing {
	v := w.view(c)
	return thing{v.ID, &ChangeView{Kind: "cluster", Cluster: &v}}
}

// changed returns the clusters that events are about, each once; an event about a
// node changes nothing of its cluster.
func changed(events []event.Event) (ids []tenant.ClusterID) {
	for _, e := range events {
		if e.Subject == string(e.Cluster) && !slices.Contains(ids, e.Cluster) {
			ids = append(ids, e.Cluster)
		}
	}
	return ids
}

// happened returns the sentences about what is watched.
func (w watched) happened(events []event.Event) (changes []ChangeView) {
	for _, e := range events {
		if (w.cluster == "" || e.Cluster == w.cluster) && e.Message != "" {
			v := viewEvent(e)
			changes = append(changes, ChangeView{Kind: "event", Event: &v})
		}
	}
	return changes
}

// pages reads a list to its end.
func pages[T any](next func(after string) ([]T, error), id func(T) string) (all []T, err error) {
	for after := ""; ; {
		some, err := next(after)
		all = append(all, some...)
		if err != nil || len(some) < atOnce {
			return all, err
		}
		after = id(some[len(some)-1])
	}
}
