package controlplaneapp

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"testing"

	"k8s.io/client-go/tools/clientcmd"

	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestWriteKubeconfig(t *testing.T) {
	t.Parallel()
	i := controlplane.Issued{ClusterName: "demo", ServerName: "kc-1.marina.localhost", Authority: []byte("CA"), Certificate: []byte("CERT"), Key: []byte("KEY")}
	i.User = "ada@example.com"
	data, err := writeKubeconfig(i, "https://203.0.113.1:6443")
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := clientcmd.Load(data)
	if err != nil {
		t.Fatal(err)
	}
	if cfg.CurrentContext != "demo" || cfg.Contexts["demo"] == nil {
		t.Fatalf("the current context is %q", cfg.CurrentContext)
	}
	c, u := cfg.Clusters[cfg.Contexts["demo"].Cluster], cfg.AuthInfos[cfg.Contexts["demo"].AuthInfo]
	if c == nil || c.Server != "https://203.0.113.1:6443" || c.TLSServerName != "kc-1.marina.localhost" || c.InsecureSkipTLSVerify {
		t.Errorf("cluster = %+v", c)
	}
	if u == nil || string(u.ClientCertificateData) != "CERT" || string(u.ClientKeyData) != "KEY" {
		t.Error("the user has no certificate or no key")
	}
}

// TestKeySet compares with what kube-apiserver publishes only in form; the
// end-to-end test compares the bytes.
func TestKeySet(t *testing.T) {
	t.Parallel()
	data, err := keySet(newKey(t).Public())
	if err != nil {
		t.Fatal(err)
	}
	var set struct{ Keys []map[string]string }
	if err := json.Unmarshal(data, &set); err != nil {
		t.Fatal(err)
	}
	if len(set.Keys) != 1 {
		t.Fatalf("%d keys", len(set.Keys))
	}
	k := set.Keys[0]
	for name, length := range map[string]int{"kid": 43, "x": 43, "y": 43} { // 32 bytes in base64
		if len(k[name]) != length {
			t.Errorf("%s is %q, want %d characters", name, k[name], length)
		}
	}
	if k["kty"] != "EC" || k["crv"] != "P-256" || k["alg"] != "ES256" || k["use"] != "sig" {
		t.Errorf("key = %v", k)
	}
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := keySet(other.Public()); err == nil {
		t.Error("a key of another kind was published as one of ours")
	}
}
