//go:build integration

// Package vault_test moves a whole installation from the built-in keystore to a real
// Vault, and then takes Vault away from it in every way.
package vault_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/marina-cloud/marina/deploy/backup"
	"github.com/marina-cloud/marina/deploy/client"
	"github.com/marina-cloud/marina/deploy/host"
	"github.com/marina-cloud/marina/deploy/installation"
	"github.com/marina-cloud/marina/deploy/secrets"
	"github.com/marina-cloud/marina/deploy/vaulttest"
	"github.com/marina-cloud/marina/internal/home"
	"github.com/marina-cloud/marina/internal/seal"
	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

const patience = 2 * time.Minute

// story is an installation, and the Vault that it is moved to.
type story struct {
	*testing.T
	marina *installation.Installation
	vault  *vaulttest.Server
}

func TestInstallationOnVault(t *testing.T) {
	s := &story{T: t, vault: vaulttest.New(t)}
	cfg := s.vault.AppRole("installation", time.Hour, time.Hour)
	s.install()
	one := s.cluster("one")
	config := s.kubeconfig(one)
	s.writeSecret(config, "before")

	// With Vault named, nothing has changed yet; one command moves everything.
	s.stop(syscall.SIGTERM)
	s.marina.Env = []string{
		"MARINA_VAULT_ADDRESS=" + cfg.Address, "MARINA_VAULT_CA_FILE=" + cfg.CAFile,
		"MARINA_VAULT_ROLE_ID=" + cfg.RoleID, "MARINA_VAULT_SECRET_ID_FILE=" + cfg.SecretIDFile,
	}
	s.start()
	s.eventually("Vault can be used", func() (bool, string) { st := s.status(); return st.Vault != nil && st.Vault.OK, fmt.Sprint(st.Vault) })
	if st := s.status(); st.Master != seal.InFile || st.Left != 0 || st.Keys == 0 {
		t.Errorf("with Vault named alone, the secrets are %+v; want them where they were", st)
	}
	var moved secrets.Status
	s.run(&moved, "--json", "secrets", "migrate", "--to", "vault")
	if moved.Master != seal.InVault || moved.Left != 0 {
		t.Errorf("`marina secrets migrate` ended with %+v", moved)
	}
	master := filepath.Join(s.marina.Home, "master.key")
	if err := os.Remove(master); err != nil {
		t.Fatal(err)
	}

	// The server is killed and starts while Vault is sealed.
	s.vault.Seal()
	s.stop(syscall.SIGKILL)
	s.start()
	s.eventually("the status says that Vault is sealed", func() (bool, string) {
		st := s.status()
		return st.Vault != nil && !st.Vault.OK && strings.Contains(st.Vault.Message, "unseal"), fmt.Sprint(st.Vault)
	})
	s.eventually("the cluster says that its keys cannot be opened", func() (bool, string) { return s.waits(one) })
	s.kubectl(config, "create", "configmap", "while-sealed")
	s.readSecret(config, "before")
	if _, err := s.marina.Client.Kubeconfig(t.Context(), one, 0); !client.IsCode(err, "secrets_unavailable") {
		t.Errorf("a kubeconfig while Vault is sealed: %v; want secrets_unavailable", err)
	}
	k, err := s.marina.Client.CreateCluster(t.Context(), client.NewCluster{Name: "two"})
	if err != nil {
		t.Fatal(err)
	}
	s.eventually("a new cluster waits for its keys", func() (bool, string) { return s.waits(k.ID) })
	if now := s.look(one); now.Phase != string(controlplane.Running) {
		t.Errorf("the running cluster is called %s", now.Phase)
	}

	s.vault.Unseal()
	s.eventually("the cluster does not complain any more", func() (bool, string) {
		waits, about := s.waits(one)
		return !waits && s.look(one).Phase == string(controlplane.Running), about
	})
	s.running(k.ID)
	s.writeSecret(config, "after")
	s.kubeconfig(one)

	// What is in memory goes on while Vault is away.
	s.vault.Kill()
	s.eventually("the status says that Vault is away", func() (bool, string) {
		st := s.status()
		return !st.Vault.OK && strings.Contains(st.Vault.Message, "cannot be reached"), fmt.Sprint(st.Vault)
	})
	s.writeSecret(config, "away")
	s.writeSecret(s.kubeconfig(one), "away-too")
	s.vault.Start()
	s.vault.Unseal()
	s.eventually("Vault is back", func() (bool, string) { st := s.status(); return st.Vault.OK, fmt.Sprint(st.Vault) })
	if _, err := os.Stat(master); err == nil {
		t.Error("there is a master key in a file again")
	}
	s.rehearse(config)
}

// rehearse brings the installation back from a backup, which needs the same Vault.
func (s *story) rehearse(config string) {
	s.Helper()
	identity, dir := filepath.Join(s.TempDir(), "identity"), s.TempDir()
	s.run(nil, "backup", "keygen", identity)
	var made backup.Made
	s.run(&made, "--json", "backup", "--to", dir)
	if !strings.Contains(made.Manifest.Vault, s.vault.Address) {
		s.Errorf("the backup says of what it needs: %q; want the address of Vault", made.Manifest.Vault)
	}
	next, err := s.marina.Successor()
	if err != nil {
		s.Fatal(err)
	}
	if err := s.marina.Close(s.Context()); err != nil {
		s.Error(err)
	}
	s.marina = next
	s.Cleanup(s.close)
	named := s.marina.Env
	s.run(nil, "restore", made.File, "--identity", identity)
	s.marina.Env = nil
	if _, err := s.marina.Start(s.Context(), false); err == nil || !strings.Contains(err.Error(), s.vault.Address) {
		s.Errorf("a start without Vault: %v; want it refused, and Vault named", err)
	}
	s.marina.Env = named
	s.start()
	s.eventually("an old kubeconfig works, and an old Secret opens", func() (bool, string) {
		out, err := s.try(config, "get", "secret", "away-too", "-o", "jsonpath={.data.value}")
		return err == nil && out == "YXdheS10b28=", fmt.Sprint(out, err)
	})
}

