package issuers

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

const (
	// askLimit is how long an issuer may take for its answers; a cluster's API server
	// waits longer.
	askLimit = 10 * time.Second
	// maxAnswer is how much is read of each answer, which may be hostile.
	maxAnswer = 1 << 20

	wellKnown = "/.well-known/openid-configuration"
)

// ask does what an API server does before it can verify an issuer's tokens, by way of
// the proxy at a socket. It returns "" or what is wrong, as a clause for people.
func ask(ctx context.Context, socket string, j controlplane.JWTIssuer) string {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	client, err := through(socket, j.CertificateAuthority)
	if err != nil {
		return err.Error()
	}
	defer client.CloseIdleConnections()
	from := j.DiscoveryURL
	if from == "" {
		from = strings.TrimSuffix(j.URL, "/") + wellKnown
	}
	var configuration struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
	}
	if err := get(ctx, client, from, &configuration); err != nil {
		return why(err)
	}
	if configuration.Issuer != j.URL {
		return "its OpenID configuration is of another issuer: the URL must be the very same, also at its end"
	}
	if configuration.Keys == "" {
		return "its OpenID configuration does not say where its keys are"
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := get(ctx, client, configuration.Keys, &set); err != nil {
		return "its keys: " + why(err)
	}
	if len(set.Keys) == 0 {
		return "it has no keys"
	}
	return ""
}

// through returns a client for HTTPS by way of the proxy at a socket.
func through(socket, authority string) (*http.Client, error) {
	var roots *x509.CertPool // nil: those of this machine, as an API server has them
	if authority != "" {
		roots = x509.NewCertPool()
		if !roots.AppendCertsFromPEM([]byte(authority)) {
			return nil, errors.New("its certificate authority cannot be read")
		}
	}
	var d net.Dialer
	return &http.Client{Transport: &http.Transport{
		Proxy:           http.ProxyURL(&url.URL{Scheme: "http", Host: "egress"}),
		DialContext:     func(ctx context.Context, _, _ string) (net.Conn, error) { return d.DialContext(ctx, "unix", socket) },
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		OnProxyConnectResponse: func(_ context.Context, _ *url.URL, _ *http.Request, r *http.Response) error {
			if r.StatusCode != http.StatusOK {
				return refused(r.StatusCode)
			}
			return nil
		},
		MaxResponseHeaderBytes: 64 << 10,
	}}, nil
}

// refused is the status with which the proxy did not connect.
type refused int

func (r refused) Error() string {
	switch int(r) {
	case http.StatusForbidden, http.StatusBadRequest:
		return "it is not on the public Internet"
	case http.StatusTooManyRequests:
		return "the cluster opens very many connections"
	}
	return "it does not answer"
}

func get(ctx context.Context, client *http.Client, from string, out any) error {
	if !strings.HasPrefix(from, "https://") {
		return errors.New("a URL of its OpenID configuration is not HTTPS")
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return errors.New("a URL of its OpenID configuration is none")
	}
	resp, err := client.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return answered(resp.StatusCode)
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(out); err != nil {
		return errors.New("what it answers is no OpenID configuration")
	}
	return nil
}

// answered is a status with which an issuer answered.
type answered int

func (a answered) Error() string {
	return fmt.Sprintf("it answers %d %s", int(a), http.StatusText(int(a)))
}

// why is what an error says to people, in words of ours alone: what an issuer sends is
// not repeated.
func why(err error) string {
	if r, ok := errors.AsType[refused](err); ok {
		return r.Error()
	}
	if v, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "its certificate is not good: " + v.Err.Error()
	}
	if _, ok := errors.AsType[*url.Error](err); ok {
		return "it does not answer"
	}
	return err.Error()
}
