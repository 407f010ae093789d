//go:build integration

package fleetapp_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	fleet "github.com/marina-cloud/marina/node-fleet"
)

const aManifest = "/v2/library/app/manifests/1"

// pull asks for an image as containerd does, with a user's credentials for the
// image's own registry.
func (m *machine) pull(t *testing.T, method, path string) (status int, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "https://nodes.marina.test"+path+"?ns=registry.example", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "application/vnd.oci.image.manifest.v1+json")
	r.Header.Set("Authorization", "Basic secret")
	answer, err := m.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	out, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(out)
}

// TestNodesPullFromTheMirror: nodes that are expected and nobody else, to read and
// not to write, without what a user said to another registry.
func TestNodesPullFromTheMirror(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	registry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != aManifest {
			http.NotFound(w, r)
			return
		}
		fmt.Fprintf(w, "%s %s %s %q %q", r.Method, r.URL.Path, r.URL.RawQuery, r.Header["Accept"], r.Header["Authorization"])
	}))
	defer registry.Close()
	p := f.pool("web", 1)
	n, ticket := f.node()
	m := f.machine(ticket)
	if status, body := m.pull(t, http.MethodGet, aManifest); status != http.StatusForbidden {
		t.Errorf("a machine without an identity: %d %s", status, body)
	}
	m.joins(t, ticket)
	if status, body := m.pull(t, http.MethodGet, aManifest); status != http.StatusNotFound || !strings.Contains(body, "no_mirror") {
		t.Errorf("without a mirror: %d %s", status, body)
	}

	f.stop()
	var err error
	if f.mirror, err = url.Parse(registry.URL); err != nil {
		t.Fatal(err)
	}
	f.start()
	f.eventually("the node API answers", func() bool {
		r, err := m.client.Head("https://nodes.marina.test" + aManifest)
		if err == nil {
			r.Body.Close()
		}
		return err == nil
	})
	want := `GET ` + aManifest + ` ns=registry.example ["application/vnd.oci.image.manifest.v1+json"] []`
	if status, body := m.pull(t, http.MethodGet, aManifest); status != http.StatusOK || body != want {
		t.Errorf("a pull: %d %s; want %s", status, body, want)
	}
	if status, _ := m.pull(t, http.MethodHead, aManifest); status != http.StatusOK {
		t.Errorf("HEAD: %d", status)
	}
	if status, _ := m.pull(t, http.MethodGet, "/v2/library/other/manifests/1"); status != http.StatusNotFound {
		t.Errorf("an image that the mirror lacks: %d", status)
	}
	for _, method := range []string{http.MethodPut, http.MethodPost, http.MethodPatch, http.MethodDelete} {
		if status, body := m.pull(t, method, aManifest); !slices.Contains([]int{http.StatusMethodNotAllowed, http.StatusNotFound}, status) {
			t.Errorf("%s: %d %s, want it refused", method, status, body)
		}
	}
	if status, _ := m.pull(t, http.MethodGet, "/v2/../v1/clusters"); status == http.StatusOK {
		t.Error("a path out of the registry was answered")
	}

	if _, err := f.DeletePool(t.Context(), f.org, "usr-x", "", f.cluster, p.ID, nil); err != nil {
		t.Fatal(err)
	}
	f.eventually("the node is gone", func() bool {
		_, err := f.Node(t.Context(), f.org, f.cluster, n.ID)
		return errors.Is(err, fleet.ErrNoNode)
	})
	if status, body := m.pull(t, http.MethodGet, aManifest); status != http.StatusForbidden {
		t.Errorf("a node that was removed: %d %s", status, body)
	}
}

// TestTheMirrorIsAway: the node goes on to the image's own registry.
func TestTheMirrorIsAway(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.stop()
	f.mirror = &url.URL{Scheme: "http", Host: "127.0.0.1:1"} // tcpmux: nobody listens
	f.start()
	f.pool("web", 1)
	_, ticket := f.node()
	m := f.machine(ticket)
	m.joins(t, ticket)
	if status, body := m.pull(t, http.MethodGet, aManifest); status != http.StatusServiceUnavailable || !strings.Contains(body, "mirror_unavailable") {
		t.Errorf("a mirror that is away: %d %s", status, body)
	}
}
