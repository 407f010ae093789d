//go:build integration

package e2e_test

import (
	"bufio"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/marina-cloud/marina/deploy/client"
)

// TestRevokedCredential: kubectl gets its credentials from the command line, and when
// one is revoked, what it does at that moment ends: a watch, and an
// exec, whose connection was taken over from HTTP.
func TestRevokedCredential(t *testing.T) {
	c, ns := demo(), "revoked"
	namespace(t, c, ns)
	c.kubectl(t, pod(ns, "web", "", ""), "apply", "-f", "-")
	ready(t, c, ns, "web")
	k, err := marina.Client.FindCluster(t.Context(), "demo")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	list := func() (fresh []client.Credential) {
		all, err := marina.Client.Credentials(t.Context(), k.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range all {
			if !known[x.ID] {
				fresh = append(fresh, x)
			}
		}
		return fresh
	}
	for _, x := range list() {
		known[x.ID] = true
	}
	mine := cluster{filepath.Join(t.TempDir(), "config")}
	if _, err := marina.Run(t.Context(), "kubeconfig", "demo", "--output", mine.kubeconfig); err != nil {
		t.Fatal(err)
	}
	if got := mine.kubectl(t, "", "auth", "whoami", "-o", "jsonpath={.status.userInfo.username} {.status.userInfo.groups}"); !strings.Contains(got, "@") || !strings.Contains(got, "marina:admins") {
		t.Errorf("kubectl is %s, want a person's address and the group of admins", got)
	}
	issued := list()
	if len(issued) != 1 || issued[0].Kind != "exec" {
		t.Fatalf("credentials that were issued for kubectl: %+v, want one", issued)
	}

	ended := make(chan string, 2)
	for what, args := range map[string][]string{
		"watch": {"-n", ns, "get", "pods", "-w", "-o", "name"},
		"exec":  {"-n", ns, "exec", "web", "--", "sh", "-c", "echo begun; sleep 600"},
	} {
		cmd := mine.command(t.Context(), args...)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		go func() {
			_ = cmd.Wait() // however it ends
			ended <- what
		}()
	}
	begun := time.Now()
	if err := marina.Client.RevokeCredential(t.Context(), k.ID, issued[0].ID); err != nil {
		t.Fatal(err)
	}
	if _, err := mine.try(t, "", "get", "nodes"); err == nil {
		t.Error("kubectl is let in with a revoked credential")
	}
	for range 2 {
		select {
		case what := <-ended:
			t.Logf("%s ended %s after its credential was revoked", what, time.Since(begun).Round(time.Millisecond))
		case <-time.After(patience):
			t.Fatal("what was open with the revoked credential goes on")
		}
	}
	// Who is still a member gets another one.
	if _, err := marina.Run(t.Context(), "kubeconfig", "demo", "--output", mine.kubeconfig); err != nil {
		t.Fatal(err)
	}
	mine.kubectl(t, "", "get", "nodes")
}
