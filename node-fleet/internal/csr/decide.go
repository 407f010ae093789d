// Package csr decides on the certificates that kubelets ask for: a node of the
// cluster gets its own, and nobody gets anything else. No group in a cluster
// holds the right to approve: this package is the only approver of what
// Kubernetes' controller then signs.
package csr

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	certificatesv1 "k8s.io/api/certificates/v1"

	fleet "github.com/marina-cloud/marina/node-fleet"
)

// Users and groups of Kubernetes, and of a machine that joins.
const (
	bootstrapUser  = "marina:bootstrap:"
	bootstrapGroup = "system:bootstrappers"
	nodeUser       = "system:node:"
	nodeGroup      = "system:nodes"
)

// maxLife is the longest life that a kubelet may ask for.
const maxLife = 24 * time.Hour

// Verdict is what to do with a request.
type Verdict int

// The verdicts.
const (
	Leave   Verdict = iota // it is not ours, or already decided
	Approve                // sign it
	Deny                   // never sign it
	Wait                   // what is needed to decide is not known yet; look again
)

// NodeName returns the name of the node that a request is about; ours is false
// when the request is none of a kubelet, or is decided already.
func NodeName(r *certificatesv1.CertificateSigningRequest) (name string, ours bool) {
	switch r.Spec.SignerName {
	case certificatesv1.KubeAPIServerClientKubeletSignerName, certificatesv1.KubeletServingSignerName:
	default:
		return "", false
	}
	for _, c := range r.Status.Conditions {
		if c.Type == certificatesv1.CertificateApproved || c.Type == certificatesv1.CertificateDenied {
			return "", false
		}
	}
	if name, ok := strings.CutPrefix(r.Spec.Username, bootstrapUser); ok {
		return name, true
	}
	return strings.TrimPrefix(r.Spec.Username, nodeUser), true
}

// Decide says what to do with a request and why. Node is the node of the cluster
// with the name that NodeName returned and which may have credentials; nil means
// that there is none.
func Decide(r *certificatesv1.CertificateSigningRequest, node *fleet.Node) (Verdict, string) {
	name, ours := NodeName(r)
	if !ours {
		return Leave, ""
	}
	if node == nil || node.Name != name {
		return Deny, "The requester is not a node of this cluster."
	}
	csr, err := parse(r.Spec.Request)
	if err != nil {
		return Deny, "The request cannot be read: " + err.Error() + "."
	}
	if why := wrongRequester(r, name); why != "" {
		return Deny, why
	}
	if why := wrongSubject(csr, name); why != "" {
		return Deny, why
	}
	if s := r.Spec.ExpirationSeconds; s != nil && time.Duration(*s)*time.Second > maxLife {
		return Deny, "A kubelet's certificate lives for a day at most."
	}
	if r.Spec.SignerName == certificatesv1.KubeAPIServerClientKubeletSignerName {
		return decideClient(r, csr)
	}
	return decideServing(r, csr, *node)
}

func wrongRequester(r *certificatesv1.CertificateSigningRequest, name string) string {
	bootstraps := r.Spec.Username == bootstrapUser+name && slices.Contains(r.Spec.Groups, bootstrapGroup) &&
		r.Spec.SignerName == certificatesv1.KubeAPIServerClientKubeletSignerName
	renews := r.Spec.Username == nodeUser+name && slices.Contains(r.Spec.Groups, nodeGroup)
	if !bootstraps && !renews {
		return "A node's certificates are given to this node alone, and its first is its client certificate."
	}
	return ""
}

func wrongSubject(csr *x509.CertificateRequest, name string) string {
	want := []string{nodeUser + name, nodeGroup}
	var got []string
	for _, n := range csr.Subject.Names {
		got = append(got, fmt.Sprint(n.Value))
	}
	// Names holds every attribute, also those that the fields of Subject do not.
	slices.Sort(got)
	slices.Sort(want)
	if csr.Subject.CommonName != nodeUser+name || !slices.Equal(csr.Subject.Organization, []string{nodeGroup}) || !slices.Equal(got, want) {
		return fmt.Sprintf("The subject must be O=%s, CN=%s%s and nothing else.", nodeGroup, nodeUser, name)
	}
	return ""
}

func decideClient(r *certificatesv1.CertificateSigningRequest, csr *x509.CertificateRequest) (Verdict, string) {
	if len(csr.DNSNames)+len(csr.IPAddresses)+len(csr.EmailAddresses)+len(csr.URIs) > 0 {
		return Deny, "A client certificate has no alternative names."
	}
	if !usages(r, certificatesv1.UsageClientAuth) {
		return Deny, "The usages must be those of a client."
	}
	return Approve, "The node's client certificate."
}

func decideServing(r *certificatesv1.CertificateSigningRequest, csr *x509.CertificateRequest, node fleet.Node) (Verdict, string) {
	if !usages(r, certificatesv1.UsageServerAuth) {
		return Deny, "The usages must be those of a server."
	}
	if len(csr.DNSNames)+len(csr.IPAddresses) == 0 || len(csr.EmailAddresses)+len(csr.URIs) > 0 {
		return Deny, "The alternative names must be the node's name and address."
	}
	for _, dns := range csr.DNSNames {
		if dns != node.Name {
			return Deny, fmt.Sprintf("%q is not the node's name.", dns)
		}
	}
	if node.Address == "" && len(csr.IPAddresses) > 0 {
		return Wait, ""
	}
	address := net.ParseIP(node.Address)
	for _, ip := range csr.IPAddresses {
		if !ip.Equal(address) {
			return Deny, fmt.Sprintf("%s is not the node's address.", ip)
		}
	}
	return Approve, "The node's serving certificate."
}

// usages reports whether the request asks for authentication of one kind, for
// digital signatures, and for nothing else but, at most, what RSA keys need.
func usages(r *certificatesv1.CertificateSigningRequest, auth certificatesv1.KeyUsage) bool {
	if !slices.Contains(r.Spec.Usages, auth) || !slices.Contains(r.Spec.Usages, certificatesv1.UsageDigitalSignature) {
		return false
	}
	for _, u := range r.Spec.Usages {
		if u != auth && u != certificatesv1.UsageDigitalSignature && u != certificatesv1.UsageKeyEncipherment {
			return false
		}
	}
	return true
}

func parse(text []byte) (*x509.CertificateRequest, error) {
	block, rest := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE REQUEST" || len(bytes.TrimSpace(rest)) > 0 {
		return nil, fmt.Errorf("it is not one certificate request in PEM")
	}
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, err
	}
	if err := csr.CheckSignature(); err != nil {
		return nil, err
	}
	return csr, nil
}
