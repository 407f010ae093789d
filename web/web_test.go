package web_test

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/marina-cloud/marina/web"
)

func get(t *testing.T, path string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	web.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w
}

// TestPage: the page is whole, and what it refers to is there and ours.
func TestPage(t *testing.T) {
	t.Parallel()
	page := get(t, "/")
	if page.Code != http.StatusOK || !strings.HasPrefix(page.Header().Get("Content-Type"), "text/html") {
		t.Fatalf("/ is %d %s", page.Code, page.Header().Get("Content-Type"))
	}
	if !strings.Contains(page.Header().Get("Content-Security-Policy"), "default-src 'none'") {
		t.Error("the page may load from anywhere")
	}
	body := page.Body.String()
	refs := regexp.MustCompile(`(?:src|href)="(/assets/[^"]+)"`).FindAllStringSubmatch(body, -1)
	if len(refs) < 3 {
		t.Errorf("the page refers to %d of its files, want a style, a script and an icon", len(refs))
	}
	for _, ref := range refs {
		if w := get(t, ref[1]); w.Code != http.StatusOK || w.Body.Len() == 0 {
			t.Errorf("%s is %d", ref[1], w.Code)
		}
	}
	for _, inline := range []string{"style=", "<style", "<script>", "onclick"} {
		if strings.Contains(body, inline) {
			t.Errorf("the page holds %q, which its policy forbids", inline)
		}
	}
	if regexp.MustCompile(`(?:src|href)="(https?:)?//`).MatchString(body) {
		t.Error("the page refers to another host")
	}
}

func TestNothingElseIsThere(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/nothing", "/assets/nothing.js", "/../web.go", "/page/index.html"} {
		if w := get(t, path); w.Code != http.StatusNotFound && w.Code != http.StatusMovedPermanently && w.Code != http.StatusBadRequest {
			t.Errorf("%s is %d", path, w.Code)
		}
	}
}
