//go:build integration

package controlplane_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"

	authentication "k8s.io/api/authentication/v1"
	certificates "k8s.io/api/certificates/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

// machine holds that a machine which has only its bootstrap certificate may ask
// for a node's certificate, and may neither approve it nor read anything else.
func machine(t *testing.T, i *installation, c controlplane.Cluster) {
	ctx := t.Context()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := i.app.IssueNodeBootstrap(ctx, c.ID, "node-a", key.Public())
	if err != nil {
		t.Fatal(err)
	}
	control, err := i.app.Control(ctx, c.ID)
	if err != nil {
		t.Fatal(err)
	}
	if control.DNS != "10.96.0.10" || control.KubernetesVersion != "v1.37.2" || !control.Running {
		t.Errorf("control = %+v", control)
	}
	k := i.client(c.ID, &rest.Config{
		Host: "https://192.0.2.200:6443",
		TLSClientConfig: rest.TLSClientConfig{
			ServerName: control.ServerName, CAData: control.CA, CertData: cert,
			KeyData: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
		},
	})
	// Nobody is a machine of the cluster whom the fleet does not name.
	reviews := k.AuthenticationV1().SelfSubjectReviews()
	if _, err := reviews.Create(ctx, &authentication.SelfSubjectReview{}, meta.CreateOptions{}); !apierrors.IsUnauthorized(err) {
		t.Errorf("a machine that is no member: error = %v, want Unauthorized", err)
	}
	member := filepath.Join(i.home.Members(c.ID), "node-a")
	if err := os.WriteFile(member, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := os.Remove(member); err != nil {
			t.Fatal(err)
		}
		if _, err := reviews.Create(ctx, &authentication.SelfSubjectReview{}, meta.CreateOptions{}); !apierrors.IsUnauthorized(err) {
			t.Errorf("a machine that was a member: error = %v, want Unauthorized", err)
		}
	}()
	request, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject: pkix.Name{CommonName: "system:node:node-a", Organization: []string{"system:nodes"}},
	}, key)
	if err != nil {
		t.Fatal(err)
	}
	csr := &certificates.CertificateSigningRequest{
		ObjectMeta: meta.ObjectMeta{Name: "node-a"},
		Spec: certificates.CertificateSigningRequestSpec{
			Request:    pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: request}),
			SignerName: certificates.KubeAPIServerClientKubeletSignerName,
			Usages:     []certificates.KeyUsage{certificates.UsageDigitalSignature, certificates.UsageClientAuth},
		},
	}
	made, err := k.CertificatesV1().CertificateSigningRequests().Create(ctx, csr, meta.CreateOptions{})
	if err != nil {
		t.Fatalf("a machine asks for its certificate: %v", err)
	}
	if made.Spec.Username != "marina:bootstrap:node-a" {
		t.Errorf("the machine is %s", made.Spec.Username)
	}
	made.Status.Conditions = []certificates.CertificateSigningRequestCondition{{Type: certificates.CertificateApproved, Status: "True", Reason: "Myself"}}
	if _, err := k.CertificatesV1().CertificateSigningRequests().UpdateApproval(ctx, made.Name, made, meta.UpdateOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("a machine approves itself: error = %v, want Forbidden", err)
	}
	if _, err := k.CoreV1().Secrets("default").List(ctx, meta.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("a machine lists Secrets: error = %v, want Forbidden", err)
	}
	if _, err := k.CoreV1().Nodes().List(ctx, meta.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("a machine lists Nodes: error = %v, want Forbidden", err)
	}
}
