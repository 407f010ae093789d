//go:build integration

package gateway_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/gateway"
	"github.com/marina-cloud/marina/gateway/identity"
	"github.com/marina-cloud/marina/gateway/live"
	"github.com/marina-cloud/marina/internal/event"
	"github.com/marina-cloud/marina/internal/tenant"
	fleet "github.com/marina-cloud/marina/node-fleet"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

// change is a message of a stream, as far as these tests look into it.
type change struct {
	Kind    string                       `json:"kind"`
	Cluster struct{ ID, Phase string }   `json:"cluster"`
	Pool    struct{ ID string }          `json:"pool"`
	Node    struct{ ID, Phase string }   `json:"node"`
	Event   struct{ ID, Message string } `json:"event"`
	Gone    string                       `json:"gone"`
}

// about is what the message is about, in a word.
func (c change) about() string {
	return c.Kind + " " + c.Cluster.ID + c.Pool.ID + c.Node.ID + c.Event.ID + c.Gone
}

// watching is a stream that is read.
type watching struct {
	t     *testing.T
	lines *bufio.Scanner
}

func (a *api) watch(t *testing.T, who account, query string) watching {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", a.server.URL+"/v1/stream"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", who.bearer()[1])
	resp, err := a.server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	if got := resp.Header.Get("Content-Type"); resp.StatusCode != http.StatusOK || got != "text/event-stream" {
		t.Fatalf("stream: %d, %s", resp.StatusCode, got)
	}
	return watching{t, bufio.NewScanner(resp.Body)}
}

// next returns the next message; ok is false when the stream ended.
func (w watching) next() (c change, ok bool) {
	w.t.Helper()
	name := ""
	for w.lines.Scan() {
		if text, ok := strings.CutPrefix(w.lines.Text(), "event: "); ok {
			name = text
		}
		if text, ok := strings.CutPrefix(w.lines.Text(), "data: "); ok {
			if err := json.Unmarshal([]byte(text), &c); err != nil || c.Kind != name {
				w.t.Fatalf("message %s %s: %v", name, text, err)
			}
			return c, true
		}
	}
	return c, false
}

// expect reads messages and holds what they are about.
func (w watching) expect(want ...string) (last change) {
	w.t.Helper()
	for _, x := range want {
		c, ok := w.next()
		if !ok || c.about() != x {
			w.t.Fatalf("message %q (there: %v), want %q", c.about(), ok, x)
		}
		last = c
	}
	return last
}

func (w watching) ends() {
	w.t.Helper()
	if c, ok := w.next(); ok {
		w.t.Fatalf("the stream goes on with %q", c.about())
	}
}

func startStreams(t *testing.T) (*api, *live.Hub) {
	t.Helper()
	hub := &live.Hub{}
	a := startWith(t, func(d *gateway.Deps) { d.Live = hub })
	t.Cleanup(hub.Close) // before the server: streams would keep it from ending
	return a, hub
}

func TestStreamOfClusters(t *testing.T) {
	t.Parallel()
	a, hub := startStreams(t)
	ada, eve := a.signUp(t, "ada@example.com"), a.signUp(t, "eve@example.com")
	c, _, n := a.populate(ada.Organization, 0)
	theirs, _, _ := a.populate(eve.Organization, 0)
	w := a.watch(t, ada, "")
	w.expect("cluster "+string(c.ID), "synced ")

	tell := func(org tenant.OrganizationID, cluster tenant.ClusterID, subject string) {
		hub.Notify(event.Event{ID: "e", Organization: org, Cluster: cluster, Subject: subject})
	}
	hub.Notify(event.Event{ID: "theirs", Organization: eve.Organization, Cluster: theirs.ID, Subject: string(theirs.ID), Message: "not for her"})
	hub.Notify(event.Event{ID: "news", Organization: ada.Organization, Cluster: c.ID, Subject: string(n.ID), Message: "A node is ready."})
	w.expect("event news")
	tell(eve.Organization, theirs.ID, string(theirs.ID)) // not for her
	tell(ada.Organization, c.ID, string(c.ID))           // nothing changed
	tell(ada.Organization, c.ID, string(n.ID))           // nothing of a cluster
	a.changeCluster(c.ID, func(c *controlplane.Cluster) { c.Phase = controlplane.Degraded })
	tell(ada.Organization, c.ID, string(c.ID))
	if got := w.expect("cluster " + string(c.ID)); got.Cluster.Phase != "degraded" {
		t.Errorf("cluster is %s, want degraded", got.Cluster.Phase)
	}
	second, _, _ := a.populate(ada.Organization, 0)
	tell(ada.Organization, second.ID, string(second.ID))
	w.expect("cluster " + string(second.ID))
	if _, err := a.Delete(t.Context(), ada.Organization, "", "", c.ID, true, nil); err != nil {
		t.Fatal(err)
	}
	tell(ada.Organization, c.ID, string(c.ID))
	w.expect("gone " + string(c.ID))

	// A stream that was told of too much looks at everything.
	if _, err := a.Delete(t.Context(), ada.Organization, "", "", second.ID, true, nil); err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		tell(ada.Organization, "kc-other", "kc-other")
	}
	w.expect("gone " + string(second.ID))
	hub.Close()
	w.ends()
}

