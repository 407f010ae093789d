package csr_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"net"
	"net/url"
	"testing"

	certificatesv1 "k8s.io/api/certificates/v1"

	fleet "github.com/marina-cloud/marina/node-fleet"
	"github.com/marina-cloud/marina/node-fleet/internal/csr"
)

const (
	client  = certificatesv1.KubeAPIServerClientKubeletSignerName
	serving = certificatesv1.KubeletServingSignerName
)

// asked is a request as a table writes it.
type asked struct {
	signer, user string
	groups       []string
	usages       []certificatesv1.KeyUsage
	seconds      int32
	template     x509.CertificateRequest
}

func TestDecide(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	node := &fleet.Node{Name: "web-abc", Address: "172.30.1.2"}
	subject := pkix.Name{CommonName: "system:node:web-abc", Organization: []string{"system:nodes"}}
	first := func(f func(*asked)) asked {
		a := asked{
			signer: client, user: "marina:bootstrap:web-abc", groups: []string{"system:bootstrappers", "system:authenticated"},
			usages:   []certificatesv1.KeyUsage{certificatesv1.UsageDigitalSignature, certificatesv1.UsageClientAuth},
			template: x509.CertificateRequest{Subject: subject},
		}
		if f != nil {
			f(&a)
		}
		return a
	}
	renewal := func(f func(*asked)) asked {
		return first(func(a *asked) {
			a.user, a.groups = "system:node:web-abc", []string{"system:nodes", "system:authenticated"}
			if f != nil {
				f(a)
			}
		})
	}
	server := func(f func(*asked)) asked {
		return renewal(func(a *asked) {
			a.signer = serving
			a.usages = []certificatesv1.KeyUsage{certificatesv1.UsageDigitalSignature, certificatesv1.UsageServerAuth}
			a.template.DNSNames, a.template.IPAddresses = []string{"web-abc"}, []net.IP{net.ParseIP("172.30.1.2")}
			if f != nil {
				f(a)
			}
		})
	}
	withSubject := func(s pkix.Name) asked { return first(func(a *asked) { a.template.Subject = s }) }

	for name, tc := range map[string]struct {
		why   string
		asked asked
		node  *fleet.Node
		want  csr.Verdict
	}{
		"First":            {"a machine that joined gets its node's client certificate", first(nil), node, csr.Approve},
		"Renewal":          {"a node renews its own", renewal(nil), node, csr.Approve},
		"Serving":          {"a node gets a serving certificate for itself", server(nil), node, csr.Approve},
		"KeyEncipherment":  {"kubelets with RSA keys ask for it", first(func(a *asked) { a.usages = append(a.usages, certificatesv1.UsageKeyEncipherment) }), node, csr.Approve},
		"OneDay":           {"a day is allowed", first(func(a *asked) { a.seconds = 86400 }), node, csr.Approve},
		"OtherSigner":      {"users' own requests are theirs", first(func(a *asked) { a.signer = "example.com/signer" }), node, csr.Leave},
		"ClientSigner":     {"the general client signer is not a kubelet's", first(func(a *asked) { a.signer = certificatesv1.KubeAPIServerClientSignerName }), node, csr.Leave},
		"NoNode":           {"a machine that nobody expects gets nothing", first(nil), nil, csr.Deny},
		"OtherNode":        {"the store's answer must be about the requester", first(nil), &fleet.Node{Name: "web-xyz"}, csr.Deny},
		"LongLife":         {"more than a day would outlive a removal", first(func(a *asked) { a.seconds = 86401 }), node, csr.Deny},
		"ForAnother":       {"a machine asks for itself only", withSubject(pkix.Name{CommonName: "system:node:web-xyz", Organization: []string{"system:nodes"}}), node, csr.Deny},
		"Masters":          {"no group besides system:nodes", withSubject(pkix.Name{CommonName: "system:node:web-abc", Organization: []string{"system:nodes", "system:masters"}}), node, csr.Deny},
		"MastersOnly":      {"no group besides system:nodes", withSubject(pkix.Name{CommonName: "system:node:web-abc", Organization: []string{"system:masters"}}), node, csr.Deny},
		"NoGroup":          {"a node without its group is none", withSubject(pkix.Name{CommonName: "system:node:web-abc"}), node, csr.Deny},
		"Unit":             {"nothing else may stand in the subject", withSubject(pkix.Name{CommonName: "system:node:web-abc", Organization: []string{"system:nodes"}, OrganizationalUnit: []string{"x"}}), node, csr.Deny},
		"OddAttribute":     {"also no attribute that Go has no field for", withSubject(pkix.Name{CommonName: "system:node:web-abc", Organization: []string{"system:nodes"}, ExtraNames: []pkix.AttributeTypeAndValue{{Type: asn1.ObjectIdentifier{1, 2, 3, 4}, Value: "x"}}}), node, csr.Deny},
		"ClientWithName":   {"a client certificate must not serve", first(func(a *asked) { a.template.DNSNames = []string{"web-abc"} }), node, csr.Deny},
		"ClientWithIP":     {"a client certificate must not serve", first(func(a *asked) { a.template.IPAddresses = []net.IP{net.ParseIP("172.30.1.2")} }), node, csr.Deny},
		"ClientServes":     {"a client certificate must not serve", first(func(a *asked) { a.usages = append(a.usages, certificatesv1.UsageServerAuth) }), node, csr.Deny},
		"NoUsage":          {"a certificate for nothing is a mistake", first(func(a *asked) { a.usages = nil }), node, csr.Deny},
		"Stranger":         {"somebody with the right to ask is not a node", first(func(a *asked) { a.user = "alice" }), node, csr.Deny},
		"BootstrapNoGroup": {"the name alone proves nothing", first(func(a *asked) { a.groups = nil }), node, csr.Deny},
		"NodeNoGroup":      {"the name alone proves nothing", renewal(func(a *asked) { a.groups = []string{"system:authenticated"} }), node, csr.Deny},
		"ServingFirst":     {"a machine is a node before it serves", server(func(a *asked) { a.user, a.groups = "marina:bootstrap:web-abc", []string{"system:bootstrappers"} }), node, csr.Deny},
		"ServingOtherName": {"no names but its own", server(func(a *asked) { a.template.DNSNames = []string{"web-abc", "kubernetes"} }), node, csr.Deny},
		"ServingOtherIP":   {"no addresses but its own", server(func(a *asked) { a.template.IPAddresses = []net.IP{net.ParseIP("172.30.1.3")} }), node, csr.Deny},
		"ServingNoNames":   {"a certificate for no name is a mistake", server(func(a *asked) { a.template.DNSNames, a.template.IPAddresses = nil, nil }), node, csr.Deny},
		"ServingMail":      {"no mail addresses", server(func(a *asked) { a.template.EmailAddresses = []string{"a@b.c"} }), node, csr.Deny},
		"ServingURI":       {"no URIs", server(func(a *asked) { a.template.URIs = []*url.URL{{Scheme: "spiffe", Host: "x"}} }), node, csr.Deny},
		"ServingClient":    {"a serving certificate must not log in", server(func(a *asked) { a.usages = append(a.usages, certificatesv1.UsageClientAuth) }), node, csr.Deny},
		"AddressUnknown":   {"the address is recorded in a moment", server(nil), &fleet.Node{Name: "web-abc"}, csr.Wait},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			der, err := x509.CreateCertificateRequest(rand.Reader, &tc.asked.template, key)
			if err != nil {
				t.Fatal(err)
			}
			r := &certificatesv1.CertificateSigningRequest{Spec: certificatesv1.CertificateSigningRequestSpec{
				Request:    pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}),
				SignerName: tc.asked.signer, Username: tc.asked.user, Groups: tc.asked.groups, Usages: tc.asked.usages,
			}}
			if tc.asked.seconds > 0 {
				r.Spec.ExpirationSeconds = &tc.asked.seconds
			}
			got, why := csr.Decide(r, tc.node)
			if got != tc.want {
				t.Errorf("Decide = %v (%s), want %v: %s", got, why, tc.want, tc.why)
			}
			if got == csr.Deny && why == "" {
				t.Error("denied without a reason")
			}
			r.Status.Conditions = []certificatesv1.CertificateSigningRequestCondition{{Type: certificatesv1.CertificateDenied}}
			if got, _ := csr.Decide(r, tc.node); got != csr.Leave {
				t.Errorf("Decide of a decided request = %v, want Leave", got)
			}
		})
	}
}

// TestDecideGarbage has requests that cannot be read, or are signed with another key than
// the one that they are for.
func TestDecideGarbage(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject: pkix.Name{CommonName: "system:node:a", Organization: []string{"system:nodes"}},
	}, key)
	if err != nil {
		t.Fatal(err)
	}
	good := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: signed}))
	signed[len(signed)-1] ^= 1
	forged := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: signed}))
	for request, want := range map[string]csr.Verdict{
		good: csr.Approve, // control
		"":   csr.Deny, "x": csr.Deny, "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n": csr.Deny,
		forged: csr.Deny, good + good: csr.Deny,
	} {
		r := &certificatesv1.CertificateSigningRequest{Spec: certificatesv1.CertificateSigningRequestSpec{
			Request: []byte(request), SignerName: client, Username: "marina:bootstrap:a", Groups: []string{"system:bootstrappers"},
			Usages: []certificatesv1.KeyUsage{certificatesv1.UsageDigitalSignature, certificatesv1.UsageClientAuth},
		}}
		if got, why := csr.Decide(r, &fleet.Node{Name: "a"}); got != want {
			t.Errorf("Decide of %q = %v (%s), want %v", request, got, why, want)
		}
	}
}
