package kube_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/kube"
)

var update = flag.Bool("update", false, "write the golden files anew")

var example = controlplane.Cluster{
	ID: "kc-01jz8v5m3q7x9c2b4d6f8h0k1m", Name: "demo", Version: "1.37",
	PodCIDR: controlplane.DefaultPodCIDR, ServiceCIDR: controlplane.DefaultServiceCIDR,
	Issuer: "https://marina.example/clusters/kc-01jz8v5m3q7x9c2b4d6f8h0k1m",
}

// TestFiles holds every flag and file of a control plane, so that a reviewer sees
// a change of them.
func TestFiles(t *testing.T) {
	t.Parallel()
	files := kube.Files(example, controlplane.Small())
	dir := filepath.Join("testdata", example.Version)
	if *update {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, data := range files {
			if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	golden, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(golden) != len(files) {
		t.Errorf("%d files, want %d", len(files), len(golden))
	}
	for _, entry := range golden {
		want, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(files[entry.Name()])); diff != "" {
			t.Errorf("%s differs (- golden, + now); if that is wanted, run go test -update:\n%s", entry.Name(), diff)
		}
	}
}

// TestFilesAreWellFormed holds that each file can be parsed by its name's format.
func TestFilesAreWellFormed(t *testing.T) {
	t.Parallel()
	for name, data := range kube.Files(example, controlplane.Small()) {
		var v struct{ Kind string }
		if err := yaml.Unmarshal(data, &v); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if filepath.Ext(name) == ".yaml" && v.Kind == "" {
			t.Errorf("%s has no kind", name)
		}
	}
}

// TestSafety holds what must never get lost among the flags.
func TestSafety(t *testing.T) {
	t.Parallel()
	var stack struct{ APIServer, ControllerManager, Scheduler []string }
	if err := json.Unmarshal(kube.Files(example, controlplane.Small())[kube.StackFile], &stack); err != nil {
		t.Fatal(err)
	}
	for _, must := range []struct{ why, flag string }{
		{"nothing but a documentation address is ever advertised", "--advertise-address=192.0.2.1"},
		{"a kubelet may touch only what is its own", "--enable-admission-plugins=NodeRestriction"},
		{"and asks through the node authorizer", "--authorization-mode=Node,RBAC"},
		{"Secrets are sealed from the first boot", "--encryption-provider-config=/etc/marina/config/encryption.yaml"},
		{"who did what is written down", "--audit-policy-file=/etc/marina/config/audit.yaml"},
		{"strangers see health and nothing else", "--authentication-config=/etc/marina/config/authentication.yaml"},
		{"kubelets prove who they are", "--kubelet-certificate-authority=/etc/marina/pki/ca.crt"},
		{"old TLS is refused", "--tls-min-version=VersionTLS12"},
		{"tokens are valid where the issuer says", "--service-account-issuer=" + example.Issuer},
	} {
		if !slices.Contains(stack.APIServer, must.flag) {
			t.Errorf("%s is missing: %s", must.flag, must.why)
		}
	}
	// What would make the API server call somebody by itself. Who adds one of them adds
	// how it gets out (package egress) and an attack on it, too.
	for _, f := range stack.APIServer {
		for _, calls := range []string{
			"--audit-webhook-", "--authorization-webhook-", "--authorization-config", "--authentication-token-webhook-", "--oidc-",
			"--tracing-config-file", "--admission-control-config-file", "--cloud-",
		} {
			if strings.HasPrefix(f, calls) {
				t.Errorf("%s makes the API server call out", f)
			}
		}
	}
	if strings.Contains(string(kube.Files(example, controlplane.Small())["authentication.yaml"]), "jwt") {
		t.Error("the API server asks an issuer for its keys that nobody named")
	}
	for _, flags := range [][]string{stack.APIServer, stack.ControllerManager, stack.Scheduler} {
		names := make(map[string]bool)
		for _, f := range flags {
			name, _, ok := strings.Cut(f, "=")
			if !ok || names[name] {
				t.Errorf("%s has no value, or was given twice", f)
			}
			names[name] = true
		}
	}
}

// TestOtherClustersDiffer holds that what depends on the cluster does.
func TestOtherClustersDiffer(t *testing.T) {
	t.Parallel()
	other := example
	other.PodCIDR, other.ServiceCIDR, other.Issuer = "10.0.0.0/16", "10.1.0.0/16", "https://other"
	text := string(kube.Files(other, controlplane.Small())[kube.StackFile])
	for _, gone := range []string{example.PodCIDR, example.ServiceCIDR, example.Issuer} {
		if strings.Contains(text, gone) {
			t.Errorf("%s is still in the files of another cluster", gone)
		}
	}
}

// TestIssuers holds how an API server gets the issuers that a cluster's owner names.
func TestIssuers(t *testing.T) {
	t.Parallel()
	prefix, k := "oidc:", example
	k.Authentication.JWT = []controlplane.JWTAuthenticator{{
		Issuer:        controlplane.JWTIssuer{URL: "https://login.example.com", Audiences: []string{"kubernetes"}, EgressSelectorType: "cluster"},
		ClaimMappings: controlplane.ClaimMappings{Username: controlplane.PrefixedClaim{Claim: "sub", Prefix: &prefix}},
	}}
	var got struct {
		APIVersion, Kind string
		Anonymous        struct {
			Enabled    bool
			Conditions []struct{ Path string }
		}
		JWT []controlplane.JWTAuthenticator
	}
	if err := yaml.Unmarshal(kube.Files(k, controlplane.Small())["authentication.yaml"], &got); err != nil {
		t.Fatal(err)
	}
	if got.Kind != "AuthenticationConfiguration" || !got.Anonymous.Enabled || len(got.Anonymous.Conditions) != 3 {
		t.Errorf("what holds for strangers is changed: %+v", got)
	}
	if len(got.JWT) != 1 || got.JWT[0].Issuer.URL != "https://login.example.com" || got.JWT[0].Issuer.EgressSelectorType != "controlplane" || len(got.JWT[0].UserValidationRules) != 3 {
		t.Errorf("issuers %+v, want the one, asked through the proxy and guarded", got.JWT)
	}
	if diff := cmp.Diff(kube.Fixed(example, controlplane.Small()), kube.Fixed(k, controlplane.Small())); diff != "" {
		t.Errorf("a change of the issuers restarts the API server:\n%s", diff)
	}
}
