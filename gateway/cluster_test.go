//go:build integration

package gateway_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	fleet "github.com/marina-cloud/marina/node-fleet"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

func TestOptions(t *testing.T) {
	t.Parallel()
	a := start(t)
	var got struct {
		Versions []struct {
			Version string `json:"version"`
			Full    string `json:"kubernetes_version"`
			Default bool   `json:"default"`
		} `json:"versions"`
		Sizes []struct {
			fleet.Size
			Price *cost `json:"price"`
		} `json:"sizes"`
		MaxPool      int    `json:"max_pool_count"`
		Currency     string `json:"currency"`
		ControlPlane *cost  `json:"control_plane_price"`
	}
	a.do(t, "GET", "/v1/options", "").decode(t, http.StatusOK, &got) // without a token
	if len(got.Versions) != len(controlplane.Versions()) || got.Versions[0].Version != controlplane.DefaultVersion().Minor || !got.Versions[0].Default {
		t.Errorf("versions: %+v", got.Versions)
	}
	if len(got.Sizes) != len(fleet.Sizes) || got.Sizes[0].Size != fleet.Sizes[0] || got.MaxPool != fleet.MaxPoolCount {
		t.Errorf("sizes: %+v, up to %d nodes", got.Sizes, got.MaxPool)
	}
	if p := got.Sizes[0].Price; got.Currency != "EUR" || p == nil || *p != (cost{"0.01", "6.72"}) || got.Sizes[1].Price != nil {
		t.Errorf("prices of nodes in %s: %v, %v; want one for the first size and none for the second", got.Currency, p, got.Sizes[1].Price)
	}
	if p := got.ControlPlane; p == nil || *p != (cost{"0.015", "10.08"}) {
		t.Errorf("price of a control plane: %v", p)
	}
}

type cost struct{ Hour, Month string }

func TestClusterLife(t *testing.T) {
	t.Parallel()
	a := start(t)
	ada := a.signUp(t, "ada@example.com")
	created := a.do(t, "POST", "/v1/clusters", `{"name":"production"}`, ada.bearer()...)
	var c struct {
		resource
		Version     string           `json:"version"`
		PodCIDR     string           `json:"pod_cidr"`
		ServiceCIDR string           `json:"service_cidr"`
		Endpoint    string           `json:"endpoint"`
		Issuer      string           `json:"issuer"`
		Conditions  []map[string]any `json:"conditions"`
	}
	created.decode(t, http.StatusCreated, &c)
	if c.Name != "production" || c.Phase != "provisioning" || c.Version != controlplane.DefaultVersion().Minor ||
		c.PodCIDR != controlplane.DefaultPodCIDR || c.ServiceCIDR != controlplane.DefaultServiceCIDR ||
		c.Endpoint != "https://203.0.113.7:6443" || c.Issuer == "" || len(c.Conditions) != 1 {
		t.Errorf("created %s", created.body)
	}
	if got := a.do(t, "GET", "/v1/clusters/"+c.ID, "", ada.bearer()...); got.body != created.body {
		t.Errorf("shown as %s, created as %s", got.body, created.body)
	}
	a.do(t, "GET", "/v1/clusters/"+c.ID+"/kubeconfig", "", ada.bearer()...).problem(t, http.StatusConflict, "cluster_not_running")

	running, _, _ := a.populate(ada.Organization, 1)
	got := a.do(t, "GET", "/v1/clusters/"+string(running.ID)+"/kubeconfig", "", ada.bearer()...)
	if got.status != http.StatusOK || got.header.Get("Content-Type") != "application/yaml" || got.header.Get("Cache-Control") != "no-store" || got.body != "server: https://203.0.113.7:6443\n" {
		t.Errorf("kubeconfig: %d %v %s", got.status, got.header, got.body)
	}
	// The fake's deletion is over before the answer is made.
	var gone resource
	a.do(t, "DELETE", "/v1/clusters/"+c.ID+"?purge=true", "", ada.bearer()...).decode(t, http.StatusAccepted, &gone)
	if gone.ID != c.ID || gone.Phase != "deleting" {
		t.Errorf("deletion answered %+v", gone)
	}
	a.do(t, "DELETE", "/v1/clusters/"+c.ID, "", ada.bearer()...).problem(t, http.StatusNotFound, "cluster_not_found")
	a.do(t, "GET", "/v1/clusters/"+c.ID, "", ada.bearer()...).problem(t, http.StatusNotFound, "cluster_not_found")
}

