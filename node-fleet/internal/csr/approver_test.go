//go:build integration

package csr_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"net"
	"testing"
	"time"

	certificatesv1 "k8s.io/api/certificates/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/marina-cloud/marina/internal/tenant"
	fleet "github.com/marina-cloud/marina/node-fleet"
	"github.com/marina-cloud/marina/node-fleet/fleettest"
	"github.com/marina-cloud/marina/node-fleet/internal/csr"
)

// expects is the nodes that a cluster has.
type expects map[string]fleet.Node

func (e expects) ExpectedByName(_ context.Context, _ tenant.ClusterID, name string) (fleet.Node, error) {
	if n, ok := e[name]; ok {
		return n, nil
	}
	return fleet.Node{}, fleet.ErrNotExpected
}

// TestApprover asks a real API server, as the users that machines are, and gets
// certificates of its controllers.
func TestApprover(t *testing.T) {
	t.Parallel()
	cfg := fleettest.APIServer(t)
	admin := kubernetes.NewForConfigOrDie(cfg)
	approvers := csr.Approvers{New: func(id tenant.ClusterID) *csr.Approver {
		return &csr.Approver{
			Cluster: id, Log: slog.New(slog.DiscardHandler), Nodes: expects{"web-1": {Name: "web-1", Address: "172.30.1.2"}, "new-1": {Name: "new-1"}},
			Client: func(context.Context, tenant.ClusterID) (kubernetes.Interface, error) { return admin, nil },
		}
	}}
	bind(t, admin)
	early, first, server := fleettest.Unique("early"), fleettest.Unique("first"), fleettest.Unique("serving")
	unexpected, other := fleettest.Unique("unexpected"), fleettest.Unique("other")
	// One that cannot be decided yet comes first: the others must not wait for it.
	ask(t, as(cfg, "system:node:new-1", "system:nodes"), early, serving, "new-1", "172.30.1.9")
	ask(t, as(cfg, "marina:bootstrap:web-1", "system:bootstrappers"), first, client, "web-1", "")
	approvers.Serve(t.Context(), []tenant.ClusterID{"kc-a"})
	t.Cleanup(approvers.Stop)
	ask(t, as(cfg, "system:node:web-1", "system:nodes"), server, serving, "web-1", "172.30.1.2")
	ask(t, as(cfg, "marina:bootstrap:web-2", "system:bootstrappers"), unexpected, client, "web-2", "")
	ask(t, as(cfg, "marina:bootstrap:web-1", "system:bootstrappers"), other, client, "web-2", "")

	for name, approved := range map[string]bool{first: true, server: true, unexpected: false, other: false} {
		r := await(t, admin, name, func(r *certificatesv1.CertificateSigningRequest) bool {
			return len(r.Status.Certificate) > 0 || len(r.Status.Conditions) > 0 && r.Status.Conditions[0].Type == certificatesv1.CertificateDenied
		})
		if (len(r.Status.Certificate) > 0) != approved {
			t.Errorf("%s: %+v; approved should be %v", name, r.Status.Conditions, approved)
		}
		if approved {
			block, _ := pem.Decode(r.Status.Certificate)
			c, err := x509.ParseCertificate(block.Bytes)
			if err != nil || time.Until(c.NotAfter) > 24*time.Hour || c.Subject.CommonName != "system:node:web-1" {
				t.Errorf("%s: %v of %v, until %v", name, err, c.Subject, c.NotAfter)
			}
		}
	}
	if r := await(t, admin, early, func(*certificatesv1.CertificateSigningRequest) bool { return true }); len(r.Status.Conditions) > 0 {
		t.Errorf("early: %+v; want it undecided", r.Status.Conditions)
	}
	approvers.Serve(t.Context(), nil)
}

// bind lets machines ask, as a tenant's control plane does: to ask is not to be
// approved. (Kubernetes approves by itself what somebody asks who holds more.)
func bind(t *testing.T, admin kubernetes.Interface) {
	t.Helper()
	_, err := admin.RbacV1().ClusterRoleBindings().Create(t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "bootstrap"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "system:node-bootstrapper"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "Group", Name: "system:bootstrappers"}},
	}, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatal(err)
	}
}

// as is the API as somebody else sees it.
func as(cfg *rest.Config, user string, groups ...string) kubernetes.Interface {
	cfg = rest.CopyConfig(cfg)
	cfg.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: append(groups, "system:authenticated")}
	return kubernetes.NewForConfigOrDie(cfg)
}

func ask(t *testing.T, as kubernetes.Interface, request, signer, node, address string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.CertificateRequest{Subject: pkix.Name{CommonName: "system:node:" + node, Organization: []string{"system:nodes"}}}
	usage := certificatesv1.UsageClientAuth
	if signer == serving {
		usage = certificatesv1.UsageServerAuth
		template.DNSNames, template.IPAddresses = []string{node}, []net.IP{net.ParseIP(address)}
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &template, key)
	if err != nil {
		t.Fatal(err)
	}
	r := &certificatesv1.CertificateSigningRequest{
		ObjectMeta: metav1.ObjectMeta{Name: request},
		Spec: certificatesv1.CertificateSigningRequestSpec{
			Request:    pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}),
			SignerName: signer, Usages: []certificatesv1.KeyUsage{certificatesv1.UsageDigitalSignature, usage},
		},
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for limit := time.After(20 * time.Second); ; {
		_, err = as.CertificatesV1().CertificateSigningRequests().Create(t.Context(), r, metav1.CreateOptions{})
		if err == nil {
			return
		}
		if !apierrors.IsForbidden(err) { // the authorizer learns of a binding a little later
			t.Fatalf("ask for %s: %v", request, err)
		}
		select {
		case <-limit:
			t.Fatalf("ask for %s: %v", request, err)
		case <-tick.C:
		}
	}
}

func await(t *testing.T, admin kubernetes.Interface, name string, ok func(*certificatesv1.CertificateSigningRequest) bool) *certificatesv1.CertificateSigningRequest {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for limit := time.After(20 * time.Second); ; {
		r, err := admin.CertificatesV1().CertificateSigningRequests().Get(t.Context(), name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if ok(r) {
			return r
		}
		select {
		case <-limit:
			t.Fatalf("%s stays undecided: %+v", name, r.Status)
		case <-tick.C:
		}
	}
}
