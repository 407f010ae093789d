package cli

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/marina-cloud/marina/deploy/client"
)

// TestALife goes through the life of a cluster as a person does.
func TestALife(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	p := member(t, a)
	says(t, "an empty list", p.runs(t, "clusters", "list"), "There are no clusters. Create one: marina --home "+p.home+" clusters create NAME --wait")
	says(t, "create", p.runs(t, "clusters", "create", "demo"), "Cluster demo (kc-1) is being created.", "clusters get demo --wait")
	says(t, "get", p.runs(t, "clusters", "get", "demo", "--wait"), "Name:      demo\n", "Phase:     running\n", "CONDITION        OK    SINCE   MESSAGE\n", "APIServerReady   no    -       It is starting.\n")
	says(t, "get by id", p.runs(t, "clusters", "get", "kc-1"), "Name:      demo\n")
	says(t, "list", p.runs(t, "clusters", "list"), "NAME   ID     VERSION   PHASE     AGE\ndemo   kc-1   1.37      running   0s\n")
	says(t, "protect", p.runs(t, "clusters", "update", "demo", "--deletion-protection"), "Cluster demo is changed.")
	says(t, "a protected cluster", p.runs(t, "clusters", "get", "demo"), "Protected: yes\n")
	says(t, "deletion of a protected cluster", p.types(t, "", "clusters", "delete", "demo").errs, "Deletion protection is on")
	says(t, "nothing to change", p.types(t, "", "clusters", "update", "demo").errs, "say what to change with --name or --deletion-protection")
	says(t, "rename", p.runs(t, "clusters", "update", "demo", "--name", "web", "--deletion-protection=false"), "Cluster web is changed.")
	says(t, "rename back", p.runs(t, "clusters", "update", "kc-1", "--name", "demo"), "clusters get demo")
	says(t, "no pools", p.runs(t, "pools", "list", "demo"), "The cluster has no node pools. Create one:")
	says(t, "no nodes", p.runs(t, "nodes", "list", "demo"), "The cluster has no nodes. Create some:")
	says(t, "create a pool", p.runs(t, "pools", "create", "demo", "workers", "--count", "2", "--wait"), "nodes list demo")
	says(t, "resize", p.runs(t, "pools", "resize", "demo", "workers", "--count", "1"), "Node pool workers (np-3) is being resized.")
	says(t, "pools", p.runs(t, "pools", "list", "demo"), "NAME      ID     SIZE    COUNT   PHASE     AGE\nworkers   np-3   small   1       running   0s\n")
	says(t, "nodes", p.runs(t, "nodes", "list", "demo"), "NAME        POOL      ADDRESS      PHASE     READY   AGE   MESSAGE\nworkers-0   workers   172.30.1.2   running   yes     0s\n")
	says(t, "delete a pool", p.runs(t, "pools", "delete", "demo", "workers"), "Node pool workers is being deleted.")
	says(t, "nothing deleted", p.runs(t, "clusters", "list", "--deleted"), "There are no deleted clusters that could be brought back.")
	says(t, "delete", p.runs(t, "clusters", "delete", "demo"), "Cluster demo is being deleted.", "clusters undelete demo")
	says(t, "deleted", p.runs(t, "clusters", "list", "--deleted"), "NAME   ID     VERSION   CAN BE BROUGHT BACK UNTIL\ndemo   kc-1   1.37      9 Jan 2030, ")
	says(t, "undelete", p.runs(t, "clusters", "undelete", "demo"), "Cluster demo (kc-1) is being brought back.", "clusters get demo --wait")
	says(t, "undelete what is there", p.types(t, "", "clusters", "undelete", "demo").errs, "there is no deleted cluster \"demo\": `marina clusters list --deleted` says which there are")
	says(t, "delete again", p.runs(t, "clusters", "delete", "demo", "--wait"), "clusters undelete demo")
	says(t, "purge what is deleted", p.runs(t, "clusters", "delete", "demo", "--purge"), "Cluster demo is being deleted.\n")
	r := p.types(t, "", "clusters", "get", "demo")
	says(t, "a cluster that is gone", r.errs, "there is no cluster \"demo\": `marina clusters list` says which there are")
	r = p.types(t, "", "clusters", "create", "Demo")
	says(t, "a wrong name", r.errs, "Error: The request is not valid.", "\n  name: must consist of lower-case letters\n")
}

