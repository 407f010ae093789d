package server

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/marina-cloud/marina/gateway"
	"github.com/marina-cloud/marina/internal/secret"
)

// provider is an OpenID provider as the operator's file names it.
type provider struct {
	ID         string `json:"id"`
	Name       string `json:"name"`
	Issuer     string `json:"issuer"`
	ClientID   string `json:"client_id"`
	SecretFile string `json:"client_secret_file"` // beside the file that names it, unless absolute
}

var providerID = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

// ReadProviders reads the OpenID providers with which people log in from a YAML file. A
// client's secret is in a file of its own that only its owner reads: it belongs neither
// into a file that is looked at, nor among the arguments of a process.
func ReadProviders(path string) ([]gateway.Provider, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the OpenID providers: %w", err)
	}
	var file struct {
		Providers []provider `json:"providers"`
	}
	if err := yaml.UnmarshalStrict(data, &file); err != nil {
		return nil, fmt.Errorf("read the OpenID providers in %s: %w", path, err)
	}
	var all []gateway.Provider
	seen := map[string]bool{}
	for i, p := range file.Providers {
		if err := p.check(seen); err != nil {
			return nil, fmt.Errorf("provider %d in %s: %w", i+1, path, err)
		}
		s, err := readSecret(filepath.Dir(path), p.SecretFile)
		if err != nil {
			return nil, fmt.Errorf("provider %s in %s: %w", p.ID, path, err)
		}
		all = append(all, gateway.Provider{ID: p.ID, Name: p.Name, Issuer: p.Issuer, ClientID: p.ClientID, ClientSecret: s})
	}
	return all, nil
}

func (p provider) check(seen map[string]bool) error {
	if !providerID.MatchString(p.ID) || seen[p.ID] || seen[p.Issuer] {
		return errors.New("id must be one of its own, of lower-case letters, digits and dashes, and so must be the issuer")
	}
	seen[p.ID], seen[p.Issuer] = true, true
	if strings.TrimSpace(p.Name) == "" || p.ClientID == "" {
		return errors.New("name and client_id are needed")
	}
	u, err := url.Parse(p.Issuer)
	if err != nil || u.Host == "" || u.Scheme != "https" && (u.Scheme != "http" || !onThisMachine(u.Hostname())) {
		return fmt.Errorf("issuer %q must be an https URL", p.Issuer)
	}
	return nil
}

func onThisMachine(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// readSecret reads a secret that only its owner may read. A public client has none.
func readSecret(dir, path string) (secret.Text, error) {
	if path == "" {
		return "", nil
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("find the client's secret: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return "", fmt.Errorf("the client's secret in %s can be read by others (mode %o): chmod 600 it", path, mode)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read the client's secret: %w", err)
	}
	return secret.Text(strings.TrimSpace(string(data))), nil
}