func (s *story) install() {
	s.Helper()
	i, err := installation.New(os.Stderr)
	if err != nil {
		s.Fatal(err)
	}
	s.marina = i
	s.Cleanup(s.close)
	s.start()
}

func (s *story) close() {
	if s.marina == nil {
		return
	}
	if err := s.marina.Close(context.Background()); err != nil {
		s.Error(err)
	}
	s.marina = nil
}

func (s *story) start() {
	s.Helper()
	if _, err := s.marina.Start(s.Context(), false); err != nil {
		s.Fatal(err)
	}
}

// stop ends the server alone.
func (s *story) stop(sig syscall.Signal) {
	s.Helper()
	h, err := home.At(s.marina.Home)
	if err != nil {
		s.Fatal(err)
	}
	p, ok, err := host.Find(host.ServerFile(h))
	if err != nil || !ok {
		s.Fatalf("no server: %v", err)
	}
	if err := p.Signal(sig); err != nil {
		s.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	defer cancel()
	if _, err := p.Wait(ctx); err != nil {
		s.Fatal(err)
	}
}

// run runs a marina command and decodes its answer.
func (s *story) run(into any, args ...string) {
	s.Helper()
	out, err := s.marina.Run(s.Context(), args...)
	if err == nil && into != nil {
		err = json.Unmarshal(out, into)
	}
	if err != nil {
		s.Fatal(err)
	}
}

// status is what `marina status` says about secrets.
func (s *story) status() secrets.Status {
	s.Helper()
	var st struct{ Secrets *secrets.Status }
	out, err := s.marina.Run(s.Context(), "--json", "status") // an error, too, where not all is well
	if json.Unmarshal(out, &st) != nil || st.Secrets == nil {
		s.Fatalf("`marina status` says nothing about secrets: %v\n%s", err, out)
	}
	return *st.Secrets
}

func (s *story) look(id string) client.Cluster {
	s.Helper()
	k, err := s.marina.Client.Cluster(s.Context(), id)
	if err != nil {
		s.Fatal(err)
	}
	return k
}

// waits reports whether a cluster says that its keys cannot be opened.
func (s *story) waits(id string) (bool, string) {
	s.Helper()
	k := s.look(id)
	for _, c := range k.Conditions {
		if c.Type == controlplane.SecretsReady && !c.OK {
			return true, fmt.Sprint(k.Conditions)
		}
	}
	return false, fmt.Sprint(k.Phase, k.Conditions)
}

func (s *story) cluster(name string) string {
	s.Helper()
	k, err := s.marina.Client.CreateCluster(s.Context(), client.NewCluster{Name: name})
	if err != nil {
		s.Fatal(err)
	}
	s.running(k.ID)
	return k.ID
}

func (s *story) running(id string) {
	s.Helper()
	s.eventually("the cluster runs", func() (bool, string) {
		k := s.look(id)
		return k.Phase == string(controlplane.Running), fmt.Sprint(k.Phase, k.Conditions)
	})
}

func (s *story) kubeconfig(id string) string {
	s.Helper()
	data, err := s.marina.Client.Kubeconfig(s.Context(), id, 0)
	if err != nil {
		s.Fatal(err)
	}
	file := filepath.Join(s.TempDir(), "kubeconfig")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		s.Fatal(err)
	}
	return file
}

func (s *story) try(config string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(s.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.marina.Kubectl, append([]string{"--kubeconfig", config}, args...)...)
	cmd.Args[0] = "kubectl"
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	return out.String(), errIf(err, errs.String())
}

func errIf(err error, says string) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %s", err, says)
}

func (s *story) kubectl(config string, args ...string) string {
	s.Helper()
	out, err := s.try(config, args...)
	if err != nil {
		s.Fatalf("kubectl %s: %v", strings.Join(args, " "), err)
	}
	return out
}

func (s *story) writeSecret(config, name string) {
	s.Helper()
	s.kubectl(config, "create", "secret", "generic", name, "--from-literal=value="+name)
	s.readSecret(config, name)
}

func (s *story) readSecret(config, name string) {
	s.Helper()
	if out := s.kubectl(config, "get", "secret", name, "-o", "jsonpath={.metadata.name} {.data.value}"); !strings.HasPrefix(out, name+" ") || out == name+" " {
		s.Fatalf("the Secret %s holds %q", name, out)
	}
}

// eventually asks until the condition holds; got is what to show if it never does.
func (s *story) eventually(what string, holds func() (ok bool, got string)) {
	s.Helper()
	deadline := time.Now().Add(patience)
	for {
		ok, got := holds()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			s.Fatalf("%s: not within %s; last seen: %s", what, patience, got)
		}
		select {
		case <-s.Context().Done():
			s.Fatal(s.Context().Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}
