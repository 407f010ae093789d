// Package authority is the platform's own certificate authority: it vouches for
// the node API's server toward machines, and for machines toward the platform.
// It has nothing to do with the authorities of clusters.
package authority

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
	"time"

	"github.com/marina-cloud/marina/internal/tenant"
)

const (
	authorityLife = 10 * 365 * 24 * time.Hour
	// IdentityLife is how long a machine's identity certificate lives.
	IdentityLife = 90 * 24 * time.Hour
	// ServerLife is how long the node API's serving certificate lives.
	ServerLife = 30 * 24 * time.Hour
	// skew is how far a machine's clock may be behind.
	skew = time.Minute
)

// Names under which the authority is kept.
const (
	storedAs   = "node-authority"
	secretKey  = "platform"
	additional = "platform/node-authority"
)

// Store keeps the authority.
type Store interface {
	PlatformKey(ctx context.Context, name string) (certificate, sealed []byte, ok bool, err error)
	// AddPlatformKey does nothing when there is a key of that name.
	AddPlatformKey(ctx context.Context, name string, certificate, sealed []byte) error
}

// Secrets seals what must not be kept in the clear.
type Secrets interface {
	Seal(ctx context.Context, key string, plaintext, additional []byte) ([]byte, error)
	Open(ctx context.Context, key string, sealed, additional []byte) ([]byte, error)
}

// Authority signs. It is immutable and safe for concurrent use.
type Authority struct {
	PEM         []byte // the certificate
	certificate *x509.Certificate
	key         crypto.Signer
}

// Load returns the platform's authority; the first call of all makes it. Several
// processes may call it at once and get the same one.
func Load(ctx context.Context, store Store, secrets Secrets, now time.Time) (*Authority, error) {
	certificate, sealed, ok, err := store.PlatformKey(ctx, storedAs)
	if err != nil {
		return nil, fmt.Errorf("read the platform's authority: %w", err)
	}
	if !ok {
		fresh, key, err := generate(now)
		if err != nil {
			return nil, fmt.Errorf("make the platform's authority: %w", err)
		}
		if sealed, err = secrets.Seal(ctx, secretKey, key, []byte(additional)); err != nil {
			return nil, fmt.Errorf("seal the platform's authority: %w", err)
		}
		if err := store.AddPlatformKey(ctx, storedAs, fresh, sealed); err != nil {
			return nil, fmt.Errorf("keep the platform's authority: %w", err)
		}
		// Another process may have been faster: what is kept counts.
		if certificate, sealed, _, err = store.PlatformKey(ctx, storedAs); err != nil {
			return nil, fmt.Errorf("read the platform's authority: %w", err)
		}
	}
	key, err := secrets.Open(ctx, secretKey, sealed, []byte(additional))
	if err != nil {
		return nil, fmt.Errorf("open the platform's authority: %w", err)
	}
	return parse(certificate, key)
}

func generate(now time.Time) (certificate, key []byte, err error) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	t := template(now, authorityLife)
	t.Subject = pkix.Name{CommonName: "Marina node authority"}
	t.IsCA, t.BasicConstraintsValid, t.MaxPathLenZero = true, true, true
	t.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, t, t, k.Public(), k)
	if err != nil {
		return nil, nil, err
	}
	if key, err = x509.MarshalPKCS8PrivateKey(k); err != nil {
		return nil, nil, err
	}
	return encode(der), key, nil
}

func parse(certificate, key []byte) (*Authority, error) {
	block, _ := pem.Decode(certificate)
	if block == nil {
		return nil, errors.New("the platform's authority is not PEM")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("parse the platform's authority: %w", err)
	}
	k, err := x509.ParsePKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("parse the key of the platform's authority: %w", err)
	}
	signer, ok := k.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("the key of the platform's authority is a %T, which cannot sign", k)
	}
	return &Authority{PEM: certificate, certificate: cert, key: signer}, nil
}

// Pool holds the authority alone.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.certificate)
	return pool
}

// SignIdentity returns the identity certificate (PEM) of a node's machine.
func (a *Authority) SignIdentity(key crypto.PublicKey, node tenant.NodeID, cluster tenant.ClusterID, now time.Time) ([]byte, error) {
	t := template(now, IdentityLife)
	t.Subject = pkix.Name{CommonName: string(node), Organization: []string{string(cluster)}}
	t.KeyUsage, t.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	return a.sign(t, key)
}

// SignServer returns a serving certificate (PEM) for a DNS name.
func (a *Authority) SignServer(key crypto.PublicKey, name string, now time.Time) ([]byte, error) {
	t := template(now, ServerLife)
	t.Subject, t.DNSNames = pkix.Name{CommonName: name}, []string{name}
	t.KeyUsage, t.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	return a.sign(t, key)
}

func (a *Authority) sign(t *x509.Certificate, key crypto.PublicKey) ([]byte, error) {
	der, err := x509.CreateCertificate(rand.Reader, t, a.certificate, key, a.key)
	if err != nil {
		return nil, fmt.Errorf("sign certificate of %s: %w", t.Subject, err)
	}
	return encode(der), nil
}

// Identity says whose an identity certificate is, which has been verified to
// come from the authority; ok is false when it is not one.
func Identity(c *x509.Certificate) (node tenant.NodeID, cluster tenant.ClusterID, ok bool) {
	if len(c.Subject.Organization) != 1 {
		return "", "", false
	}
	node, isNode := tenant.ParseNodeID(c.Subject.CommonName)
	cluster, isCluster := tenant.ParseClusterID(c.Subject.Organization[0])
	return node, cluster, isNode && isCluster
}

// template is a certificate of random serial number; x509.CreateCertificate picks
// one of its own when there is none, and wants less than 20 bytes otherwise.
func template(now time.Time, life time.Duration) *x509.Certificate {
	serial := make([]byte, 16)
	rand.Read(serial) //nolint:errcheck // it never fails (crypto/rand)
	return &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(serial),
		NotBefore:    now.Add(-skew), NotAfter: now.Add(life),
	}
}

func encode(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