func TestClusterWrongFields(t *testing.T) {
	t.Parallel()
	a := start(t)
	ada := a.signUp(t, "ada@example.com")
	for name, tc := range map[string]struct {
		body string
		want []string
	}{
		"Nothing":           {`{}`, []string{"body.name"}},
		"Null":              {`null`, []string{"body", "body.name"}},
		"UnknownProperty":   {`{"name":"a","verison":"1.37"}`, []string{"body.verison"}},
		"OtherCase":         {`{"name":"a","Version":"1.37"}`, []string{"body.Version"}},
		"TypeAndMeaning":    {`{"name":"Not A Label","version":137}`, []string{"body.name", "body.version"}},
		"NameType":          {`{"name":["a"]}`, []string{"body.name"}},
		"NameNoLabel":       {`{"name":"-a"}`, []string{"body.name"}},
		"NameDot":           {`{"name":"a.b"}`, []string{"body.name"}},
		"NameNUL":           {`{"name":"a\u0000"}`, []string{"body.name"}},
		"NameNewline":       {`{"name":"a\n"}`, []string{"body.name"}},
		"NameLong":          {`{"name":"` + strings.Repeat("a", 41) + `"}`, []string{"body.name"}},
		"UnknownVersion":    {`{"name":"a","version":"1.12"}`, []string{"body.version"}},
		"NetworksOverlap":   {`{"name":"a","pod_cidr":"10.0.0.0/16","service_cidr":"10.0.0.0/16"}`, []string{"body.service_cidr"}},
		"NetworkNoNetwork":  {`{"name":"a","pod_cidr":"10.0.0.1"}`, []string{"body.pod_cidr"}},
		"EverythingAtOnce":  {`{"name":"A","version":"x","pod_cidr":"x","service_cidr":"::/0","n":1}`, []string{"body.name", "body.version", "body.pod_cidr", "body.service_cidr", "body.n"}},
		"UnknownAndTypeToo": {`{"name":{"a":1},"m":null}`, []string{"body.name", "body.m"}},
	} {
		t.Run(name, func(t *testing.T) {
			a.do(t, "POST", "/v1/clusters", tc.body, ada.bearer()...).errorsAt(t, tc.want...)
		})
	}
	// Of a small request with very many wrong fields the answer stays small.
	var body strings.Builder
	body.WriteString(`{"name":"a"`)
	for i := range 5000 {
		fmt.Fprintf(&body, `,"x%d":1`, i)
	}
	if got := a.do(t, "POST", "/v1/clusters", body.String()+"}", ada.bearer()...).problem(t, 422, "invalid"); len(got) != 100 {
		t.Errorf("%d errors, want the limit of 100", len(got))
	}
	if len(a.clusters) != 0 {
		t.Errorf("made all the same: %v", a.clusters)
	}
}

func TestClusterRefusals(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.quota = 2
	ada, eve := a.signUp(t, "ada@example.com"), a.signUp(t, "eve@example.com")
	a.do(t, "POST", "/v1/clusters", `{"name":"one"}`, ada.bearer()...).decode(t, http.StatusCreated, &resource{})
	a.do(t, "POST", "/v1/clusters", `{"name":"one"}`, ada.bearer()...).problem(t, http.StatusConflict, "cluster_name_taken")
	a.do(t, "POST", "/v1/clusters", `{"name":"one"}`, eve.bearer()...).decode(t, http.StatusCreated, &resource{}) // a name of its own
	a.do(t, "POST", "/v1/clusters", `{"name":"two"}`, ada.bearer()...).decode(t, http.StatusCreated, &resource{})
	a.do(t, "POST", "/v1/clusters", `{"name":"three"}`, ada.bearer()...).problem(t, http.StatusForbidden, "cluster_quota")
}

func TestIssuer(t *testing.T) {
	t.Parallel()
	a := start(t)
	ada := a.signUp(t, "ada@example.com")
	c, _, _ := a.populate(ada.Organization, 0)
	base := "/clusters/" + string(c.ID)
	for path, want := range map[string]string{
		base + "/.well-known/openid-configuration": "application/json",
		base + "/openid/v1/jwks":                   "application/jwk-set+json",
	} {
		got := a.do(t, "GET", path, "") // by whoever was shown a token
		if got.status != http.StatusOK || got.header.Get("Content-Type") != want || got.header.Get("Cache-Control") != "public, max-age=300" {
			t.Errorf("%s: %d %v %s", path, got.status, got.header, got.body)
		}
		unknown := strings.Replace(path, string(c.ID), "kc-01k9xw3e5v8m2q4r6t8y0a1b2c", 1)
		got = a.do(t, "GET", unknown, "")
		got.problem(t, http.StatusNotFound, "cluster_not_found")
		if got.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: an error may be cached: %v", unknown, got.header)
		}
	}
}

