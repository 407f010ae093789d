package enroll

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// publicKey returns the public half, as PEM, of the key at path, which is made
// when there is none.
func publicKey(path string) (string, error) {
	key, err := readKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		key, err = makeKey(path)
	}
	if err != nil {
		return "", err
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return "", fmt.Errorf("encode public key of %s: %w", path, err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), nil
}

func makeKey(path string) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	return key, Write(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
}

func readKey(path string) (*ecdsa.PrivateKey, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("read key: %s holds no PEM block", path)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read key %s: %w", path, err)
	}
	ec, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("read key: %s is not an ECDSA key", path)
	}
	return ec, nil
}

// ClientCertificate is for tls.Config.GetClientCertificate: it reads p for each
// connection, so that renewed certificates are used without a restart.
func (p Pair) ClientCertificate(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	c, err := tls.LoadX509KeyPair(p.Certificate, p.Key)
	if err != nil {
		return nil, fmt.Errorf("read client certificate: %w", err)
	}
	return &c, nil
}

// Validity returns the time span in which the certificate at path is valid.
func Validity(path string) (from, until time.Time, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return from, until, fmt.Errorf("read certificate: %w", err)
	}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" { // the kubelet keeps its key in the same file
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return from, until, fmt.Errorf("read certificate %s: %w", path, err)
		}
		return c.NotBefore, c.NotAfter, nil
	}
	return from, until, fmt.Errorf("read certificate: %s holds none", path)
}

// Stale reports whether the certificate at path is unreadable, or has less than
// a third of its life left at the time now.
func Stale(path string, now time.Time) bool {
	from, until, err := Validity(path)
	return err != nil || now.After(until.Add(-until.Sub(from)/3))
}

// Roots returns the certificate authorities in the file at path.
func Roots(path string) (*x509.CertPool, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read certificate authority: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("read certificate authority: %s holds no certificate", path)
	}
	return pool, nil
}
