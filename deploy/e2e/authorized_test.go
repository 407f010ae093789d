//go:build integration

package e2e_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/marina-cloud/marina/deploy/client"
)

// TestAuthorizedNetworks: when a person's network is taken away, their watch ends and
// they are refused; machines join and work meanwhile, and a terminal in the browser goes
// on.
func TestAuthorizedNetworks(t *testing.T) {
	c := demo()
	k, err := marina.Client.FindCluster(t.Context(), "demo")
	if err != nil {
		t.Fatal(err)
	}
	set := func(networks ...string) {
		t.Helper()
		if _, err := marina.Client.SetNetworks(t.Context(), k.ID, networks); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if _, err := marina.Client.SetNetworks(context.Background(), k.ID, nil); err != nil {
			t.Error(err)
		}
	})
	browser := openTerminal(t)
	set("127.0.0.0/8", "::1")
	_, lines := c.open(t, "get", "namespace", "default", "--watch", "-o", "name")
	hears(t, "a watch begins", lines, "namespace/default")

	set("203.0.113.0/24")
	begun := time.Now()
	select {
	case line, open := <-lines:
		if open {
			t.Fatalf("the watch goes on: %q", line)
		}
		if took := time.Since(begun); took > 3*time.Second {
			t.Errorf("the watch ended after %s, want two seconds at most", took)
		}
	case <-time.After(patience):
		t.Fatal("the watch goes on")
	}
	if _, err := c.try(t, "", "get", "nodes"); err == nil || !strings.Contains(err.Error(), "tls: access denied") {
		t.Errorf("kubectl from outside: %v, want it refused with access denied", err)
	}
	if out, status := browser.run("kubectl get namespace default -o name"); status != "0" {
		t.Errorf("the terminal in the browser: %s, %s", status, out)
	}

	p, err := marina.Client.CreatePool(t.Context(), k.ID, client.NewPool{Name: "late", Count: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := marina.Client.DeletePool(t.Context(), k.ID, p.ID); err != nil {
			t.Error(err)
		}
		eventually(t, "the pool is gone", func() (bool, string) {
			pools, err := marina.Client.Pools(t.Context(), k.ID)
			return err == nil && len(pools) == 1, ""
		})
	}()
	var late string
	eventually(t, "a machine joins", func() (bool, string) {
		all, err := marina.Client.Nodes(t.Context(), k.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range all {
			if n.Pool == p.ID && n.Ready {
				late = n.Name
			}
		}
		return late != "", ""
	})
	const manifest = "kubectl run late --image=" + image + ` --overrides='{"spec":{"nodeName":"%"}}' -- pause && kubectl wait --for=condition=Ready pod/late --timeout=60s`
	if out, status := browser.run(strings.Replace(manifest, "%", late, 1)); status != "0" {
		t.Errorf("a pod on the new machine: %s, %s", status, out)
	}

	set()
	c.kubectl(t, "", "delete", "pod", "late", "--now")
}