func TestPools(t *testing.T) {
	t.Parallel()
	a := start(t)
	ada := a.signUp(t, "ada@example.com")
	c, _, n := a.populate(ada.Organization, 0)
	cluster := "/v1/clusters/" + string(c.ID)
	pools := cluster + "/node-pools"
	var p struct {
		resource
		Size   string            `json:"size"`
		Labels map[string]string `json:"labels"`
		Taints []fleet.Taint     `json:"taints"`
	}
	a.do(t, "POST", pools, `{"name":"batch","count":2,"labels":{"tier":"batch"},"taints":[{"key":"dedicated","effect":"NoSchedule"}]}`, ada.bearer()...).decode(t, http.StatusCreated, &p)
	if p.Name != "batch" || p.Size != "small" || p.Count != 2 || p.Labels["tier"] != "batch" || len(p.Taints) != 1 || p.Phase != "provisioning" {
		t.Errorf("created %+v", p)
	}
	for name, tc := range map[string]struct {
		body string
		want []string
	}{
		"Nothing":    {`{}`, []string{"body.name", "body.count"}},
		"BelowZero":  {`{"name":"a","count":-1}`, []string{"body.count"}},
		"OverMax":    {fmt.Sprintf(`{"name":"a","count":%d}`, fleet.MaxPoolCount+1), []string{"body.count"}},
		"NoInteger":  {`{"name":"a","count":1.5}`, []string{"body.count"}},
		"NoInt64":    {`{"name":"a","count":1e30}`, []string{"body.count"}},
		"CountType":  {`{"name":"a","count":"2"}`, []string{"body.count"}},
		"Size":       {`{"name":"a","count":1,"size":"huge"}`, []string{"body.size"}},
		"Name":       {`{"name":"A","count":1}`, []string{"body.name"}},
		"Label":      {`{"name":"a","count":1,"labels":{"kubernetes.io/x":"y"}}`, []string{"body.labels[kubernetes.io/x]"}},
		"LabelType":  {`{"name":"a","count":1,"labels":{"x":1}}`, []string{"body.labels.x"}},
		"Taint":      {`{"name":"a","count":1,"taints":[{"key":"k","effect":"NoExecute"},{"key":"","effect":"Never"}]}`, []string{"body.taints[1].key", "body.taints[1].effect"}},
		"TaintField": {`{"name":"a","count":1,"taints":[{"key":"k","efect":"NoExecute"}]}`, []string{"body.taints[0].effect", "body.taints[0].efect"}},
	} {
		t.Run(name, func(t *testing.T) {
			a.do(t, "POST", pools, tc.body, ada.bearer()...).errorsAt(t, tc.want...)
		})
	}
	a.do(t, "POST", pools, `{"name":"batch","count":0}`, ada.bearer()...).problem(t, http.StatusConflict, "pool_name_taken")
	a.do(t, "POST", pools, fmt.Sprintf(`{"name":"many","count":%d}`, fleet.MaxNodes+1), ada.bearer()...).problem(t, http.StatusForbidden, "node_quota")
	a.do(t, "POST", "/v1/clusters/kc-01k9xw3e5v8m2q4r6t8y0a1b2c/node-pools", `{"name":"a","count":1}`, ada.bearer()...).problem(t, http.StatusNotFound, "cluster_not_found")

	pool := pools + "/" + p.ID
	var resized resource
	a.do(t, "PATCH", pool, `{"count":3}`, ada.bearer()...).decode(t, http.StatusOK, &resized)
	if resized.Count != 3 {
		t.Errorf("resized to %d", resized.Count)
	}
	a.do(t, "PATCH", pool, `{"count":0}`, ada.bearer()...).decode(t, http.StatusOK, &resized)
	a.do(t, "PATCH", pool, `{}`, ada.bearer()...).errorsAt(t, "body.count") // absent is not zero
	a.do(t, "PATCH", pool, `{"count":-1}`, ada.bearer()...).errorsAt(t, "body.count")
	a.do(t, "PATCH", pool, `{"count":1,"size":"large"}`, ada.bearer()...).errorsAt(t, "body.size")
	a.do(t, "PATCH", pool, fmt.Sprintf(`{"count":%d}`, fleet.MaxNodes+1), ada.bearer()...).problem(t, http.StatusForbidden, "node_quota")

	var gone resource
	a.do(t, "DELETE", pool, "", ada.bearer()...).decode(t, http.StatusAccepted, &gone)
	if gone.Phase != "deleting" {
		t.Errorf("deletion answered %+v", gone)
	}
	a.do(t, "GET", pool, "", ada.bearer()...).problem(t, http.StatusNotFound, "pool_not_found")

	var node struct {
		resource
		Pool  string `json:"pool_id"`
		Ready bool   `json:"ready"`
	}
	a.do(t, "GET", cluster+"/nodes/"+string(n.ID), "", ada.bearer()...).decode(t, http.StatusOK, &node)
	if node.Name != n.Name || node.Pool != string(n.Pool) || !node.Ready || node.Phase != "running" {
		t.Errorf("node is %+v", node)
	}
	a.do(t, "GET", cluster+"/nodes/nd-x", "", ada.bearer()...).problem(t, http.StatusNotFound, "node_not_found")
}
