package fleettest

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"sync"
	"time"

	"k8s.io/client-go/rest"

	"github.com/marina-cloud/marina/internal/fault"
	"github.com/marina-cloud/marina/internal/tenant"
	fleet "github.com/marina-cloud/marina/node-fleet"
)

// errNoCluster is what the real control planes say of a cluster that is gone.
var errNoCluster = fault.New(fault.NotFound, "cluster_not_found", "There is no such cluster.")

// ControlPlanes are control planes without API servers: one authority signs for
// all of them. It is safe for concurrent use.
type ControlPlanes struct {
	// Config is returned for every cluster; nil means that none answers.
	Config *rest.Config

	mu       sync.Mutex
	clusters map[tenant.ClusterID]fleet.Control
	ca       *x509.Certificate
	key      *ecdsa.PrivateKey
}

// NewControlPlanes returns no control planes yet.
func NewControlPlanes() (*ControlPlanes, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "cluster-ca"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return nil, err
	}
	ca, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &ControlPlanes{clusters: map[tenant.ClusterID]fleet.Control{}, ca: ca, key: key}, nil
}

// Put adds a running control plane, or changes one.
func (p *ControlPlanes) Put(id tenant.ClusterID, org tenant.OrganizationID, change func(*fleet.Control)) {
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.ca.Raw})
	p.mu.Lock()
	defer p.mu.Unlock()
	c, ok := p.clusters[id]
	if !ok {
		c = fleet.Control{
			ID: id, Organization: org, Version: "1.37", KubernetesVersion: "v1.37.2", Running: true,
			ServerName: string(id) + ".marina.test", TunnelName: "tunnel." + string(id) + ".marina.test",
			CA: ca, TunnelCA: ca, PodCIDR: "10.244.0.0/16", ServiceCIDR: "10.96.0.0/12", DNS: "10.96.0.10",
		}
	}
	if change != nil {
		change(&c)
	}
	p.clusters[id] = c
}

// Remove makes a cluster one that does not exist.
func (p *ControlPlanes) Remove(id tenant.ClusterID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.clusters, id)
}

// Control returns what Put put.
func (p *ControlPlanes) Control(_ context.Context, id tenant.ClusterID) (fleet.Control, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c, ok := p.clusters[id]
	if !ok {
		return c, errNoCluster
	}
	return c, nil
}

// Client returns Config.
func (p *ControlPlanes) Client(ctx context.Context, id tenant.ClusterID, _ string) (*rest.Config, error) {
	if _, err := p.Control(ctx, id); err != nil {
		return nil, err
	}
	if p.Config == nil {
		return nil, errors.New("this control plane has no API server")
	}
	return p.Config, nil
}

// IssueNodeBootstrap signs a certificate of a machine that joins.
func (p *ControlPlanes) IssueNodeBootstrap(ctx context.Context, id tenant.ClusterID, nodeName string, key crypto.PublicKey) ([]byte, error) {
	return p.issue(ctx, id, pkix.Name{CommonName: "marina:bootstrap:" + nodeName, Organization: []string{"system:bootstrappers"}}, key)
}

// IssueTunnel signs a certificate of a konnectivity agent.
func (p *ControlPlanes) IssueTunnel(ctx context.Context, id tenant.ClusterID, nodeName string, key crypto.PublicKey) ([]byte, error) {
	return p.issue(ctx, id, pkix.Name{CommonName: nodeName}, key)
}

func (p *ControlPlanes) issue(ctx context.Context, id tenant.ClusterID, subject pkix.Name, key crypto.PublicKey) ([]byte, error) {
	if _, err := p.Control(ctx, id); err != nil {
		return nil, err
	}
	t := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: subject,
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(15 * time.Minute),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, t, p.ca, key, p.key)
	if err != nil {
		return nil, fmt.Errorf("sign certificate of %s: %w", subject, err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}
