package podnet

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/marina-cloud/marina/node-fleet/agent/internal/enroll"
)

var comparable = cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})

func node(name, address, pods string) Node {
	n := Node{Name: name}
	n.Address, _ = netip.ParseAddr(address) // "" is not known yet
	n.Pods, _ = netip.ParsePrefix(pods)
	return n
}

func TestPlan(t *testing.T) {
	t.Parallel()
	cluster := netip.MustParsePrefix("10.244.0.0/16")
	me := node("me", "172.30.1.2", "10.244.0.0/24")
	route := func(pods, via string) Route {
		return Route{Pods: netip.MustParsePrefix(pods), Via: netip.MustParseAddr(via)}
	}
	for _, c := range []struct {
		why   string
		nodes []Node
		own   string
		want  []Route
	}{
		{"a node alone needs no route", []Node{me}, "10.244.0.0/24", nil},
		{"not registered yet", nil, "", nil},
		{"no range assigned yet", []Node{node("me", "172.30.1.2", "")}, "", nil},
		{"every other node is reached directly", []Node{node("b", "172.30.1.4", "10.244.2.0/24"), me, node("a", "172.30.1.3", "10.244.1.0/24")}, "10.244.0.0/24",
			[]Route{route("10.244.1.0/24", "172.30.1.3"), route("10.244.2.0/24", "172.30.1.4")}},
		{"nodes without an address or a range wait", []Node{me, node("a", "", "10.244.1.0/24"), node("b", "172.30.1.4", "")}, "10.244.0.0/24", nil},
		{"a range outside the cluster's could take any traffic", []Node{me, node("a", "172.30.1.3", "0.0.0.0/0"), node("b", "172.30.1.4", "172.30.1.0/24")}, "10.244.0.0/24", nil},
		{"a node that claims this one's range would cut it off", []Node{me, node("a", "172.30.1.3", "10.244.0.128/25")}, "10.244.0.0/24", nil},
		{"so would one that claims its address", []Node{me, node("a", "172.30.1.2", "10.244.1.0/24")}, "10.244.0.0/24", nil},
		{"of two with the same range the first by name counts", []Node{me, node("b", "172.30.1.4", "10.244.1.0/24"), node("a", "172.30.1.3", "10.244.1.0/24")}, "10.244.0.0/24",
			[]Route{route("10.244.1.0/24", "172.30.1.3")}},
		{"this node's own range must be the cluster's, too", []Node{node("me", "172.30.1.2", "192.168.0.0/24")}, "", nil},
	} {
		nodes := Nodes{}
		for _, n := range c.nodes {
			nodes[n.Name] = n
		}
		own, routes := Plan(nodes, "me", cluster)
		want, _ := netip.ParsePrefix(c.own)
		if own != want {
			t.Errorf("%s: own range = %s, want %s", c.why, own, want)
		}
		if diff := cmp.Diff(c.want, routes, comparable); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.why, diff)
		}
	}
}

// apiServer serves Nodes from a script.
type apiServer struct {
	mu      sync.Mutex
	lists   []string      // answers to a list, the last one for ever
	watches []func(event) // what a watch sends before it ends
	asked   []string      // resource versions that watches began with
	held    chan struct{}
}

type event func(kind string, object string)

func (s *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	if r.URL.Query().Get("watch") == "" {
		answer := s.lists[0]
		if len(s.lists) > 1 {
			s.lists = s.lists[1:]
		}
		s.mu.Unlock()
		_, _ = w.Write([]byte(answer))
		return
	}
	s.asked = append(s.asked, r.URL.Query().Get("resourceVersion"))
	if len(s.watches) == 0 {
		s.mu.Unlock()
		select { // nothing more happens
		case <-r.Context().Done():
		case <-s.held:
		}
		return
	}
	script := s.watches[0]
	s.watches = s.watches[1:]
	s.mu.Unlock()
	script(func(kind, object string) {
		fmt.Fprintf(w, "{\"type\":%q,\"object\":%s}\n", kind, object)
		w.(http.Flusher).Flush()
	})
}

