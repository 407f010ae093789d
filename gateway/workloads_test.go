//go:build integration

package gateway_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/marina-cloud/marina/gateway/identity"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

func TestWorkloads(t *testing.T) {
	t.Parallel()
	a := start(t)
	ada := a.signUp(t, "ada@example.com")
	c, _, _ := a.populate(ada.Organization, 0)
	path := "/v1/clusters/" + string(c.ID) + "/workloads/"
	var pods struct {
		Items []struct{ Name, Namespace, Status, Node string }
		Next  string `json:"next_cursor"`
	}
	// The world's pods are named by who asks for what.
	a.do(t, "GET", path+"pods?namespace=shop&limit=7&cursor=abc%3D", "", ada.bearer()...).decode(t, http.StatusOK, &pods)
	if len(pods.Items) != 1 || pods.Items[0].Name != "ada@example.com marina:admins 7 abc=" || pods.Items[0].Namespace != "shop" || pods.Next != "next" {
		t.Errorf("pods: %+v", pods)
	}
	viewer := a.member(t, ada.Organization, identity.Viewer)
	a.do(t, "GET", path+"namespaces", "", viewer.bearer()...).decode(t, http.StatusOK, &pods)
	if len(pods.Items) != 1 || pods.Items[0].Name != viewer.Email+" marina:viewers 50 " {
		t.Errorf("namespaces as a viewer: %+v", pods)
	}
	var events struct {
		Items []struct{ Object string }
		More  bool
	}
	a.do(t, "GET", path+"events?limit=3", "", ada.bearer()...).decode(t, http.StatusOK, &events)
	if len(events.Items) != 1 || !events.More || events.Items[0].Object != "ada@example.com marina:admins 3" {
		t.Errorf("events: %+v", events)
	}
	for query, field := range map[string]string{
		"pods?namespace=../secrets": "query.namespace", "pods?limit=0": "query.limit", "pods?limit=201": "query.limit", "events?limit=501": "query.limit",
		"pods?cursor=" + strings.Repeat("x", 4097): "query.cursor", "events?cursor=x": "query.cursor", "namespaces?namespace=x": "query.namespace",
	} {
		a.do(t, "GET", path+query, "", ada.bearer()...).errorsAt(t, field)
	}
}

// TestWorkloadsRefusedInside: what a cluster's own rules refuse is not taken for a
// refusal of Marina's.
func TestWorkloadsRefusedInside(t *testing.T) {
	t.Parallel()
	a := start(t)
	ada := a.signUp(t, "ada@example.com")
	c, _, _ := a.populate(ada.Organization, 0)
	path := "/v1/clusters/" + string(c.ID) + "/workloads/pods"
	a.do(t, "GET", path+"?namespace=forbidden", "", ada.bearer()...).problem(t, http.StatusForbidden, "kubernetes_forbidden")
	a.changeCluster(c.ID, func(c *controlplane.Cluster) { c.Phase = controlplane.Provisioning })
	a.do(t, "GET", path, "", ada.bearer()...).problem(t, http.StatusConflict, "cluster_not_running")
	billing := a.member(t, ada.Organization, identity.Billing)
	a.do(t, "GET", path, "", billing.bearer()...).problem(t, http.StatusForbidden, "not_permitted")
}
