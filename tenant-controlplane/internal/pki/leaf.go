package pki

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/reconcile"
)

// leaf is a certificate with its key that a stack needs. Exactly one of client
// and server is set.
type leaf struct {
	cert, key string // file names
	authority string
	client    *Client
	server    *Server
}

// leaves are all of a cluster's, given the domain that the installation's names
// end with.
func leaves(c controlplane.Cluster, domain string) ([]leaf, error) {
	service, err := firstAddress(c.ServiceCIDR)
	if err != nil {
		return nil, err
	}
	name := string(c.ID) + "." + domain
	client := func(cert, key, authority, commonName string) leaf {
		return leaf{cert: cert, key: key, authority: authority, client: &Client{CommonName: commonName}}
	}
	return []leaf{
		{cert: APIServerCert, key: APIServerKey, authority: reconcile.ClusterCA, server: &Server{
			CommonName: "kube-apiserver",
			Names: []string{
				name, "localhost",
				"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local",
			},
			// Loopback is for the stack's own components, the Service for pods, and
			// the last for pods that found the Service's endpoint: it is the address
			// that the API server advertises.
			Addresses: []net.IP{net.IPv4(127, 0, 0, 1), service, net.IPv4(192, 0, 2, 1)},
		}},
		{cert: TunnelServerCert, key: TunnelServerKey, authority: reconcile.TunnelCA, server: &Server{
			CommonName: "konnectivity-server",
			Names:      []string{"tunnel." + name},
		}},
		client(KubeletClientCert, KubeletClientKey, reconcile.ClusterCA, KubeletClientName),
		client(FrontProxyClientCert, FrontProxyClientKey, reconcile.FrontProxyCA, FrontProxyClientName),
		client(ControllerManagerCert, ControllerManagerKey, reconcile.ClusterCA, "system:kube-controller-manager"),
		client(SchedulerCert, SchedulerKey, reconcile.ClusterCA, "system:kube-scheduler"),
	}, nil
}

// firstAddress is the address that Kubernetes gives to the Service kubernetes.
func firstAddress(cidr string) (net.IP, error) {
	p, err := netip.ParsePrefix(cidr)
	if err != nil {
		return nil, fmt.Errorf("service network: %w", err)
	}
	return net.IP(p.Masked().Addr().Next().AsSlice()), nil
}

// issue makes a leaf: its certificate and its key, both PEM.
func (l leaf) issue(a Authority, now time.Time) (cert, key []byte, err error) {
	fresh, err := newKey()
	if err != nil {
		return nil, nil, err
	}
	if l.server != nil {
		cert, err = a.SignServer(fresh.Public(), *l.server, leafLife, now)
	} else {
		cert, err = a.SignClient(fresh.Public(), *l.client, leafLife, now)
	}
	if err != nil {
		return nil, nil, err
	}
	key, err = EncodeKey(fresh)
	return cert, key, err
}

// good reports whether a leaf that exists still serves: certificate and key
// belong together, the authority made it, it says what it should say and has
// enough of its life left.
func (l leaf) good(authority *x509.Certificate, cert, key []byte, now time.Time) bool {
	c, err := decodeCertificate(cert)
	if err != nil {
		return false
	}
	k, err := decodeKey(key)
	if err != nil || !samePublic(c.PublicKey, k.Public()) {
		return false
	}
	if c.CheckSignatureFrom(authority) != nil || now.Before(c.NotBefore) {
		return false
	}
	// Near the authority's own end a fresh leaf would live no longer.
	if now.Add(renewBefore).After(c.NotAfter) && c.NotAfter.Before(authority.NotAfter) {
		return false
	}
	if l.server == nil {
		return c.Subject.CommonName == l.client.CommonName && slices.Equal(c.Subject.Organization, l.client.Organizations)
	}
	return c.Subject.CommonName == l.server.CommonName && slices.Equal(c.DNSNames, l.server.Names) &&
		slices.EqualFunc(c.IPAddresses, l.server.Addresses, net.IP.Equal)
}

func samePublic(a, b crypto.PublicKey) bool {
	x, err1 := x509.MarshalPKIXPublicKey(a)
	y, err2 := x509.MarshalPKIXPublicKey(b)
	return err1 == nil && err2 == nil && bytes.Equal(x, y)
}