func nodeJSON(name, version, address, pods string) string {
	text, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"name": name, "resourceVersion": version},
		"spec":     map[string]any{"podCIDRs": []string{"fd00::/64", pods}},
		"status": map[string]any{"addresses": []map[string]string{
			{"type": "Hostname", "address": name}, {"type": "InternalIP", "address": "fd00::1"}, {"type": "InternalIP", "address": address},
		}},
	})
	if err != nil {
		panic(err)
	}
	return string(text)
}

func listJSON(version string, items ...string) string {
	text := `{"metadata":{"resourceVersion":"` + version + `"},"items":[`
	for i, item := range items {
		if i > 0 {
			text += ","
		}
		text += item
	}
	return text + "]}"
}

func TestWatch(t *testing.T) {
	t.Parallel()
	a1, b1 := nodeJSON("a", "11", "172.30.1.2", "10.244.0.0/24"), nodeJSON("b", "12", "172.30.1.3", "10.244.1.0/24")
	s := &apiServer{
		held:  make(chan struct{}),
		lists: []string{listJSON("10", a1), listJSON("50", b1)},
		watches: []func(event){
			func(send event) {
				send("ADDED", b1)
				send("BOOKMARK", `{"metadata":{"resourceVersion":"20"}}`)
			}, // the API server ends a watch after its time
			func(send event) { send("DELETED", nodeJSON("a", "21", "172.30.1.2", "10.244.0.0/24")) },
			func(send event) {
				send("ERROR", `{"kind":"Status","code":410,"message":"too old resource version"}`)
			}, // a new list
		},
	}
	server := httptest.NewTLSServer(s)
	defer server.Close()
	defer close(s.held)

	got := make(chan Nodes, 10)
	done := make(chan struct{})
	ctx, cancel := testContext(t)
	go func() {
		defer close(done)
		client(t, server).Watch(ctx, func(n Nodes) { got <- n })
	}()
	a, b := node("a", "172.30.1.2", "10.244.0.0/24"), node("b", "172.30.1.3", "10.244.1.0/24")
	for i, want := range []Nodes{{"a": a}, {"a": a, "b": b}, {"b": b}, {"b": b}} {
		select {
		case nodes := <-got:
			if diff := cmp.Diff(want, nodes, comparable); diff != "" {
				t.Errorf("change %d (-want +got):\n%s", i, diff)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("change %d did not come", i)
		}
	}
	cancel()
	<-done
	s.mu.Lock()
	defer s.mu.Unlock()
	if diff := cmp.Diff([]string{"10", "20", "21"}, s.asked[:3]); diff != "" {
		t.Errorf("watches began at (-want +got):\n%s", diff)
	}
}

func client(t *testing.T, server *httptest.Server) API {
	t.Helper()
	dir := t.TempDir()
	authority := filepath.Join(dir, "ca.crt")
	if err := os.WriteFile(authority, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return API{
		Address: server.Listener.Addr().String(), ServerName: "example.com", Authority: authority,
		Client: enroll.Pair{Certificate: filepath.Join(dir, "none"), Key: filepath.Join(dir, "none")},
		Log:    slog.New(slog.DiscardHandler),
	}
}

func TestWatchSurvivesRefusals(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	refusals := 2
	s := &apiServer{held: make(chan struct{}), lists: []string{listJSON("1")}}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		refusals--
		refuse := refusals >= 0
		mu.Unlock()
		if refuse {
			http.Error(w, "nodes is forbidden", http.StatusForbidden)
			return
		}
		s.ServeHTTP(w, r)
	}))
	defer server.Close()
	defer close(s.held)
	ctx, cancel := testContext(t)
	got := make(chan Nodes, 10)
	done := make(chan struct{})
	go func() {
		defer close(done)
		client(t, server).Watch(ctx, func(n Nodes) { got <- n })
	}()
	<-got
	cancel()
	<-done
}
