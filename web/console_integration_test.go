//go:build integration

package web_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// TestBuiltPage: the page is whole, and what it refers to is there and ours.
func TestBuiltPage(t *testing.T) {
	t.Parallel()
	page := get("/clusters")
	body := page.Body.String()
	nonce := regexp.MustCompile(`'nonce-(\w+)'`).FindStringSubmatch(page.Header().Get("Content-Security-Policy"))
	if nonce == nil || !strings.Contains(body, nonce[1]) {
		t.Error("the page does not hold the nonce of its policy")
	}
	refs := regexp.MustCompile(`(?:src|href)="(/assets/[^"]+)"`).FindAllStringSubmatch(body, -1)
	if len(refs) < 3 {
		t.Fatalf("the page refers to %d of its files, want a style, a script and an icon (run make build)", len(refs))
	}
	for _, ref := range refs {
		w := get(ref[1])
		if w.Code != http.StatusOK || w.Body.Len() == 0 || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") {
			t.Errorf("%s is %d %v", ref[1], w.Code, w.Header())
		}
		packed := get(ref[1], "Accept-Encoding", "br, gzip")
		if w.Body.Len() > 10_000 && (packed.Header().Get("Content-Encoding") != "gzip" || packed.Body.Len() > w.Body.Len()/2) {
			t.Errorf("%s is sent as %d of %d bytes", ref[1], packed.Body.Len(), w.Body.Len())
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
