package client_test

import (
	"encoding/json"
	"log/slog"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/marina-cloud/marina/deploy/client"
	"github.com/marina-cloud/marina/gateway"
)

// schema is what of a JSON schema the API's description uses.
type schema struct {
	Ref        string             `json:"$ref"`
	Type       any                `json:"type"`
	Properties map[string]*schema `json:"properties"`
	Required   []string           `json:"required"`
	Items      *schema            `json:"items"`
}

type body struct {
	Content map[string]struct {
		Schema *schema `json:"schema"`
	} `json:"content"`
}

type description struct {
	Paths map[string]map[string]struct {
		RequestBody *body           `json:"requestBody"`
		Responses   map[string]body `json:"responses"`
	} `json:"paths"`
	Components struct {
		Schemas map[string]*schema `json:"schemas"`
	} `json:"components"`
}

func (d description) resolve(s *schema) *schema {
	if s != nil && s.Ref != "" {
		return d.Components.Schemas[s.Ref[strings.LastIndex(s.Ref, "/")+1:]]
	}
	return s
}

// lacks says which fields of a Go type a schema does not know.
func (d description) lacks(s *schema, t reflect.Type, at string) []string {
	s = d.resolve(s)
	for s != nil && t.Kind() == reflect.Slice && t.Elem().Kind() != reflect.Uint8 {
		t, s = t.Elem(), d.resolve(s.Items)
	}
	if s == nil {
		return []string{at}
	}
	if t.Kind() != reflect.Struct || t.String() == "time.Time" {
		return nil
	}
	var missing []string
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		missing = append(missing, d.lacks(s.Properties[name], t.Field(i).Type, at+"."+name)...)
	}
	return missing
}

// TestTypesAreTheAPIs compares this package with the API's own description.
func TestTypesAreTheAPIs(t *testing.T) {
	t.Parallel()
	answer := httptest.NewRecorder()
	gateway.New(gateway.Deps{Log: slog.New(slog.DiscardHandler)}).ServeHTTP(answer, httptest.NewRequest("GET", "/openapi.json", nil))
	var d description
	if err := json.Unmarshal(answer.Body.Bytes(), &d); err != nil {
		t.Fatalf("read the API's description: %v", err)
	}
	const cluster = "/v1/clusters/{cluster_id}"
	for _, c := range []struct {
		method, path string
		in, out      any // nil: none
		page         bool
	}{
		{method: "post", path: "/v1/signup"},
		{method: "post", path: "/v1/signup/verify", out: client.Session{}},
		{method: "post", path: "/v1/password/forgot"},
		{method: "post", path: "/v1/password/reset"},
		{method: "post", path: "/v1/account/password"},
		{method: "post", path: "/v1/login", out: client.Session{}},
		{method: "get", path: "/v1/account", out: client.Account{}},
		{method: "post", path: "/v1/organizations", out: client.Membership{}},
		{method: "patch", path: "/v1/organization", out: client.Membership{}},
		{method: "delete", path: "/v1/organization"},
		{method: "post", path: "/v1/organization/leave"},
		{method: "get", path: "/v1/members", out: client.Member{}, page: true},
		{method: "patch", path: "/v1/members/{user_id}", out: client.Member{}},
		{method: "delete", path: "/v1/members/{user_id}"},
		{method: "get", path: "/v1/invitations", out: client.Invitation{}, page: true},
		{method: "post", path: "/v1/invitations", in: client.NewInvitation{}, out: client.Invitation{}},
		{method: "post", path: "/v1/invitations/{invitation_id}/resend", out: client.Invitation{}},
		{method: "delete", path: "/v1/invitations/{invitation_id}"},
		{method: "post", path: "/v1/invitations/accept", out: client.Membership{}},
		{method: "get", path: "/v1/audit", out: client.AuditLine{}, page: true},
		{method: "get", path: "/v1/audit/export"},
		{method: "get", path: "/v1/options", out: client.Options{}},
		{method: "get", path: "/v1/clusters", out: client.Cluster{}, page: true},
		{method: "post", path: "/v1/clusters", in: client.NewCluster{}, out: client.Cluster{}},
		{method: "get", path: cluster, out: client.Cluster{}},
		{method: "patch", path: cluster, in: client.ClusterChange{}, out: client.Cluster{}},
		{method: "delete", path: cluster, out: client.Cluster{}},
		{method: "post", path: cluster + "/undelete", out: client.Cluster{}},
		{method: "get", path: cluster + "/kubeconfig"},
		{method: "get", path: cluster + "/authorized-networks", out: client.Networks{}},
		{method: "put", path: cluster + "/authorized-networks", out: client.Networks{}},
		{method: "post", path: cluster + "/credentials", out: client.ExecCredential{}},
		{method: "get", path: cluster + "/credentials", out: client.Credential{}, page: true},
		{method: "delete", path: cluster + "/credentials/{credential_id}"},
		{method: "get", path: cluster + "/authentication"},
		{method: "put", path: cluster + "/authentication"},
		{method: "delete", path: cluster + "/authentication"},
		{method: "post", path: cluster + "/revoked-tokens"},
		{method: "get", path: cluster + "/logs"},
		{method: "get", path: cluster + "/metrics"},
		{method: "get", path: cluster + "/events", out: client.Event{}, page: true},
		{method: "get", path: cluster + "/node-pools", out: client.Pool{}, page: true},
		{method: "post", path: cluster + "/node-pools", in: client.NewPool{}, out: client.Pool{}},
		{method: "get", path: cluster + "/node-pools/{pool_id}", out: client.Pool{}},
		{method: "patch", path: cluster + "/node-pools/{pool_id}", out: client.Pool{}},
		{method: "delete", path: cluster + "/node-pools/{pool_id}"},
		{method: "get", path: "/v1/operator/mails", out: client.Mail{}, page: true},
		{method: "get", path: "/v1/operator/mails/{mail_id}", out: client.Mail{}},
		{method: "get", path: cluster + "/nodes", out: client.Node{}, page: true},
		{method: "get", path: "/v1/operator/organizations", out: client.OrganizationSummary{}, page: true},
		{method: "get", path: "/v1/operator/clusters", out: client.PlacedCluster{}, page: true},
		{method: "get", path: "/v1/operator/nodes", out: client.PlacedNode{}, page: true},
		{method: "get", path: "/v1/operator/installation", out: client.Installation{}},
	} {
		op, ok := d.Paths[c.path][c.method]
		if !ok {
			t.Errorf("%s %s: the API has no such operation", c.method, c.path)
			continue
		}
		if c.in != nil {
			if op.RequestBody == nil {
				t.Errorf("%s %s takes no body", c.method, c.path)
				continue
			}
			missing := d.lacks(op.RequestBody.Content["application/json"].Schema, reflect.TypeOf(c.in), "body")
			if missing != nil {
				t.Errorf("%s %s does not take %v", c.method, c.path, missing)
			}
		}
		if c.out == nil {
			continue
		}
		for status, answer := range op.Responses {
			if !strings.HasPrefix(status, "2") {
				continue
			}
			s := answer.Content["application/json"].Schema
			if c.page {
				s = d.resolve(s).Properties["items"].Items
			}
			if missing := d.lacks(s, reflect.TypeOf(c.out), "body"); missing != nil {
				t.Errorf("%s %s does not answer %v", c.method, c.path, missing)
			}
		}
	}
}
