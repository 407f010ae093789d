package web_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/marina-cloud/marina/web"
)

// console is unpacked once for all tests.
var console = sync.OnceValue(web.Handler)

func get(path string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	console().ServeHTTP(w, r)
	return w
}

// TestOnePage: the page is there under every path, since the console itself knows
// its pages, built or not.
func TestOnePage(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/", "/clusters", "/clusters/kc-1/nodes", "/../web.go", "/embedded/unbuilt.html"} {
		w := get(path)
		if w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") || !strings.Contains(w.Body.String(), "<title>") {
			t.Errorf("%s is %d %s", path, w.Code, w.Header().Get("Content-Type"))
		}
		if w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s may be kept, with its nonce", path)
		}
	}
}

func TestNoSuchAsset(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/assets/nothing.js", "/assets/", "/assets/../index.html"} {
		if w := get(path); w.Code != http.StatusNotFound {
			t.Errorf("%s is %d", path, w.Code)
		}
	}
}

func TestPolicy(t *testing.T) {
	t.Parallel()
	first, second := get("/").Header().Get("Content-Security-Policy"), get("/").Header().Get("Content-Security-Policy")
	if first == second {
		t.Error("two pages have one nonce")
	}
	for _, want := range []string{"default-src 'none'", "script-src 'self';", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"} {
		if !strings.Contains(first, want) {
			t.Errorf("policy is %q, want %s in it", first, want)
		}
	}
	for _, unwanted := range []string{"unsafe", "http:", "https:", "*", "STYLE-NONCE"} {
		if strings.Contains(first, unwanted) {
			t.Errorf("policy is %q, with %s", first, unwanted)
		}
	}
}
