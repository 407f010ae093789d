//go:build integration

package e2e_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// TestIssuer: whoever is shown a token of a service account can verify it with
// what the gateway publishes, and knows the cluster from its issuer.
func TestIssuer(t *testing.T) {
	token := strings.TrimSpace(demo().kubectl(t, "", "create", "token", "default"))
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("no JWT: %d parts", len(parts))
	}
	var header struct{ Alg, Kid string }
	var claims struct{ Iss, Sub string }
	decode(t, parts[0], &header)
	decode(t, parts[1], &claims)
	k, err := marina.Client.FindCluster(t.Context(), "demo")
	if err != nil {
		t.Fatal(err)
	}
	if claims.Iss != k.Issuer || claims.Sub != "system:serviceaccount:default:default" {
		t.Errorf("claims %+v, want the issuer %s", claims, k.Issuer)
	}

	var configuration struct {
		Issuer string `json:"issuer"`
		JWKS   string `json:"jwks_uri"`
	}
	get(t, claims.Iss+"/.well-known/openid-configuration", &configuration)
	if configuration.Issuer != claims.Iss {
		t.Errorf("the configuration is of %s, the token of %s", configuration.Issuer, claims.Iss)
	}
	var set struct {
		Keys []struct{ Kid, Alg, X, Y string }
	}
	get(t, configuration.JWKS, &set)
	if len(set.Keys) != 1 || set.Keys[0].Kid != header.Kid || set.Keys[0].Alg != header.Alg || header.Alg != "ES256" {
		t.Fatalf("keys %+v for the token's %+v", set.Keys, header)
	}
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, coordinate(t, set.Keys[0].X), coordinate(t, set.Keys[0].Y)))
	if err != nil {
		t.Fatal(err)
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || len(signature) != 64 {
		t.Fatalf("signature of %d bytes, %v", len(signature), err)
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if !ecdsa.Verify(key, sum[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])) {
		t.Error("the published key does not verify the token")
	}
}

func decode(t *testing.T, part string, out any) {
	t.Helper()
	data, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, out); err != nil {
		t.Fatal(err)
	}
}

// coordinate decodes a coordinate of a key in a JWKS (RFC 7518, 6.2.1.2).
func coordinate(t *testing.T, s string) []byte {
	t.Helper()
	data, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func get(t *testing.T, url string, out any) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s, %v", url, resp.Status, err)
	}
}
