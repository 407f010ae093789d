package cli

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/marina-cloud/marina/deploy/client"
)

// api is Marina's REST API with nothing behind it. That its JSON is the real one's
// is what the tests of package client prove.
type api struct {
	URL string

	mu       sync.Mutex
	asked    []string // METHOD /path of every request
	clusters map[string]*client.Cluster
	pools    map[string]*client.Pool
	nodes    []client.Node
	events   []client.Event

	credentials    []client.Credential
	life           time.Duration // of new ones; 0: an hour
	lives          []string      // of kubeconfigs that were asked for, in seconds
	authentication map[string]any
	revokedTokens  map[string]int64 // by id: for how many seconds more
	networks       []string

	boots   int // how often a new cluster or pool is asked for until it runs
	outages int // how many requests are answered with 503
	next    int
}

const (
	goodPassword = "correct horse"
	goodToken    = "mrn_secret"
	goodLink     = "marina_link"
)

func newAPI(t *testing.T) *api {
	t.Helper()
	a := &api{clusters: map[string]*client.Cluster{}, pools: map[string]*client.Pool{}, authentication: map[string]any{"jwt": []any{}}, revokedTokens: map[string]int64{}}
	mux := http.NewServeMux()
	handle := func(pattern string, h http.HandlerFunc) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			a.mu.Lock()
			defer a.mu.Unlock()
			a.asked = append(a.asked, r.Method+" "+r.URL.Path)
			if a.outages > 0 {
				a.outages--
				problem(w, 503, "database_unavailable", "The database does not answer. Try again in a moment.")
				return
			}
			open := strings.HasPrefix(r.URL.Path, "/v1/signup") || strings.HasPrefix(r.URL.Path, "/v1/password") || r.URL.Path == "/v1/login" || r.URL.Path == "/v1/options"
			if !open && r.Header.Get("Authorization") != "Bearer "+goodToken {
				problem(w, 401, "bad_token", "The token is unknown, revoked or past its time. Log in to get a new one.")
				return
			}
			h(w, r)
		})
	}
	mailed := func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 202, map[string]string{"email": "ada@example.com"})
	}
	handle("POST /v1/signup", mailed)
	handle("POST /v1/signup/verify", a.session)
	handle("POST /v1/password/forgot", mailed)
	changed := func(w http.ResponseWriter, r *http.Request) {
		var in struct{ Secret, Password string }
		_ = json.NewDecoder(r.Body).Decode(&in)
		if in.Secret != goodLink && in.Password != goodPassword {
			problem(w, 422, "link_not_good", "This link is not good any more.")
			return
		}
		w.WriteHeader(204)
	}
	handle("POST /v1/password/reset", changed)
	handle("POST /v1/account/password", changed)
	handle("POST /v1/login", a.session)
	handle("GET /v1/options", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"versions":[{"version":"1.37","kubernetes_version":"v1.37.2","default":true}],"sizes":[{"name":"small"},{"name":"large"}],"max_pool_count":100}`)
	})
	handle("GET /v1/clusters", func(w http.ResponseWriter, r *http.Request) {
		deleted := r.URL.Query().Get("deleted") == "true"
		page(w, slices.DeleteFunc(values(a.clusters), func(k *client.Cluster) bool { return (k.PurgeAt != nil) != deleted }))
	})
	handle("POST /v1/clusters/{id}/undelete", func(w http.ResponseWriter, r *http.Request) {
		if k := a.cluster(w, r); k != nil {
			k.Phase, k.PurgeAt = "running", nil
			answer(w, 202, k)
		}
	})
	handle("POST /v1/clusters", a.createCluster)
	handle("GET /v1/clusters/{id}", func(w http.ResponseWriter, r *http.Request) {
		if k := a.cluster(w, r); k != nil {
			a.boot(&k.Phase)
			answer(w, 200, k)
		}
	})
	handle("PATCH /v1/clusters/{id}", func(w http.ResponseWriter, r *http.Request) {
		if k := a.cluster(w, r); k != nil {
			_ = json.NewDecoder(r.Body).Decode(k)
			answer(w, 200, k)
		}
	})
	handle("DELETE /v1/clusters/{id}", func(w http.ResponseWriter, r *http.Request) {
		switch k := a.cluster(w, r); {
		case k == nil:
		case k.Protected:
			problem(w, 409, "deletion_protected", "Deletion protection is on for the cluster "+k.Name+".")
		default:
			k.Phase = "recoverable"
			if r.URL.Query().Get("purge") == "true" {
				delete(a.clusters, k.ID)
			} else {
				at := time.Date(2030, 1, 9, 12, 0, 0, 0, time.UTC)
				k.PurgeAt = &at
			}
			answer(w, 202, k)
		}
	})
	handle("GET /v1/clusters/{id}/kubeconfig", func(w http.ResponseWriter, r *http.Request) {
		if a.cluster(w, r) != nil {
			a.lives = append(a.lives, r.URL.Query().Get("expires_in_seconds"))
			fmt.Fprint(w, embedded)
		}
	})
	handle("POST /v1/clusters/{id}/credentials", func(w http.ResponseWriter, r *http.Request) {
		if k := a.cluster(w, r); k != nil {
			answer(w, 201, a.issue(k.ID))
		}
	})
	handle("GET /v1/clusters/{id}/authorized-networks", a.showNetworks)
	handle("PUT /v1/clusters/{id}/authorized-networks", func(w http.ResponseWriter, r *http.Request) {
		var in client.Networks
		_ = json.NewDecoder(r.Body).Decode(&in)
		a.networks = in.Networks
		a.showNetworks(w, r)
	})
	handle("GET /v1/clusters/{id}/credentials", func(w http.ResponseWriter, _ *http.Request) { page(w, a.credentials) })
	handle("DELETE /v1/clusters/{id}/credentials/{credential}", func(w http.ResponseWriter, r *http.Request) {
		for i := range a.credentials {
			if now := time.Now(); a.credentials[i].ID == r.PathValue("credential") {
				a.credentials[i].RevokedAt = &now
				w.WriteHeader(204)
				return
			}
		}
		problem(w, 404, "credential_not_found", "There is no such credential. It may have ended.")
	})
	handle("GET /v1/clusters/{id}/authentication", func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, a.authentication) })
	handle("PUT /v1/clusters/{id}/authentication", func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewDecoder(r.Body).Decode(&a.authentication)
		answer(w, 200, a.authentication)
	})
	handle("DELETE /v1/clusters/{id}/authentication", func(w http.ResponseWriter, _ *http.Request) {
		a.authentication = map[string]any{"jwt": []any{}}
		w.WriteHeader(204)
	})
	handle("POST /v1/clusters/{id}/revoked-tokens", func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			ID   string `json:"token_id"`
			Life int64  `json:"expires_in_seconds"`
		}
		_ = json.NewDecoder(r.Body).Decode(&in)
		a.revokedTokens[in.ID] = in.Life
		w.WriteHeader(204)
	})
	handle("GET /v1/clusters/{id}/events", func(w http.ResponseWriter, _ *http.Request) { page(w, a.events) })
	handle("GET /v1/clusters/{id}/nodes", func(w http.ResponseWriter, _ *http.Request) { page(w, a.nodes) })
	handle("GET /v1/clusters/{id}/node-pools", func(w http.ResponseWriter, _ *http.Request) { page(w, values(a.pools)) })
	handle("POST /v1/clusters/{id}/node-pools", a.createPool)
	handle("GET /v1/clusters/{id}/node-pools/{pool}", func(w http.ResponseWriter, r *http.Request) {
		if p := a.pool(w, r); p != nil {
			a.boot(&p.Phase)
			answer(w, 200, p)
		}
	})
	handle("PATCH /v1/clusters/{id}/node-pools/{pool}", func(w http.ResponseWriter, r *http.Request) {
		if p := a.pool(w, r); p != nil {
			_ = json.NewDecoder(r.Body).Decode(p)
			a.populate(p)
			answer(w, 200, p)
		}
	})
	handle("DELETE /v1/clusters/{id}/node-pools/{pool}", func(w http.ResponseWriter, r *http.Request) {
		if p := a.pool(w, r); p != nil {
			delete(a.pools, p.ID)
			answer(w, 202, p)
		}
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	a.URL = s.URL
	return a
}

func (a *api) session(w http.ResponseWriter, r *http.Request) {
	var in struct{ Email, Password, Organization, Code, Secret string }
	_ = json.NewDecoder(r.Body).Decode(&in)
	switch {
	case in.Password != goodPassword && strings.HasSuffix(r.URL.Path, "login"):
		problem(w, 401, "bad_credentials", "The e-mail address or the password is wrong.")
	case in.Email == "careful@example.com" && in.Code == "":
		problem(w, 401, "second_factor_needed", "The account has a second factor: send the code that your authenticator shows, or a recovery code.")
	case in.Email == "careful@example.com" && in.Code != "123456":
		problem(w, 401, "bad_code", "The code is wrong, or was used before. Wait for the next one, or use a recovery code.")
	case in.Secret != goodLink && strings.HasSuffix(r.URL.Path, "verify"):
		problem(w, 422, "link_not_good", "This link is not good any more. Ask for a new one.")
	default:
		answer(w, 201, map[string]any{
			"user_id": "usr-1", "email": in.Email, "organization_id": "org-1", "organization": "Analytical Engines",
			"token": map[string]any{"id": "tok-1", "name": "login", "secret": goodToken, "created_at": time.Now(), "expires_at": time.Date(2030, 1, 2, 12, 0, 0, 0, time.UTC)},
		})
	}
}

func (a *api) createCluster(w http.ResponseWriter, r *http.Request) {
	var in client.NewCluster
	_ = json.NewDecoder(r.Body).Decode(&in)
	if strings.ToLower(in.Name) != in.Name {
		answer(w, 422, map[string]any{
			"status": 422, "code": "invalid", "detail": "The request is not valid. The errors say which fields are wrong and why.",
			"errors": []map[string]string{{"location": "body.name", "message": "must consist of lower-case letters"}},
		})
		return
	}
	k := &client.Cluster{
		ID: a.id("kc"), Name: in.Name, Version: "1.37", Phase: "provisioning", Endpoint: "https://127.0.0.1:6443", PodCIDR: "10.244.0.0/16", Services: "10.96.0.0/12",
		Conditions: []client.Condition{{Type: "EtcdHealthy", OK: true, Since: time.Now()}, {Type: "APIServerReady", Message: "It is starting."}}, CreatedAt: time.Now(),
	}
	a.clusters[k.ID] = k
	a.happened(k.ID, "The cluster "+k.Name+" was asked for.")
	answer(w, 201, k)
}

// showNetworks answers somebody at 198.51.100.7.
func (a *api) showNetworks(w http.ResponseWriter, _ *http.Request) {
	const here = "198.51.100.7"
	answer(w, 200, client.Networks{Networks: a.networks, Address: here, Admitted: len(a.networks) == 0 || admits(a.networks, here)})
}

func (a *api) createPool(w http.ResponseWriter, r *http.Request) {
	p := &client.Pool{ID: a.id("np"), Size: "small", Phase: "provisioning", CreatedAt: time.Now()}
	_ = json.NewDecoder(r.Body).Decode(p)
	a.pools[p.ID] = p
	a.populate(p)
	answer(w, 201, p)
}

// embedded is a kubeconfig with a certificate in it.
const embedded = `apiVersion: v1
kind: Config
current-context: demo
contexts: [{name: demo, context: {cluster: demo, user: ada}}]
clusters: [{name: demo, cluster: {server: "https://127.0.0.1:6443", tls-server-name: kc-1.test}}]
users: [{name: ada, user: {client-certificate-data: Q0VSVA==, client-key-data: S0VZ}}]
`

// issue issues a credential; the certificate is the id.
func (a *api) issue(cluster string) (x client.ExecCredential) {
	c := client.Credential{ID: a.id("cred"), User: "ada@example.com", Groups: []string{"marina:admins"}, Kind: "exec", IssuedAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour)}
	if a.life != 0 {
		c.ExpiresAt = time.Now().Add(a.life)
	}
	a.credentials = append(a.credentials, c)
	x.APIVersion, x.Kind = "client.authentication.k8s.io/v1", "ExecCredential"
	x.Spec.Cluster.Server, x.Spec.Cluster.ServerName, x.Spec.Cluster.Authority = "https://127.0.0.1:6443", cluster+".test", []byte("CA")
	x.Status.Expires, x.Status.Certificate, x.Status.Key = c.ExpiresAt, c.ID, "KEY"
	return x
}

// populate gives a pool the nodes that it wants, all ready.
func (a *api) populate(p *client.Pool) {
	a.nodes = slices.DeleteFunc(a.nodes, func(n client.Node) bool { return n.Pool == p.ID })
	for i := range p.Count {
		a.nodes = append(a.nodes, client.Node{
			ID: a.id("nd"), Name: fmt.Sprintf("%s-%d", p.Name, i), Pool: p.ID, Address: fmt.Sprintf("172.30.1.%d", i+2), Phase: "running", Ready: true, CreatedAt: time.Now(),
		})
	}
}

// boot takes something new one step further.
func (a *api) boot(phase *string) {
	if *phase != "provisioning" {
		return
	}
	if a.boots--; a.boots < 0 {
		*phase = "running"
	}
}

func (a *api) happened(subject, message string) {
	a.events = append(a.events, client.Event{ID: a.id("ev"), Kind: "controlplane.cluster.changed", Subject: subject, Message: message, At: time.Now()})
}

func (a *api) cluster(w http.ResponseWriter, r *http.Request) *client.Cluster {
	k := a.clusters[r.PathValue("id")]
	if k == nil {
		problem(w, 404, "cluster_not_found", "There is no such cluster.")
	}
	return k
}

func (a *api) pool(w http.ResponseWriter, r *http.Request) *client.Pool {
	p := a.pools[r.PathValue("pool")]
	if p == nil {
		problem(w, 404, "pool_not_found", "There is no such node pool.")
	}
	return p
}

func (a *api) id(prefix string) string {
	a.next++
	return fmt.Sprintf("%s-%d", prefix, a.next)
}

// requests returns what was asked so far.
func (a *api) requests() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.asked)
}

func values[T any](m map[string]*T) []*T {
	var all []*T
	for _, k := range slices.Sorted(maps.Keys(m)) {
		all = append(all, m[k])
	}
	return all
}

func page[T any](w http.ResponseWriter, items []T) {
	answer(w, 200, map[string]any{"items": list(items)})
}

func problem(w http.ResponseWriter, status int, code, detail string) {
	answer(w, status, map[string]any{"status": status, "code": code, "detail": detail})
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
