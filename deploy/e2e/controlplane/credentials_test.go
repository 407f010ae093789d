//go:build integration

package controlplane_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	authorization "k8s.io/api/authorization/v1"
	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/marina-cloud/marina/internal/tenant"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

// access is a credential that a person in a group asks for.
func access(group string) controlplane.NewCredential {
	return controlplane.NewCredential{Holder: actor, User: actor, Group: group, Kind: controlplane.ForExec, Life: controlplane.ExecLife}
}

// person returns a client with a credential of its own.
func (i *installation) person(t *testing.T, id tenant.ClusterID, group string) (controlplane.Issued, kubernetes.Interface, *rest.Config) {
	t.Helper()
	c, err := i.app.IssueCredential(t.Context(), i.org, actor, address, id, access(group))
	if err != nil {
		t.Fatal(err)
	}
	cfg := &rest.Config{Host: "https://192.0.2.200:6443", TLSClientConfig: rest.TLSClientConfig{
		ServerName: c.ServerName, CAData: c.Authority, CertData: c.Certificate, KeyData: c.Key,
	}}
	return c, i.client(id, cfg), cfg
}

// rights holds what the groups of people may do.
func rights(t *testing.T, i *installation, c controlplane.Cluster) {
	type wish struct{ verb, group, resource, namespace string }
	all := []wish{
		{"list", "", "nodes", ""}, {"list", "", "namespaces", ""}, {"list", "", "pods", "default"},
		{"create", "apps", "deployments", "default"}, {"get", "", "secrets", "default"}, {"create", "", "namespaces", ""}, {"list", "storage.k8s.io", "storageclasses", ""},
		{"create", "", "pods/exec", "default"},
		{"create", "rbac.authorization.k8s.io", "clusterrolebindings", ""}, {"delete", "", "nodes", ""}, {"delete", "", "namespaces", ""}, {"impersonate", "", "users", ""},
	}
	for group, may := range map[string]int{controlplane.AdminsGroup: len(all), controlplane.DevelopersGroup: 8, controlplane.ViewersGroup: 3} {
		_, k, _ := i.person(t, c.ID, group)
		for n, w := range all {
			resource, sub, _ := strings.Cut(w.resource, "/")
			got, err := k.AuthorizationV1().SelfSubjectAccessReviews().Create(t.Context(), &authorization.SelfSubjectAccessReview{
				Spec: authorization.SelfSubjectAccessReviewSpec{ResourceAttributes: &authorization.ResourceAttributes{
					Verb: w.verb, Group: w.group, Resource: resource, Subresource: sub, Namespace: w.namespace,
				}},
			}, meta.CreateOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if got.Status.Allowed != (n < may) {
				t.Errorf("%s may %s %s: %v", group, w.verb, w.resource, got.Status.Allowed)
			}
		}
	}
}

// revocation holds that a revoked credential is refused at once, that what is open with
// it ends, and that neither an impersonation nor a restart of anything brings it back.
func revocation(t *testing.T, i *installation, c controlplane.Cluster, mine kubernetes.Interface) {
	ctx := t.Context()
	lost, k, cfg := i.person(t, c.ID, controlplane.AdminsGroup)
	watch, err := k.CoreV1().ConfigMaps("default").Watch(ctx, meta.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Stop()
	other, err := mine.CoreV1().ConfigMaps("default").Watch(ctx, meta.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Stop()

	begun := time.Now()
	if err := i.app.RevokeCredential(ctx, i.org, actor, address, c.ID, lost.ID); err != nil {
		t.Fatal(err)
	}
	refused(t, k, "a request right after it was revoked")
	disguised := rest.CopyConfig(cfg)
	disguised.Impersonate = rest.ImpersonationConfig{UserName: "somebody"}
	refused(t, i.client(c.ID, disguised), "the same, as somebody else")
	for open := true; open; {
		select {
		case _, open = <-watch.ResultChan():
		case <-time.After(2*time.Second - time.Since(begun)):
			t.Fatal("a watch goes on two seconds after its credential was revoked")
		}
	}
	t.Logf("the watch ended %s after the credential was revoked", time.Since(begun).Round(time.Millisecond))

	// Another credential of the same person goes on, and so does its watch.
	if _, err := mine.CoreV1().ConfigMaps("default").Create(ctx, &core.ConfigMap{ObjectMeta: meta.ObjectMeta{Name: "still-here"}}, meta.CreateOptions{}); err != nil {
		t.Error(err)
	}
	i.eventually("the other watch sees it", 10*time.Second, func() bool {
		e, open := <-other.ResultChan()
		if !open {
			t.Fatal("the watch with another credential ended, too")
		}
		got, ok := e.Object.(*core.ConfigMap)
		return ok && got.Name == "still-here"
	})

	// A file that is lost, as a tmpfs is with the machine, is put back by the reconciler.
	file := func() []os.DirEntry {
		files, err := os.ReadDir(i.home.Revoked(c.ID))
		if err != nil {
			t.Fatal(err)
		}
		return files
	}
	if len(file()) != 1 {
		t.Fatalf("files of revoked credentials: %v, want one", file())
	}
	if err := os.Remove(filepath.Join(i.home.Revoked(c.ID), file()[0].Name())); err != nil {
		t.Fatal(err)
	}
	i.eventually("the list is whole again", time.Minute, func() bool { return len(file()) == 1 })
	refused(t, k, "a request after the file was lost")
}

func refused(t *testing.T, k kubernetes.Interface, why string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := k.CoreV1().Namespaces().List(ctx, meta.ListOptions{}); !apierrors.IsUnauthorized(err) {
		t.Errorf("%s: error = %v, want Unauthorized", why, err)
	}
}

// used holds that the owner sees which credentials are used.
func used(t *testing.T, i *installation, c controlplane.Cluster) {
	fresh, k, _ := i.person(t, c.ID, controlplane.ViewersGroup)
	idle, _, _ := i.person(t, c.ID, controlplane.ViewersGroup)
	if _, err := k.CoreV1().Namespaces().List(t.Context(), meta.ListOptions{}); err != nil {
		t.Fatal(err)
	}
	find := func(id tenant.CredentialID) controlplane.Credential {
		all, err := i.app.Credentials(t.Context(), i.org, c.ID, "", 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range all {
			if x.ID == id {
				return x
			}
		}
		t.Fatalf("%s is not listed", id)
		return controlplane.Credential{}
	}
	i.eventually("its use is seen", 20*time.Second, func() bool { return find(fresh.ID).LastUsedAt != nil })
	if at := find(fresh.ID).LastUsedAt; time.Since(*at) > 2*time.Minute {
		t.Errorf("used just now, seen as used at %s", at)
	}
	if at := find(idle.ID).LastUsedAt; at != nil {
		t.Errorf("one that was never used was, at %s", at)
	}
}
