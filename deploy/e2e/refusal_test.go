//go:build integration

package e2e_test

import (
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/marina-cloud/marina/deploy/client"
	"github.com/marina-cloud/marina/internal/tenant"
)

// TestRefusals: bad input gets an answer that a person can act on.
func TestRefusals(t *testing.T) {
	for what, tc := range map[string]struct {
		args []string
		want string
	}{
		"a name that is no DNS label": {[]string{"clusters", "create", "No Label"}, "name: must"},
		"an unknown version":          {[]string{"clusters", "create", "x", "--version", "1.2"}, "version: is not offered; choose one of 1.37"},
		"a duplicate name":            {[]string{"clusters", "create", "demo"}, "Choose another name"},
		"several wrong fields":        {[]string{"clusters", "create", "x", "--pod-cidr", "10.0.0.0/99", "--service-cidr", "8.8.8.0/24"}, "service_cidr: must lie in a private range"},
		"a count below zero":          {[]string{"pools", "create", "demo", "x", "--count", "-1"}, "count: expected number >= 0"},
		"a count over quota":          {[]string{"pools", "create", "demo", "x", "--count", "99"}, "quota"},
		"an unknown size":             {[]string{"pools", "create", "demo", "x", "--size", "huge"}, "size: must be one of small"},
		"an unknown cluster":          {[]string{"nodes", "list", "nowhere"}, "marina clusters list"},
		"a forbidden label":           {[]string{"pools", "create", "demo", "x", "--label", "kubernetes.io/x=y"}, "labels[kubernetes.io/x]"},
		"an address that is none":     {[]string{"signup", "--email", "admin"}, "email: must be an e-mail address"},
		"a link that is not good":     {[]string{"verify"}, "Ask for a new one"},
	} {
		t.Run(what, func(t *testing.T) {
			_, err := marina.RunWith(t.Context(), strings.NewReader("no link\ncorrect horse battery\n"), tc.args...)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("marina %s: %v\nwant an error with %q", strings.Join(tc.args, " "), err, tc.want)
			}
		})
	}
}

// TestHugeBody: 100 MB are refused without being read.
func TestHugeBody(t *testing.T) {
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, marina.API+"/v1/clusters", io.LimitReader(zeros{}, 100<<20))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+marina.Client.Token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var p client.Problem
	if err := json.NewDecoder(resp.Body).Decode(&p); err != nil || resp.StatusCode != http.StatusRequestEntityTooLarge || !strings.Contains(p.Detail, "256 KiB") {
		t.Errorf("answer %s %+v, %v", resp.Status, p, err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestUnknownName: a TLS connection for a cluster that is not there is told so.
func TestUnknownName(t *testing.T) {
	address := strings.TrimPrefix(endpoint(t), "https://")
	for _, name := range []string{string(tenant.NewClusterID()) + ".marina.localhost", "example.com"} {
		_, err := tls.Dial("tcp", address, &tls.Config{ServerName: name, InsecureSkipVerify: true})
		if err == nil || !strings.Contains(err.Error(), "unrecognized name") {
			t.Errorf("a connection for %s: %v", name, err)
		}
	}
	// A PROXY header is taken from nobody outside.
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("PROXY TCP4 203.0.113.1 203.0.113.2 1 2\r\n")); err != nil {
		t.Fatal(err)
	}
	if answer, _ := io.ReadAll(conn); strings.Contains(string(answer), "kubernetes") {
		t.Errorf("a PROXY header was answered with %q", answer)
	}
}

func endpoint(t *testing.T) string {
	t.Helper()
	k, err := marina.Client.FindCluster(t.Context(), "demo")
	if err != nil {
		t.Fatal(err)
	}
	return k.Endpoint
}
