//go:build integration

package controlplane_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	authentication "k8s.io/api/authentication/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/marina-cloud/marina/internal/fault"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

// mapping is how the tests' issuers say who somebody is: just as they like.
var mapping = controlplane.ClaimMappings{
	Username: controlplane.PrefixedClaim{Expression: "claims.sub"},
	Groups:   controlplane.PrefixedClaim{Expression: "claims.groups"},
}

// trust makes the cluster take the tokens of issuers.
func (i *installation) trust(t *testing.T, c controlplane.Cluster, ps ...*provider) {
	t.Helper()
	a := controlplane.Authentication{JWT: []controlplane.JWTAuthenticator{}}
	for _, p := range ps {
		a.JWT = append(a.JWT, controlplane.JWTAuthenticator{
			Issuer:        controlplane.JWTIssuer{URL: p.url, Audiences: []string{"cluster"}, CertificateAuthority: string(p.ca)},
			ClaimMappings: mapping,
		})
	}
	if _, err := i.app.SetAuthentication(t.Context(), i.org, actor, address, c.ID, a); err != nil {
		t.Fatal(err)
	}
}

// bearer returns a client of somebody with a token.
func (i *installation) bearer(t *testing.T, c controlplane.Cluster, cfg *rest.Config, token string) kubernetes.Interface {
	t.Helper()
	bearer := rest.AnonymousClientConfig(cfg)
	bearer.BearerToken = token
	return i.client(c.ID, bearer)
}

// whoami is who the cluster takes the holder of a client for.
func whoami(t *testing.T, k kubernetes.Interface) (authentication.UserInfo, error) {
	r, err := k.AuthenticationV1().SelfSubjectReviews().Create(t.Context(), &authentication.SelfSubjectReview{}, meta.CreateOptions{})
	if err != nil {
		return authentication.UserInfo{}, err
	}
	return r.Status.UserInfo, nil
}

// issuersReachable is the condition of a cluster's issuers; nil: there is none.
func (i *installation) issuersReachable(t *testing.T, c controlplane.Cluster) *controlplane.Condition {
	t.Helper()
	now, err := i.app.Cluster(t.Context(), i.org, c.ID)
	if err != nil {
		t.Fatal(err)
	}
	if n := slices.IndexFunc(now.Conditions, func(k controlplane.Condition) bool { return k.Type == controlplane.IssuersReachable }); n >= 0 {
		return &now.Conditions[n]
	}
	return nil
}