func TestEvents(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	p := member(t, a)
	p.runs(t, "clusters", "create", "demo")
	a.events = append(a.events,
		client.Event{ID: "ev-8", Kind: "fleet.node.changed", Subject: "nd-1", At: time.Now()},
		client.Event{ID: "ev-9", Kind: "fleet.node.changed", Subject: "nd-1", Message: "It says \x1b[31m\nhello.", At: time.Now().Add(-3 * time.Hour)})
	out := p.runs(t, "clusters", "events", "demo")
	says(t, "events", out, "AGE   KIND ", "The cluster demo was asked for.\n", "3h ", "It says  [31m hello.\n")
	if lines := strings.Count(out, "\n"); lines != 3 {
		t.Errorf("%d lines, want 3: an event without a message is not for people\n%s", lines, out)
	}
}

func TestWaiting(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.boots = 2
	p := member(t, a)
	r := p.types(t, "", "clusters", "create", "demo", "--wait")
	says(t, "progress", r.errs, "✓ Cluster demo is running, Kubernetes 1.37  ")
	says(t, "advice", r.out, "pools create demo workers --count 2 --wait", "kubeconfig demo")
	r = p.types(t, "", "pools", "create", "demo", "workers", "--count", "2", "--wait")
	says(t, "progress", r.errs, "✓ Node pool workers is running, 2 of 2 nodes ready  ")
	r = p.types(t, "", "pools", "delete", "demo", "workers", "--wait")
	says(t, "progress", r.errs, "✓ Node pool workers is deleted  ")
	r = p.types(t, "", "clusters", "delete", "demo", "--wait")
	says(t, "progress", r.errs, "✓ Cluster demo is deleted  ")
}

// TestWaitingOutlivesAnOutage: the server may be started again meanwhile.
func TestWaitingOutlivesAnOutage(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	p := member(t, a)
	p.runs(t, "clusters", "create", "demo")
	k, err := (&client.Client{Server: a.URL, Token: goodToken}).FindCluster(t.Context(), "demo")
	if err != nil {
		t.Fatal(err)
	}
	a.mu.Lock()
	a.outages = 2
	a.mu.Unlock()
	var errs strings.Builder
	e := newEnv(&errs)
	if _, err := e.awaitCluster(t.Context(), &client.Client{Server: a.URL, Token: goodToken}, k, time.Minute); err != nil {
		t.Errorf("await: %v", err)
	}
}

// TestWaitingEnds with an error that says why.
func TestWaitingEnds(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.boots = 1 << 30
	p := member(t, a)
	r := p.types(t, "", "clusters", "create", "demo", "--wait", "--timeout", "300ms")
	if r.status != 1 || r.out != "" {
		t.Errorf("create: %+v", r)
	}
	says(t, "the error", r.errs, "✗ Cluster demo", "Error: Cluster demo: gave up after 300ms; last seen: provisioning, waiting for APIServerReady\nWhat happened last:\n  0s ago: The cluster demo was asked for.\n")

	ctx, cancel := context.WithCancel(t.Context())
	interrupted := make(chan result)
	go func() {
		interrupted <- p.typesUntil(t, ctx, strings.NewReader(""), "clusters", "get", "demo", "--wait")
	}()
	for !slices.Contains(a.requests(), "GET /v1/clusters/kc-1") {
		time.Sleep(time.Millisecond)
	}
	cancel()
	if r := <-interrupted; r.status != 130 || !strings.HasSuffix(r.errs, "Interrupted.\n") {
		t.Errorf("after an interrupt: %+v", r)
	}
}
