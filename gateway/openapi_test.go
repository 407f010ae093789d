package gateway_test

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"

	"github.com/marina-cloud/marina/gateway"
	fleet "github.com/marina-cloud/marina/node-fleet"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

// openAPI is what these tests look at of an OpenAPI document.
type openAPI struct {
	Version    string                          `json:"openapi"`
	Paths      map[string]map[string]operation `json:"paths"`
	Components struct {
		Schemas         map[string]schema         `json:"schemas"`
		SecuritySchemes map[string]map[string]any `json:"securitySchemes"`
	} `json:"components"`
}

type operation struct {
	ID         string                `json:"operationId"`
	Summary    string                `json:"summary"`
	Tags       []string              `json:"tags"`
	Security   []map[string][]string `json:"security"`
	Permission string                `json:"x-marina-permission"`
	Parameters []struct {
		Name string `json:"name"`
		In   string `json:"in"`
	} `json:"parameters"`
	RequestBody *struct {
		Required bool            `json:"required"`
		Content  map[string]body `json:"content"`
	} `json:"requestBody"`
	Responses map[string]struct {
		Content map[string]body `json:"content"`
		Headers map[string]any  `json:"headers"`
	} `json:"responses"`
}

type body struct {
	Schema schema `json:"schema"`
}

type schema struct {
	Ref        string            `json:"$ref"`
	Type       any               `json:"type"`
	Enum       []string          `json:"enum"`
	Minimum    *float64          `json:"minimum"`
	Maximum    *float64          `json:"maximum"`
	Properties map[string]schema `json:"properties"`
}

// public are the operations that need no token, and why.
var public = map[string]string{
	"signUp":                 "whoever signs up has none",
	"verifySignUp":           "nor has whoever has read the mail; it has a secret",
	"forgotPassword":         "whoever has forgotten the password cannot get one",
	"resetPassword":          "nor has whoever has read the mail; it has a secret",
	"logIn":                  "whoever logs in has none",
	"listProviders":          "whoever logs in has none",
	"beginOpenIDLogIn":       "whoever logs in has none",
	"logInWithOpenID":        "whoever logs in has none",
	"beginPasskeyLogIn":      "whoever logs in has none",
	"logInWithPasskey":       "whoever logs in has none",
	"showInvitation":         "the link in the mail says who may see it",
	"signUpInvited":          "whoever is invited has none",
	"getOptions":             "prices and versions are for everybody",
	"getOpenIDConfiguration": "whoever is shown a token verifies it",
	"getJWKS":                "whoever is shown a token verifies it",
}

// undescribed are the routes that are not for clients of the API.
var undescribed = []string{"/healthz", "/openapi.json", "/openapi.yaml"}

func describe(t *testing.T) (d openAPI, routes chi.Routes) {
	t.Helper()
	h := gateway.New(gateway.Deps{Log: slog.New(slog.DiscardHandler), Version: "v1.2.3"})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/openapi.json", nil))
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/openapi+json" {
		t.Fatalf("openapi.json: %d %v", w.Code, w.Header())
	}
	if err := json.Unmarshal(w.Body.Bytes(), &d); err != nil {
		t.Fatal(err)
	}
	return d, h.(chi.Routes)
}