func TestStreamOfACluster(t *testing.T) {
	t.Parallel()
	a, hub := startStreams(t)
	ada, eve := a.signUp(t, "ada@example.com"), a.signUp(t, "eve@example.com")
	c, p, n := a.populate(ada.Organization, 0)
	other, _, _ := a.populate(ada.Organization, 0)
	query := "?cluster_id=" + string(c.ID)
	a.do(t, "GET", "/v1/stream"+query, "", eve.bearer()...).problem(t, http.StatusNotFound, "cluster_not_found")
	w := a.watch(t, ada, query)
	w.expect("cluster "+string(c.ID), "pool "+string(p.ID), "node "+string(n.ID), "synced ")

	hub.Notify(event.Event{ID: "other", Organization: ada.Organization, Cluster: other.ID, Subject: string(other.ID), Message: "not of this cluster"})
	a.changeNode(n.ID, func(n *fleet.Node) { n.Phase = fleet.NodeDraining })
	hub.Notify(event.Event{ID: "quiet", Organization: ada.Organization, Cluster: c.ID, Subject: string(n.ID)})
	hub.Notify(event.Event{ID: "loud", Organization: ada.Organization, Cluster: c.ID, Subject: string(n.ID), Message: "The node is being drained."})
	if got := w.expect("node " + string(n.ID)); got.Node.Phase != "draining" {
		t.Errorf("node is %s, want draining", got.Node.Phase)
	}
	if got := w.expect("event loud"); got.Event.Message != "The node is being drained." {
		t.Errorf("event says %q", got.Event.Message)
	}
	if _, err := a.DeletePool(t.Context(), ada.Organization, "", "", c.ID, p.ID, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Delete(t.Context(), ada.Organization, "", "", c.ID, true, nil); err != nil {
		t.Fatal(err)
	}
	hub.Notify(event.Event{ID: "last", Organization: ada.Organization, Cluster: c.ID, Subject: string(c.ID), Message: "The cluster is gone."})
	gone := map[string]bool{}
	for range 3 {
		c, _ := w.next()
		gone[c.Gone] = true
	}
	if !gone[string(c.ID)] || !gone[string(p.ID)] || !gone[string(n.ID)] {
		t.Errorf("gone are %v", gone)
	}
	w.expect("event last")
	w.ends()
}

// TestStreamEndsWithItsSession holds that whoever may not ask any more is told nothing.
func TestStreamEndsWithItsSession(t *testing.T) {
	t.Parallel()
	a, hub := startStreams(t)
	ada := a.signUp(t, "ada@example.com")
	c, _, _ := a.populate(ada.Organization, 0)
	for why, end := range map[string]func(account) error{
		"who logged out": func(who account) error {
			if got := a.do(t, "DELETE", "/v1/sessions/current", "", who.bearer()...); got.status != http.StatusNoContent {
				return fmt.Errorf("log out: %d %s", got.status, got.body)
			}
			return nil
		},
		"who is no member any more": func(who account) error {
			return a.db.AsTenant(t.Context(), ada.Organization, func(tx pgx.Tx) error {
				_, err := tx.Exec(t.Context(), "DELETE FROM memberships WHERE user_id = $1", who.User)
				return err
			})
		},
	} {
		t.Run(why, func(t *testing.T) {
			who := a.member(t, ada.Organization, identity.Viewer)
			w := a.watch(t, who, "")
			w.expect("cluster "+string(c.ID), "synced ")
			if err := end(who); err != nil {
				t.Fatal(err)
			}
			a.changeCluster(c.ID, func(c *controlplane.Cluster) { c.Phase = controlplane.Degraded })
			hub.Notify(event.Event{ID: why, Organization: ada.Organization, Cluster: c.ID, Subject: string(c.ID)})
			w.ends()
		})
	}
}

// TestStreamsLeaveRoom holds that those who watch take nothing from those who ask.
func TestStreamsLeaveRoom(t *testing.T) {
	t.Parallel()
	hub := &live.Hub{}
	a := startWith(t, func(d *gateway.Deps) { d.Live, d.Limits.Requests = hub, 2 })
	t.Cleanup(hub.Close)
	ada := a.signUp(t, "ada@example.com")
	for range 5 {
		a.watch(t, ada, "").expect("synced ")
	}
	if got := a.do(t, "GET", "/v1/clusters", "", ada.bearer()...); got.status != http.StatusOK {
		t.Errorf("beside five streams: %d %s", got.status, got.body)
	}
	if got := a.do(t, "HEAD", "/v1/stream", "", ada.bearer()...); got.status != http.StatusOK {
		t.Errorf("HEAD of a stream: %d", got.status)
	}
}
