package members_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/endpoints/request"

	"github.com/marina-cloud/marina/tenant-controlplane/kubernetes/members"
)

// as is a request of an authenticated user.
func as(ctx context.Context, name string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/api/v1/nodes?watch=1", nil)
	if name == "" {
		return r.WithContext(ctx)
	}
	return r.WithContext(request.WithUser(ctx, &user.DefaultInfo{Name: name, Groups: []string{"system:nodes"}}))
}

func join(t *testing.T, dir, node string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, node), nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestFilter(t *testing.T) {
	dir := t.TempDir()
	join(t, dir, "web-1")
	join(t, filepath.Dir(dir), "outside")
	served := false
	next := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served = true })
	for _, tc := range []struct {
		dir, user string
		ok        bool
		why       string
	}{
		{dir, "system:node:web-1", true, "it is a node of the cluster"},
		{dir, "marina:bootstrap:web-1", true, "it is about to become one"},
		{dir, "system:node:web-2", false, "it is not, or no longer, a node of the cluster"},
		{dir, "marina:bootstrap:web-2", false, "a machine that has gone must not ask for a certificate"},
		{dir, "system:node:", false, "a node has a name"},
		{dir, "system:node:.", false, "the directory itself is no node"},
		{dir, "system:node:../outside", false, "a name is no path"},
		{dir, "system:node:web-1/../../outside", false, "however it begins"},
		{filepath.Join(dir, "gone"), "system:node:web-1", false, "what cannot be looked up is not let in"},
		{dir, "admin", true, "people are none of its business"},
		{dir, "", true, "neither are requests of nobody"},
		{"", "system:node:web-2", true, "without a directory there is nothing to go by"},
	} {
		served = false
		w := httptest.NewRecorder()
		members.At(tc.dir).Filter(next).ServeHTTP(w, as(t.Context(), tc.user))
		if served != tc.ok {
			t.Errorf("%q: served %v: %s", tc.user, served, tc.why)
		}
		if tc.ok {
			continue
		}
		var status metav1.Status
		if err := json.Unmarshal(w.Body.Bytes(), &status); err != nil || w.Code != http.StatusUnauthorized || status.Reason != metav1.StatusReasonUnauthorized {
			t.Errorf("%q: answered %d %s, want 401 as a Status", tc.user, w.Code, w.Body)
		}
	}
}

// TestOpenRequestsEnd: a watch of a node that leaves ends, another node's goes on.
func TestOpenRequestsEnd(t *testing.T) {
	dir := t.TempDir()
	join(t, dir, "web-1")
	join(t, dir, "web-2")
	began := make(chan struct{})
	ended := map[string]chan struct{}{"web-1": make(chan struct{}), "web-2": make(chan struct{})}
	m := members.At(dir).Filter(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		began <- struct{}{}
		<-r.Context().Done()
	}))
	ctx, cancel := context.WithCancel(t.Context())
	for node, over := range ended {
		go func() {
			m.ServeHTTP(httptest.NewRecorder(), as(ctx, "system:node:"+node))
			close(over)
		}()
		<-began
	}
	if err := os.Remove(filepath.Join(dir, "web-1")); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended["web-1"]:
	case <-time.After(20 * time.Second):
		t.Fatal("the watch of a removed node goes on")
	}
	select {
	case <-ended["web-2"]:
		t.Error("another node's watch ended, too")
	default:
	}
	cancel()
	<-ended["web-2"]
}