func TestOpenAPIHasEveryRoute(t *testing.T) {
	t.Parallel()
	d, routes := describe(t)
	if d.Version != "3.1.0" {
		t.Errorf("OpenAPI version %s", d.Version)
	}
	described := 0
	for _, path := range d.Paths {
		described += len(path)
	}
	err := chi.Walk(routes, func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		if slices.Contains(undescribed, route) {
			return nil
		}
		described--
		if _, ok := d.Paths[route][strings.ToLower(method)]; !ok {
			t.Errorf("%s %s is not in the OpenAPI document", method, route)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if described != 0 {
		t.Errorf("%d more operations in the OpenAPI document than routes", described)
	}
}

func TestOpenAPIOperations(t *testing.T) {
	t.Parallel()
	d, _ := describe(t)
	if s := d.Components.SecuritySchemes["token"]; s["type"] != "http" || s["scheme"] != "bearer" {
		t.Errorf("security scheme is %v", s)
	}
	// What makes something and answers without a secret.
	repeatable := map[string]bool{"createCluster": true, "createNodePool": true, "createInvitation": true}
	ids := map[string]bool{}
	for path, operations := range d.Paths {
		for method, op := range operations {
			if op.ID == "" || ids[op.ID] || op.Summary == "" || len(op.Tags) != 1 {
				t.Errorf("%s %s: id %q, summary %q, tags %v", method, path, op.ID, op.Summary, op.Tags)
			}
			ids[op.ID] = true
			_, open := public[op.ID]
			if secured := len(op.Security) == 2 && op.Security[0]["token"] != nil && op.Security[1]["session"] != nil; secured == open || (op.Permission == "") != open {
				t.Errorf("%s: security is %v, permission %q; if it needs no token, say why in this test", op.ID, op.Security, op.Permission)
			}
			var keys int
			for _, p := range op.Parameters {
				if p.Name == "Idempotency-Key" && p.In == "header" {
					keys++
				}
			}
			if (keys == 1) != repeatable[op.ID] || keys > 1 {
				t.Errorf("%s documents the Idempotency-Key %d times", op.ID, keys)
			}
			if b := op.RequestBody; b != nil && (!b.Required || b.Content["application/json"].Schema.Ref == "") {
				t.Errorf("%s: body is %+v", op.ID, b)
			}
			checkAnswers(t, op, open)
		}
	}
}

func checkAnswers(t *testing.T, op operation, open bool) {
	t.Helper()
	success := 0
	for status, r := range op.Responses {
		if _, ok := r.Headers["Retry-After"]; ok != (status == "429") {
			t.Errorf("%s: %s has the headers %v; Retry-After belongs to a 429", op.ID, status, r.Headers)
		}
		if r.Headers["RateLimit"] == nil != open || r.Headers["RateLimit-Policy"] == nil != open {
			t.Errorf("%s: %s has the headers %v; RateLimit and RateLimit-Policy tell what is left to an organization", op.ID, status, r.Headers)
		}
		if status == "101" { // a WebSocket begins
			success++
			continue
		}
		if status == "304" && len(r.Content) == 0 { // what the client knows
			continue
		}
		if status[0] == '2' {
			success++
			if status != "204" && len(r.Content) != 1 {
				t.Errorf("%s: %s has contents %v", op.ID, status, r.Content)
			}
			continue
		}
		if len(r.Content) != 1 || r.Content["application/problem+json"].Schema.Ref != "#/components/schemas/Problem" {
			t.Errorf("%s: %s is %v, want a problem", op.ID, status, r.Content)
		}
	}
	want := []string{"422", "429", "500", "503"}
	if !open {
		want = append(want, "401")
	}
	if op.RequestBody != nil {
		want = append(want, "400", "408", "413", "415")
	}
	for _, status := range want {
		if _, ok := op.Responses[status]; !ok && (status != "422" || op.RequestBody != nil || len(op.Parameters) > 0) {
			t.Errorf("%s does not say that it may answer %s", op.ID, status)
		}
	}
	if success != 1 {
		t.Errorf("%s has %d ways to succeed", op.ID, success)
	}
}

// TestOpenAPIAgreesWithTheDomain holds what is written twice.
func TestOpenAPIAgreesWithTheDomain(t *testing.T) {
	t.Parallel()
	d, _ := describe(t)
	phases := d.Components.Schemas["ClusterView"].Properties["phase"].Enum
	for _, p := range controlplane.Phases() {
		if !slices.Contains(phases, string(p)) {
			t.Errorf("phase %s of clusters is not in the API: %v", p, phases)
		}
	}
	if len(phases) != len(controlplane.Phases()) {
		t.Errorf("phases of clusters in the API: %v", phases)
	}
	for _, name := range []string{"NewPoolBody", "ResizeBody"} {
		count := d.Components.Schemas[name].Properties["count"]
		if count.Minimum == nil || *count.Minimum != 0 || count.Maximum == nil || *count.Maximum != fleet.MaxPoolCount {
			t.Errorf("%s: count is %+v, want 0 to %d", name, count, fleet.MaxPoolCount)
		}
	}
	for _, name := range []string{"type", "title", "status", "code", "detail", "errors"} {
		if _, ok := d.Components.Schemas["Problem"].Properties[name]; !ok {
			t.Errorf("a problem's %s is not described", name)
		}
	}
}
