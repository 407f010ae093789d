package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"time"
)

// Authority is a certificate authority: it signs leaves.
type Authority struct {
	Certificate *x509.Certificate
	Key         crypto.Signer
}

// NewAuthority makes an authority whose certificate has this common name.
func NewAuthority(commonName string, now time.Time) (Authority, error) {
	key, err := newKey()
	if err != nil {
		return Authority{}, err
	}
	template := &x509.Certificate{ // a nil serial number lets x509 choose a random one
		Subject:               pkix.Name{CommonName: commonName},
		NotBefore:             now.Add(-skew),
		NotAfter:              now.Add(authorityLife),
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true, // it signs no other authority
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return Authority{}, fmt.Errorf("sign authority %s: %w", commonName, err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return Authority{}, fmt.Errorf("read back authority %s: %w", commonName, err)
	}
	return Authority{Certificate: cert, Key: key}, nil
}

// Client is the subject of a client certificate: to Kubernetes the common name is
// the user, and the organizations are its groups.
type Client struct {
	CommonName    string
	Organizations []string
}

// Server is the subject of a serving certificate.
type Server struct {
	CommonName string
	Names      []string
	Addresses  []net.IP
}

// SignClient returns a client certificate (PEM) for the holder of a key. It ends
// with the authority's own certificate at the latest.
func (a Authority) SignClient(key crypto.PublicKey, c Client, ttl time.Duration, now time.Time) ([]byte, error) {
	return a.sign(key, &x509.Certificate{
		Subject:     pkix.Name{CommonName: c.CommonName, Organization: c.Organizations},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, ttl, now)
}

// SignServer returns a serving certificate (PEM) for the holder of a key.
func (a Authority) SignServer(key crypto.PublicKey, s Server, ttl time.Duration, now time.Time) ([]byte, error) {
	return a.sign(key, &x509.Certificate{
		Subject:     pkix.Name{CommonName: s.CommonName},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:    s.Names,
		IPAddresses: s.Addresses,
	}, ttl, now)
}

func (a Authority) sign(key crypto.PublicKey, template *x509.Certificate, ttl time.Duration, now time.Time) ([]byte, error) {
	if ttl <= 0 {
		return nil, fmt.Errorf("sign certificate of %s: a life of %s is none", template.Subject, ttl)
	}
	template.NotBefore = now.Add(-skew)
	template.NotAfter = now.Add(ttl)
	if end := a.Certificate.NotAfter; template.NotAfter.After(end) {
		template.NotAfter = end
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.BasicConstraintsValid = true
	der, err := x509.CreateCertificate(rand.Reader, template, a.Certificate, key, a.Key)
	if err != nil {
		return nil, fmt.Errorf("sign certificate of %s: %w", template.Subject, err)
	}
	return encode("CERTIFICATE", der), nil
}

func newKey() (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	return key, nil
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// EncodeKey returns a private key in PKCS #8, PEM.
func EncodeKey(key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode private key: %w", err)
	}
	return encode("PRIVATE KEY", der), nil
}

func encodePublic(key crypto.PublicKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode public key: %w", err)
	}
	return encode("PUBLIC KEY", der), nil
}

var errPEM = errors.New("no such PEM block")

func decode(kind string, data []byte) ([]byte, error) {
	block, _ := pem.Decode(data)
	if block == nil || block.Type != kind {
		return nil, fmt.Errorf("%s: %w", kind, errPEM)
	}
	return block.Bytes, nil
}

func decodeKey(data []byte) (crypto.Signer, error) {
	der, err := decode("PRIVATE KEY", data)
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("read private key: %w", err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("read private key: a %T cannot sign", key)
	}
	return signer, nil
}

func decodeCertificate(data []byte) (*x509.Certificate, error) {
	der, err := decode("CERTIFICATE", data)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("read certificate: %w", err)
	}
	return cert, nil
}

func decodePublic(data []byte) (crypto.PublicKey, error) {
	der, err := decode("PUBLIC KEY", data)
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, fmt.Errorf("read public key: %w", err)
	}
	return key, nil
}
