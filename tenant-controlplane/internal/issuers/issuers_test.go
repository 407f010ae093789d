package issuers_test

import (
	"context"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/marina-cloud/marina/internal/tenant"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/egress"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/issuers"
)

const id = tenant.ClusterID("kc-test")

// provider is an issuer whose answers can be changed.
type provider struct {
	*httptest.Server
	configuration, keys atomic.Value // texts; "": 404
	came                atomic.Int32
}

func newProvider(t *testing.T) *provider {
	p := &provider{}
	say := func(text *atomic.Value) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			p.came.Add(1)
			if text.Load() == "" {
				w.WriteHeader(http.StatusNotFound)
			}
			fmt.Fprint(w, text.Load())
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", say(&p.configuration))
	mux.HandleFunc("GET /keys", say(&p.keys))
	p.Server = httptest.NewTLSServer(mux)
	t.Cleanup(p.Close)
	p.configuration.Store(fmt.Sprintf(`{"issuer":%q,"jwks_uri":%q}`, p.URL, p.URL+"/keys"))
	p.keys.Store(`{"keys":[{}]}`)
	return p
}

func (p *provider) authority() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Certificate().Raw}))
}

func TestComplaint(t *testing.T) {
	t.Parallel()
	good, foe := newProvider(t), newProvider(t)
	socket := wayOut(t, good.Listener.Addr().String())
	for name, tc := range map[string]struct {
		change func(p *provider, j *controlplane.JWTIssuer)
		want   string // "": none
	}{
		"good":                {func(*provider, *controlplane.JWTIssuer) {}, ""},
		"another's":           {func(p *provider, _ *controlplane.JWTIssuer) { p.configuration.Store(`{"issuer":"https://x"}`) }, "of another issuer"},
		"no configuration":    {func(p *provider, _ *controlplane.JWTIssuer) { p.configuration.Store("") }, "404 Not Found"},
		"garbage":             {func(p *provider, _ *controlplane.JWTIssuer) { p.configuration.Store("<html>secret") }, "no OpenID configuration"},
		"no keys":             {func(p *provider, _ *controlplane.JWTIssuer) { p.keys.Store(`{}`) }, "no keys"},
		"unknown certificate": {func(_ *provider, j *controlplane.JWTIssuer) { j.CertificateAuthority = "" }, "certificate is not good"},
		"nobody there":        {func(_ *provider, j *controlplane.JWTIssuer) { j.URL = "https://127.0.0.1:1" }, "not on the public Internet"},
		"this machine":        {func(_ *provider, j *controlplane.JWTIssuer) { j.URL = foe.URL }, "not on the public Internet"},
		"metadata":            {func(_ *provider, j *controlplane.JWTIssuer) { j.DiscoveryURL = "https://169.254.169.254/latest" }, "not on the public Internet"},
		"private":             {func(_ *provider, j *controlplane.JWTIssuer) { j.URL = "https://10.0.0.1" }, "not on the public Internet"},
		"keys of this machine": {func(p *provider, _ *controlplane.JWTIssuer) {
			p.configuration.Store(fmt.Sprintf(`{"issuer":%q,"jwks_uri":%q}`, p.URL, foe.URL+"/keys"))
		}, "its keys: it is not on the public Internet"},
		"keys in the clear": {func(p *provider, _ *controlplane.JWTIssuer) {
			p.configuration.Store(fmt.Sprintf(`{"issuer":%q,"jwks_uri":"http://127.0.0.1/keys"}`, p.URL))
		}, "not HTTPS"},
	} {
		j := controlplane.JWTIssuer{URL: good.URL, CertificateAuthority: good.authority(), Audiences: []string{"x"}}
		was, keys := good.configuration.Load(), good.keys.Load()
		tc.change(good, &j)
		told := make(chan struct{}, 1)
		ctx, cancel := context.WithCancel(t.Context())
		a := issuers.New(ctx, func(tenant.ClusterID) string { return socket }, func(tenant.ClusterID) { told <- struct{}{} })
		c := controlplane.Cluster{ID: id, Authentication: controlplane.Authentication{JWT: []controlplane.JWTAuthenticator{{Issuer: j}}}}
		before := good.came.Load()
		if got := a.Complaint(c); got != "" {
			t.Errorf("%s: complains before anybody was asked: %s", name, got)
		}
		if tc.want == "" {
			for end := time.Now().Add(10 * time.Second); good.came.Load() < before+2 && time.Now().Before(end); {
				time.Sleep(time.Millisecond)
			}
		} else {
			select {
			case <-told:
			case <-time.After(10 * time.Second):
				t.Errorf("%s: nobody was told of the issuer", name)
			}
		}
		if got := a.Complaint(c); (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) || strings.Contains(got, "secret") {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
		if got := a.Complaint(controlplane.Cluster{ID: id}); got != "" {
			t.Errorf("%s: a cluster without issuers: %q", name, got)
		}
		cancel()
		good.configuration.Store(was)
		good.keys.Store(keys)
	}
	if n := foe.came.Load(); n != 0 {
		t.Errorf("%d requests came to an issuer on this machine", n)
	}
}

// wayOut opens a cluster's way out, which leads to one address of this machine alone.
func wayOut(t *testing.T, to string) (socket string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "issuers")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket = filepath.Join(dir, "egress.sock")
	allowed, err := egress.ParseAllowed([]string{to})
	if err != nil {
		t.Fatal(err)
	}
	world := egress.World{
		Resolve: func(context.Context, string) ([]netip.Addr, error) { return nil, net.ErrClosed },
		Dial:    egress.Machine().Dial, Own: egress.Machine().Own,
	}
	s := egress.New(allowed, world, egress.DefaultLimits(), func(tenant.ClusterID) string { return socket }, slog.New(slog.DiscardHandler))
	if err := s.Serve(t.Context(), id, os.Getgid()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Shutdown)
	return socket
}
