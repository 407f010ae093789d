//go:build integration

package gateway_test

import (
	"net/http"
	"testing"

	"github.com/marina-cloud/marina/internal/tenant"
	fleet "github.com/marina-cloud/marina/node-fleet"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

type price struct{ Hour, Month string }

type overview struct {
	Currency string
	Price    *price
	Clusters []struct {
		ID    string `json:"cluster_id"`
		Nodes int    `json:"nodes"`
		Ready int    `json:"nodes_ready"`
		Lost  int    `json:"nodes_lost"`
		Price *price `json:"price"`
	}
	Events []struct {
		Event   struct{ ID, Message string } `json:"event"`
		Cluster string                       `json:"cluster"`
	}
}

func TestOverview(t *testing.T) {
	t.Parallel()
	a := start(t)
	ada, eve := a.signUp(t, "ada@example.com"), a.signUp(t, "eve@example.com")
	get := func() (v overview) {
		t.Helper()
		a.do(t, "GET", "/v1/overview", "", ada.bearer()...).decode(t, http.StatusOK, &v)
		return v
	}
	if v := get(); v.Price == nil || v.Price.Hour != "0" || len(v.Clusters) != 0 || len(v.Events) != 0 {
		t.Errorf("an organization without anything: %+v", v)
	}
	c, p, n := a.populate(ada.Organization, 30)
	a.populate(eve.Organization, 3)
	v := get()
	if v.Currency != "EUR" || v.Price == nil || *v.Price != (price{"0.025", "16.8"}) {
		t.Errorf("a control plane and a small node cost %+v %s", v.Price, v.Currency)
	}
	if len(v.Clusters) != 1 || v.Clusters[0].ID != string(c.ID) || v.Clusters[0].Nodes != 1 || v.Clusters[0].Ready != 1 || *v.Clusters[0].Price != *v.Price {
		t.Errorf("clusters: %+v", v.Clusters)
	}
	if len(v.Events) != 20 || v.Events[0].Event.ID <= v.Events[19].Event.ID || v.Events[0].Cluster != c.Name || v.Events[0].Event.Message == "" {
		t.Errorf("events: %+v", v.Events)
	}

	a.changeNode(n.ID, func(n *fleet.Node) { n.Ready = false })
	if v := get(); v.Clusters[0].Lost != 1 || v.Clusters[0].Ready != 0 || v.Price.Hour != "0.015" {
		t.Errorf("with a lost node: %+v", v)
	}
	a.changeCluster(c.ID, func(c *controlplane.Cluster) { c.Phase = controlplane.Failed })
	if v := get(); v.Price.Hour != "0" {
		t.Errorf("a cluster that failed costs %+v", v.Price)
	}
	a.mu.Lock()
	a.nodes = append(a.nodes, fleet.Node{ID: tenant.NewNodeID(), Organization: ada.Organization, Cluster: c.ID, Pool: p.ID, Phase: fleet.NodeRunning, Ready: true})
	for i := range a.pools {
		a.pools[i].Size = "not on sale"
	}
	a.mu.Unlock()
	if v := get(); v.Price != nil || v.Clusters[0].Price != nil {
		t.Errorf("what has no price costs %+v", v.Price)
	}
}
