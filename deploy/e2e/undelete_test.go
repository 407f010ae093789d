//go:build integration

package e2e_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/marina-cloud/marina/deploy/client"
)

// TestUndelete: a deleted cluster cannot be reached and has no machines. It comes back
// with its id, its endpoint and its objects, with a node again, and for the kubeconfig of
// before, which can be revoked still.
func TestUndelete(t *testing.T) {
	ctx := t.Context()
	for _, args := range [][]string{{"clusters", "create", "mistake", "--wait"}, {"pools", "create", "mistake", "workers", "--count", "1", "--wait"}} {
		if _, err := marina.Run(ctx, args...); err != nil {
			t.Fatal(err)
		}
	}
	k, err := marina.Client.FindCluster(ctx, "mistake")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := marina.Run(context.Background(), "clusters", "delete", "mistake", "--purge", "--wait"); err != nil {
			t.Error(err)
		}
		if left, err := marina.Client.DeletedClusters(context.Background()); err != nil || len(left) > 0 {
			t.Errorf("still to be brought back after the purge: %+v, %v", left, err)
		}
	})
	c := cluster{filepath.Join(t.TempDir(), "config")}
	if _, err := marina.Run(ctx, "kubeconfig", "mistake", "--embed", "--output", c.kubeconfig); err != nil {
		t.Fatal(err)
	}
	c.kubectl(t, "", "create", "secret", "generic", "kept", "--from-literal=k=sealed by the key of this cluster")
	before := nodes(t, c)

	if _, err := marina.Run(ctx, "clusters", "delete", "mistake", "--wait"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.try(t, "", "get", "nodes"); err == nil {
		t.Error("a deleted cluster answers")
	}
	if left, err := marina.Client.Nodes(ctx, k.ID); err != nil || len(left) > 0 {
		t.Errorf("nodes of a deleted cluster: %+v, %v", left, err)
	}
	if _, err := marina.Run(ctx, "clusters", "undelete", "mistake", "--wait"); err != nil {
		t.Fatal(err)
	}
	back, err := marina.Client.FindCluster(ctx, "mistake")
	if err != nil || back.ID != k.ID || back.Endpoint != k.Endpoint {
		t.Errorf("back is %+v, %v; was %+v", back, err, k)
	}
	if got := c.kubectl(t, "", "get", "secret", "kept", "-o", "jsonpath={.data.k}"); got == "" {
		t.Error("the Secret is gone")
	}
	eventually(t, "a new node is ready, and the old one is forgotten", func() (bool, string) {
		out, err := c.try(t, "", "get", "nodes", "--no-headers")
		lines := strings.Split(strings.TrimSpace(out), "\n")
		fresh := len(lines) == 1 && !slices.ContainsFunc(before, func(n string) bool { return strings.HasPrefix(lines[0], n+" ") })
		return err == nil && fresh && strings.Contains(out, " Ready "), fmt.Sprint(out, err)
	})
	all, err := marina.Client.Credentials(ctx, k.ID)
	at := slices.IndexFunc(all, func(x client.Credential) bool { return x.Kind == "kubeconfig" })
	if err != nil || at < 0 {
		t.Fatalf("credentials: %+v, %v; want the kubeconfig's", all, err)
	}
	if err := marina.Client.RevokeCredential(ctx, k.ID, all[at].ID); err != nil {
		t.Fatal(err)
	}
	if _, err := c.try(t, "", "get", "nodes"); err == nil {
		t.Error("kubectl is let in with a credential that was revoked after the cluster came back")
	}
}
