package authority

import (
	"bytes"
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
	"path/filepath"
	"time"
)

// The files by which the node API and the router prove who they are, and know
// nodes.
const (
	CertificateFile = "nodes.crt"
	KeyFile         = "nodes.key"
	AuthorityFile   = "ca.crt"
)

// renewBefore is how long before its end a serving certificate is renewed.
const renewBefore = 10 * 24 * time.Hour

// Materialize makes sure that dir holds the serving certificate of name, its key
// and the authority's certificate, good for ten days and more. It changes nothing
// when they are, and keeps the key when it renews the certificate, so that whoever
// reads the files meanwhile never gets two that do not match.
func (a *Authority) Materialize(dir, name string, now time.Time) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make directory of certificates: %w", err)
	}
	if err := replace(filepath.Join(dir, AuthorityFile), a.PEM); err != nil {
		return err
	}
	if a.good(dir, name, now) {
		return nil
	}
	key, err := servingKey(filepath.Join(dir, KeyFile))
	if err != nil {
		return err
	}
	certificate, err := a.SignServer(key.Public(), name, now)
	if err != nil {
		return err
	}
	return replace(filepath.Join(dir, CertificateFile), certificate)
}

func (a *Authority) good(dir, name string, now time.Time) bool {
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, CertificateFile), filepath.Join(dir, KeyFile))
	if err != nil {
		return false
	}
	_, err = pair.Leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: a.Pool(), CurrentTime: now.Add(renewBefore)})
	return err == nil
}

// servingKey returns the key in a file, or makes it.
func servingKey(path string) (*ecdsa.PrivateKey, error) {
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read serving key: %w", err)
	}
	if block, _ := pem.Decode(data); block != nil {
		if key, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
			if k, ok := key.(*ecdsa.PrivateKey); ok {
				return k, nil
			}
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make serving key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode serving key: %w", err)
	}
	return key, replace(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// replace makes data the content of a file, for its owner alone, in one step.
func replace(path string, data []byte) error {
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, data) {
		return nil
	}
	next := path + ".next"
	if err := os.WriteFile(next, data, 0o600); err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	if err := os.Rename(next, path); err != nil {
		return fmt.Errorf("put %s in place: %w", filepath.Base(path), err)
	}
	return nil
}

// Expiry is when the serving certificate in dir ends.
func Expiry(dir string) (time.Time, error) {
	data, err := os.ReadFile(filepath.Join(dir, CertificateFile))
	if err != nil {
		return time.Time{}, fmt.Errorf("read serving certificate: %w", err)
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return time.Time{}, errors.New("read serving certificate: no certificate in it")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return time.Time{}, fmt.Errorf("read serving certificate: %w", err)
	}
	return cert.NotAfter, nil
}
