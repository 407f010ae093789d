//go:build integration

package controlplane_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	admission "k8s.io/api/admission/v1"
	admissionregistration "k8s.io/api/admissionregistration/v1"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// provider is what the owner of a cluster may name by URL, on the machine that hosts
// the cluster: an admission webhook that refuses
// everything, and an issuer of tokens. It counts the connections that come.
type provider struct {
	address string
	url     string
	ca      []byte // PEM
	key     *ecdsa.PrivateKey
	came    atomic.Int32
	client  *http.Client
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	p := new(provider)
	var err error
	if p.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /admit", p.admit)
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]any{
			"issuer": p.url, "jwks_uri": p.url + "/keys", "response_types_supported": []string{"id_token"},
			"subject_types_supported": []string{"public"}, "id_token_signing_alg_values_supported": []string{"ES256"},
		})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		point, err := p.key.PublicKey.Bytes() // 0x04, X, Y
		if err != nil {
			panic(err)
		}
		answer(w, map[string]any{"keys": []any{map[string]string{
			"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": "test", "x": b64(point[1:33]), "y": b64(point[33:]),
		}}})
	})
	s := httptest.NewUnstartedServer(mux)
	// At every address of this machine: what is refused would be answered.
	if err := s.Listener.Close(); err != nil {
		t.Fatal(err)
	}
	if s.Listener, err = net.Listen("tcp", ":0"); err != nil {
		t.Fatal(err)
	}
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			p.came.Add(1)
		}
	}
	s.StartTLS()
	t.Cleanup(s.Close)
	_, port, err := net.SplitHostPort(s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	p.address = net.JoinHostPort("127.0.0.1", port)
	p.url, p.client = "https://"+p.address, s.Client()
	p.ca = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	return p
}

func (p *provider) admit(w http.ResponseWriter, r *http.Request) {
	var review admission.AdmissionReview
	if err := json.NewDecoder(r.Body).Decode(&review); err != nil || review.Request == nil {
		http.Error(w, "no review", http.StatusBadRequest)
		return
	}
	review.Response = &admission.AdmissionResponse{UID: review.Request.UID, Result: &meta.Status{Message: "seen at " + p.address}}
	review.Request = nil
	answer(w, review)
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the one who asked sees that it is cut
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// token returns a token of this issuer for sub, with an id of its own.
func (p *provider) token(t *testing.T, sub, id string, groups ...string) string {
	t.Helper()
	now := time.Now().Unix()
	claims := mustJSON(t, map[string]any{"iss": p.url, "aud": "cluster", "sub": sub, "jti": id, "groups": append([]string{}, groups...), "iat": now, "exp": now + 600})
	text := b64([]byte(`{"alg":"ES256","kid":"test"}`)) + "." + b64([]byte(claims))
	sum := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, p.key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + b64(slices.Concat(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))))
}

// reachable is the control arm: whoever is on this machine reaches the provider, so
// that it is the way out which keeps a cluster from it.
func (p *provider) reachable(t *testing.T) {
	t.Helper()
	before := p.came.Load()
	r, err := p.client.Get(p.url + "/keys")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	_, _ = io.Copy(io.Discard, r.Body) // keep the connection for the next time
	if r.StatusCode != http.StatusOK || before == 0 && p.came.Load() == 0 {
		t.Fatalf("the provider is not reachable even from its own machine: %s", r.Status)
	}
}

// webhooks holds that an admission webhook with a URL is called where the way out
// leads, and that the machine which hosts the cluster cannot be reached by one.
func webhooks(t *testing.T, k kubernetes.Interface, friend, foe *provider) {
	foe.reachable(t)
	before := foe.came.Load()
	_, port, err := net.SplitHostPort(foe.address)
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		url  string
		ca   []byte
		want string
	}{
		"allowed":     {friend.url + "/admit", friend.ca, "seen at " + friend.address},
		"loopback":    {foe.url + "/admit", foe.ca, "code 403"},
		"mapped":      {"https://[::ffff:127.0.0.1]:" + port + "/admit", foe.ca, "code 403"},
		"unspecified": {"https://0.0.0.0:" + port + "/admit", foe.ca, "code 403"},
		"interface":   {"https://" + interfaceAddress(t) + ":" + port + "/admit", foe.ca, "code 403"},
		"name":        {"https://localhost:" + port + "/admit", foe.ca, "code 400"},
		"metadata":    {"https://169.254.169.254/latest", foe.ca, "code 403"},
		"own server":  {"https://127.0.0.1:6443/admit", foe.ca, "code 403"},
	} {
		t.Run(name, func(t *testing.T) {
			label := strings.ReplaceAll(name, " ", "-")
			hook(t, k, label, tc.url, tc.ca)
			object := &core.ConfigMap{ObjectMeta: meta.ObjectMeta{Name: "hooked-" + label, Labels: map[string]string{"hook": label}}}
			deadline := time.After(30 * time.Second)
			for { // the API server hears of the webhook a moment later
				_, err := k.CoreV1().ConfigMaps("default").Create(t.Context(), object, meta.CreateOptions{})
				if err != nil {
					if !strings.Contains(err.Error(), tc.want) {
						t.Errorf("%s: %v\nwant %q", tc.url, err, tc.want)
					}
					return
				}
				if err := k.CoreV1().ConfigMaps("default").Delete(t.Context(), object.Name, meta.DeleteOptions{}); err != nil {
					t.Fatal(err)
				}
				select {
				case <-deadline:
					t.Fatal("the webhook was never asked")
				case <-time.After(20 * time.Millisecond):
				}
			}
		})
	}
	if n := foe.came.Load() - before; n != 0 {
		t.Errorf("%d connections came out of the cluster to this machine", n)
	}
	if friend.came.Load() == 0 {
		t.Error("no connection came where it was allowed")
	}
}

// hook registers a webhook for ConfigMaps with a label of its own.
func hook(t *testing.T, k kubernetes.Interface, label, url string, ca []byte) {
	t.Helper()
	fail, none, timeout := admissionregistration.Fail, admissionregistration.SideEffectClassNone, int32(5)
	api := k.AdmissionregistrationV1().ValidatingWebhookConfigurations()
	if _, err := api.Create(t.Context(), &admissionregistration.ValidatingWebhookConfiguration{
		ObjectMeta: meta.ObjectMeta{Name: label},
		Webhooks: []admissionregistration.ValidatingWebhook{{
			Name: label + ".marina.test", ClientConfig: admissionregistration.WebhookClientConfig{URL: &url, CABundle: ca},
			ObjectSelector: &meta.LabelSelector{MatchLabels: map[string]string{"hook": label}},
			Rules: []admissionregistration.RuleWithOperations{{
				Operations: []admissionregistration.OperationType{admissionregistration.Create},
				Rule:       admissionregistration.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"configmaps"}},
			}},
			FailurePolicy: &fail, SideEffects: &none, TimeoutSeconds: &timeout, AdmissionReviewVersions: []string{"v1"},
		}},
	}, meta.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// interfaceAddress is an address of this machine besides loopback, if it has one.
func interfaceAddress(t *testing.T) string {
	t.Helper()
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && !n.IP.IsLoopback() {
			return n.IP.String()
		}
	}
	return "127.0.0.2"
}

// journal is what Marina logged; it is safe for concurrent use.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}
