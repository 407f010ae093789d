package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	kube "k8s.io/client-go/tools/clientcmd/api"

	"github.com/marina-cloud/marina/deploy/client"
)

// before is a kubeconfig that somebody has already, of a cluster of the same name.
const before = `apiVersion: v1
kind: Config
current-context: demo
contexts: [{name: demo, context: {cluster: theirs, user: theirs}}]
clusters: [{name: theirs, cluster: {server: "https://192.0.2.1"}}]
users: [{name: theirs, user: {token: theirs}}]
`

func read(t *testing.T, file string) *kube.Config {
	t.Helper()
	c, err := clientcmd.LoadFromFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%s has mode %v, %v, want 0600", file, info.Mode(), err)
	}
	return c
}

func TestKubeconfig(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	p := member(t, a)
	p.runs(t, "clusters", "create", "demo")
	file := filepath.Join(p.home, "config")
	if err := os.WriteFile(file, []byte(before), 0o644); err != nil {
		t.Fatal(err)
	}
	out := p.runs(t, "kubeconfig", "demo", "--output", file)
	says(t, "kubeconfig", out, "Added the context demo-kc-1 to "+file+".\nNext: kubectl --kubeconfig "+file+" get nodes\n")
	got := read(t, file)
	if got.CurrentContext != "demo-kc-1" || got.Contexts["demo"] == nil || got.AuthInfos["theirs"].Token != "theirs" || got.Clusters["theirs"] == nil {
		t.Errorf("the kubeconfig is now %+v", got)
	}
	in := got.Contexts["demo-kc-1"]
	if c := got.Clusters[in.Cluster]; c.Server != "https://127.0.0.1:6443" || c.TLSServerName != "kc-1.test" || string(c.CertificateAuthorityData) != "CA" {
		t.Errorf("cluster: %+v", c)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	x := got.AuthInfos[in.AuthInfo].Exec
	if x == nil || x.Command != program || x.APIVersion != "client.authentication.k8s.io/v1" || x.InteractiveMode != kube.NeverExecInteractiveMode {
		t.Fatalf("user: %+v", got.AuthInfos[in.AuthInfo])
	}
	// What kubectl runs, and its answer.
	if want := []string{"--server", a.URL, "--home", p.home, "kubeconfig", "credential", "kc-1"}; !slices.Equal(x.Args, want) {
		t.Errorf("arguments %v, want %v", x.Args, want)
	}
	// To say it again changes nothing, and keeps a namespace that was chosen.
	got.Contexts["demo-kc-1"].Namespace = "web"
	if err := clientcmd.WriteToFile(*got, file); err != nil {
		t.Fatal(err)
	}
	p.runs(t, "kubeconfig", "demo", "--output", file)
	if again := read(t, file); len(again.Contexts) != 2 || len(again.AuthInfos) != 2 || again.Contexts["demo-kc-1"].Namespace != "web" {
		t.Errorf("the second time: %+v", again)
	}
}

func TestKubeconfigWithCertificate(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	p := member(t, a)
	p.runs(t, "clusters", "create", "demo")
	if out := p.runs(t, "kubeconfig", "demo", "--print"); out != embedded {
		t.Errorf("printed %q", out)
	}
	file := filepath.Join(p.home, "config")
	p.runs(t, "kubeconfig", "demo", "--embed", "--expires-in", "24h", "--output", file)
	got := read(t, file)
	in := got.Contexts[got.CurrentContext]
	if u := got.AuthInfos[in.AuthInfo]; got.CurrentContext != "demo" || string(u.ClientCertificateData) != "CERT" || string(u.ClientKeyData) != "KEY" || u.Exec != nil {
		t.Errorf("context %s, user %+v", got.CurrentContext, u)
	}
	if asked := a.lives; !slices.Equal(asked, []string{"28800", "86400"}) {
		t.Errorf("asked for lives of %v seconds", asked)
	}
	r := p.types(t, "", "kubeconfig", "demo", "--expires-in", "1h")
	if says(t, "an end for what has none", r.errs, "--expires-in is for a kubeconfig with a certificate in it"); r.status != 2 {
		t.Errorf("exit status %d", r.status)
	}
}

// TestCredential is what kubectl calls, again and again.
func TestCredential(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	p := member(t, a)
	p.runs(t, "clusters", "create", "demo")
	get := func() string {
		t.Helper()
		var x client.ExecCredential
		if err := json.Unmarshal([]byte(p.runs(t, "kubeconfig", "credential", "kc-1")), &x); err != nil {
			t.Fatal(err)
		}
		if x.APIVersion != "client.authentication.k8s.io/v1" || x.Kind != "ExecCredential" || x.Status.Key != "KEY" || x.Status.Expires.IsZero() {
			t.Errorf("%+v", x)
		}
		return x.Status.Certificate
	}
	first := get()
	if again := get(); again != first {
		t.Errorf("got %s, then %s: it is to be kept", first, again)
	}
	files, err := filepath.Glob(filepath.Join(p.home, "credentials", "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("kept in %v, %v", files, err)
	}
	for path, mode := range map[string]os.FileMode{files[0]: 0o600, filepath.Dir(files[0]): 0o700} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s has mode %v, %v, want %v", path, info.Mode(), err, mode)
		}
	}
	// One that is about to end is replaced; while there is none to be had, it serves.
	a.mu.Lock()
	a.life = 5 * time.Minute
	a.mu.Unlock()
	if err := os.Remove(files[0]); err != nil {
		t.Fatal(err)
	}
	short := get()
	a.mu.Lock()
	a.outages = 1
	a.mu.Unlock()
	if got := get(); got != short {
		t.Errorf("during an outage got %s, want %s, which is good for five minutes", got, short)
	}
	if got := get(); got == short {
		t.Errorf("got %s although it is about to end", got)
	}
	// What is broken is fetched anew.
	if err := os.WriteFile(files[0], []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	get()
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	p := member(t, a)
	p.runs(t, "clusters", "create", "demo")
	says(t, "an empty list", p.runs(t, "credentials", "list", "demo"), "Nobody has credentials for the cluster.")
	p.runs(t, "kubeconfig", "credential", "kc-1")
	id := a.credentials[0].ID
	says(t, "list", p.runs(t, "credentials", "list", "demo"), "ID ", id+"   ada@example.com   marina:admins   exec   0s    never   good for 59m\n")
	says(t, "revoke", p.runs(t, "credentials", "revoke", "demo", id), "Revoked 1 credential.\n")
	if out := p.runs(t, "credentials", "list", "demo"); !strings.HasSuffix(out, "revoked\n") {
		t.Errorf("list:\n%s", out)
	}
	r := p.types(t, "", "credentials", "revoke", "demo", "cred-0")
	says(t, "an unknown one", r.errs, "cred-0: There is no such credential. It may have ended.")
}
