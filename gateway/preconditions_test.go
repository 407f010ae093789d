//go:build integration

package gateway_test

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

func TestPreconditions(t *testing.T) {
	t.Parallel()
	a := start(t)
	ada := a.signUp(t, "ada@example.com")
	c, p, _ := a.populate(ada.Organization, 0)
	cluster := "/v1/clusters/" + string(c.ID)
	for what, tc := range map[string]struct{ path, change string }{
		"cluster": {cluster, `{"deletion_protection":false}`},
		"pool":    {cluster + "/node-pools/" + string(p.ID), `{"count":1}`},
	} {
		tag := a.do(t, "GET", tc.path, "", ada.bearer()...).header.Get("ETag")
		if len(tag) < 18 || tag[0] != '"' || tag[len(tag)-1] != '"' {
			t.Fatalf("%s: ETag is %s, want a strong one (RFC 9110, 8.8.3)", what, tag)
		}
		with := func(name, value string) []string { return append(ada.bearer(), name, value) }
		for _, list := range []string{tag, "W/" + tag, `"other", ` + tag, "*"} { // compared weakly (13.1.2)
			got := a.do(t, "GET", tc.path, "", with("If-None-Match", list)...)
			if got.status != http.StatusNotModified || got.body != "" || got.header.Get("ETag") != tag {
				t.Errorf("%s: GET If-None-Match %s: %d %s, ETag %s; want 304", what, list, got.status, got.body, got.header.Get("ETag"))
			}
			a.do(t, "PATCH", tc.path, tc.change, with("If-None-Match", list)...).problem(t, http.StatusPreconditionFailed, "precondition_failed")
		}
		for _, list := range []string{`"other"`, "W/" + tag, "other", tag[1 : len(tag)-1]} { // compared strongly (13.1.1)
			a.do(t, "GET", tc.path, "", with("If-Match", list)...).problem(t, http.StatusPreconditionFailed, "precondition_failed")
			a.do(t, "PATCH", tc.path, tc.change, with("If-Match", list)...).problem(t, http.StatusPreconditionFailed, "precondition_failed")
			a.do(t, "DELETE", tc.path, "", with("If-Match", list)...).problem(t, http.StatusPreconditionFailed, "precondition_failed")
		}
		for _, headers := range [][]string{with("If-Match", tag), with("If-Match", "*"), with("If-Match", `"other",`+tag), with("If-None-Match", `"other"`)} {
			if got := a.do(t, "GET", tc.path, "", headers...); got.status != http.StatusOK {
				t.Errorf("%s: GET with %v: %d %s", what, headers[2:], got.status, got.body)
			}
			if got := a.do(t, "PATCH", tc.path, tc.change, headers...); got.status != http.StatusOK || got.header.Get("ETag") != tag {
				t.Errorf("%s: PATCH with %v: %d %s, ETag %s", what, headers[2:], got.status, got.body, got.header.Get("ETag"))
			}
		}
	}
	// What Marina does to a cluster changes its tag, too: the tag is of all that is shown.
	before := a.do(t, "GET", cluster, "", ada.bearer()...).header.Get("ETag")
	a.changeCluster(c.ID, func(c *controlplane.Cluster) { c.Phase = controlplane.Degraded })
	if after := a.do(t, "GET", cluster, "", ada.bearer()...).header.Get("ETag"); after == before {
		t.Errorf("the ETag %s did not change with the phase", after)
	}
	a.do(t, "DELETE", cluster, "", append(ada.bearer(), "If-Match", before)...).problem(t, http.StatusPreconditionFailed, "precondition_failed")
}

// TestTwoWriters: of those who know the same state, one changes it.
func TestTwoWriters(t *testing.T) {
	t.Parallel()
	a := start(t)
	ada := a.signUp(t, "ada@example.com")
	c, p, _ := a.populate(ada.Organization, 0)
	cluster := "/v1/clusters/" + string(c.ID)
	for path, change := range map[string]string{cluster: `{"name":"name-%d"}`, cluster + "/node-pools/" + string(p.ID): `{"count":%d}`} {
		tag := a.do(t, "GET", path, "", ada.bearer()...).header.Get("ETag")
		var won, lost atomic.Int64
		var group sync.WaitGroup
		for i := range 8 {
			group.Go(func() {
				switch got := a.do(t, "PATCH", path, fmt.Sprintf(change, i+2), append(ada.bearer(), "If-Match", tag)...); got.status {
				case http.StatusOK:
					won.Add(1)
				case http.StatusPreconditionFailed:
					lost.Add(1)
				}
			})
		}
		group.Wait()
		if won.Load() != 1 || lost.Load() != 7 {
			t.Errorf("%s: %d of 8 writers with one ETag won, %d lost; want 1 and 7", path, won.Load(), lost.Load())
		}
	}
}

func TestChangeCluster(t *testing.T) {
	t.Parallel()
	a := start(t)
	ada := a.signUp(t, "ada@example.com")
	var c struct {
		resource
		Protected bool `json:"deletion_protection"`
	}
	a.do(t, "POST", "/v1/clusters", `{"name":"production","deletion_protection":true}`, ada.bearer()...).decode(t, http.StatusCreated, &c)
	a.do(t, "POST", "/v1/clusters", `{"name":"other"}`, ada.bearer()...).decode(t, http.StatusCreated, &resource{})
	if !c.Protected {
		t.Error("created without deletion protection")
	}
	path := "/v1/clusters/" + c.ID
	a.do(t, "DELETE", path, "", ada.bearer()...).problem(t, http.StatusConflict, "deletion_protected")
	a.do(t, "PATCH", path, `{"name":"web"}`, ada.bearer()...).decode(t, http.StatusOK, &c)
	if c.Name != "web" || !c.Protected {
		t.Errorf("renamed: %+v; what is not named stays", c)
	}
	a.do(t, "PATCH", path, `{"name":"other"}`, ada.bearer()...).problem(t, http.StatusConflict, "cluster_name_taken")
	a.do(t, "PATCH", path, `{"name":"No Label"}`, ada.bearer()...).errorsAt(t, "body.name")
	a.do(t, "PATCH", path, `{"name":"","deletion_protection":"no"}`, ada.bearer()...).errorsAt(t, "body.name", "body.deletion_protection")
	a.do(t, "PATCH", path, `{"version":"1.36","pod_cidr":"10.0.0.0/16"}`, ada.bearer()...).errorsAt(t, "body.version", "body.pod_cidr")
	a.do(t, "PATCH", path, `{"deletion_protection":false}`, ada.bearer()...).decode(t, http.StatusOK, &c)
	a.do(t, "DELETE", path, "", ada.bearer()...).decode(t, http.StatusAccepted, &c)
}