// issuers holds that a cluster takes the tokens of an issuer that its owner names, and
// follows a change of that without a restart; that no token makes anybody more than its
// owner could give them; and that an issuer where the way out does not lead is not asked.
func issuers(t *testing.T, i *installation, c controlplane.Cluster, cfg *rest.Config, friend, foe *provider) {
	stack := i.pid("-stack")
	i.trust(t, c, friend)
	somebody := i.bearer(t, c, cfg, friend.token(t, "outside:somebody", "t-1", "team"))
	i.eventually("a token of the issuer is accepted", 2*time.Minute, func() bool {
		who, err := whoami(t, somebody)
		return err == nil && who.Username == "outside:somebody" && slices.Contains(who.Groups, "team")
	})
	i.eventually("the owner sees that the issuer can be asked", time.Minute, func() bool {
		k := i.issuersReachable(t, c)
		return k != nil && k.OK
	})
	t.Run("nobody is made more than the owner may", func(t *testing.T) { forged(t, i, c, cfg, friend) })
	t.Run("a token is revoked", func(t *testing.T) { tokenRevoked(t, i, c, cfg, friend) })
	t.Run("wrong fields", func(t *testing.T) { wrongIssuers(t, i, c) })

	if now := i.pid("-stack"); now != stack {
		t.Errorf("the stack was process %d and is %d: a change of the issuers restarted it", stack, now)
	}
	if err := syscall.Kill(stack, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	i.eventually("the token is accepted after a restart of the stack", 2*time.Minute, func() bool {
		_, err := whoami(t, somebody)
		return err == nil && i.pid("-stack") != stack
	})
	i.eventually("the cluster runs again", time.Minute, func() bool { return i.phase(c.ID) == controlplane.Running })

	t.Run("an issuer on this machine", func(t *testing.T) { forbidden(t, i, c, cfg, friend, foe) })
	i.trust(t, c)
	i.eventually("no token is accepted any more", 2*time.Minute, func() bool {
		_, err := whoami(t, somebody)
		return err != nil
	})
	i.eventually("nothing is said of issuers any more", time.Minute, func() bool { return i.issuersReachable(t, c) == nil })
}

// forged holds that an issuer makes nobody a user or a member of Kubernetes' or Marina's
// own, nor a person of Marina's, even where the owner's mapping would.
func forged(t *testing.T, i *installation, c controlplane.Cluster, cfg *rest.Config, p *provider) {
	for name, token := range map[string]string{
		"a group of Kubernetes'":      p.token(t, "outside:eve", "f-1", "system:masters"),
		"a group of machines":         p.token(t, "outside:eve", "f-2", "team", "system:nodes"),
		"a group of Marina's":         p.token(t, "outside:eve", "f-3", controlplane.AdminsGroup),
		"a user of Kubernetes'":       p.token(t, "system:kube-controller-manager", "f-4"),
		"a service account":           p.token(t, "system:serviceaccount:kube-system:default", "f-5"),
		"a machine":                   p.token(t, "system:node:worker", "f-6", "team"),
		"Marina itself":               p.token(t, "marina:controlplane", "f-7"),
		"a person of Marina's":        p.token(t, "ada@example.com", "f-8"),
		"the API server, to kubelets": p.token(t, "kube-apiserver-kubelet-client", "f-9"),
	} {
		if who, err := whoami(t, i.bearer(t, c, cfg, token)); err == nil {
			t.Errorf("%s: a token makes somebody %+v", name, who)
		}
	}
	// The control arm: it is not that the issuer is not taken.
	who, err := whoami(t, i.bearer(t, c, cfg, p.token(t, "outside:ada@example.com", "f-10", "not-system:masters")))
	if err != nil || who.Username != "outside:ada@example.com" {
		t.Errorf("an ordinary token: %+v, %v", who, err)
	}
}

// tokenRevoked holds that a token has an id by which it is refused at once, and that
// what is open with it ends.
func tokenRevoked(t *testing.T, i *installation, c controlplane.Cluster, cfg *rest.Config, p *provider) {
	token := p.token(t, "outside:lost", "lost-token", "team")
	lost, other := i.bearer(t, c, cfg, token), i.bearer(t, c, cfg, p.token(t, "outside:lost", "another", "team"))
	for _, k := range []kubernetes.Interface{lost, other} {
		who, err := whoami(t, k)
		if err != nil {
			t.Fatal(err)
		}
		if id := who.Extra["authentication.kubernetes.io/credential-id"]; len(id) != 1 || !strings.HasPrefix(id[0], "JTI=") {
			t.Errorf("the id of a token is %v", id)
		}
	}
	if err := i.app.RevokeToken(t.Context(), i.org, actor, address, c.ID, controlplane.RevokedToken{ID: "lost-token", Life: time.Hour}); err != nil {
		t.Fatal(err)
	}
	refused(t, lost, "a request right after the token was revoked")
	if _, err := whoami(t, other); err != nil {
		t.Errorf("another token of the same person: %v", err)
	}
}

// wrongIssuers holds that what an API server would not start with never gets to it.
func wrongIssuers(t *testing.T, i *installation, c controlplane.Cluster) {
	for field, a := range map[string]controlplane.JWTAuthenticator{
		"jwt[0].issuer.url": {
			Issuer: controlplane.JWTIssuer{URL: c.Issuer, Audiences: []string{"x"}}, ClaimMappings: mapping,
		},
		"jwt[0].claimMappings.username.expression": {
			Issuer:        controlplane.JWTIssuer{URL: "https://login.example.com", Audiences: []string{"x"}},
			ClaimMappings: controlplane.ClaimMappings{Username: controlplane.PrefixedClaim{Expression: "who.knows"}},
		},
	} {
		_, err := i.app.SetAuthentication(t.Context(), i.org, actor, address, c.ID, controlplane.Authentication{JWT: []controlplane.JWTAuthenticator{a}})
		f, ok := errors.AsType[*fault.Error](err)
		if !ok || len(f.Fields) != 1 || f.Fields[0].Name != field {
			t.Errorf("%s: %v", field, err)
		}
	}
}

// forbidden holds that nobody is asked who is on this machine, that the owner is told,
// and that until then what was good goes on.
func forbidden(t *testing.T, i *installation, c controlplane.Cluster, cfg *rest.Config, friend, foe *provider) {
	foe.reachable(t)
	before := foe.came.Load()
	refusals := func() int { return strings.Count(i.log.String(), fmt.Sprintf("target=%s why=", foe.address)) }
	earlier := refusals()
	i.trust(t, c, foe, friend)
	i.eventually("the owner is told", time.Minute, func() bool {
		k := i.issuersReachable(t, c)
		return k != nil && !k.OK && strings.Contains(k.Message, foe.url) && strings.Contains(k.Message, "not on the public Internet")
	})
	i.eventually("the API server asks for the issuer on this machine", 2*time.Minute, func() bool { return refusals() > earlier+1 })
	if who, err := whoami(t, i.bearer(t, c, cfg, foe.token(t, "outside:somebody", "s-1"))); err == nil {
		t.Errorf("a token of an issuer that nobody could ask was accepted: %+v", who)
	}
	if who, err := whoami(t, i.bearer(t, c, cfg, friend.token(t, "outside:somebody", "s-2"))); err != nil {
		t.Errorf("a token of the other issuer: %+v, %v", who, err)
	}
	if n := foe.came.Load() - before; n != 0 {
		t.Errorf("%d connections came to an issuer on this machine", n)
	}
	if got := i.phase(c.ID); got != controlplane.Running {
		t.Errorf("an issuer that cannot be asked makes the cluster %s", got)
	}
	file, err := os.ReadFile(filepath.Join(i.home.TenantRun(c.ID), "config", "authentication.yaml"))
	if err != nil || strings.Count(string(file), "egressSelectorType: controlplane") != 2 {
		t.Errorf("the API server is told to ask past the proxy (%v):\n%s", err, file)
	}
}
