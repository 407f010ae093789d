// Package vaulttest runs a real Vault server for tests: on loopback, over TLS, with
// storage that outlives a restart, as nobody. A guardian process ends it and removes
// its files when the test process ends, also when that is killed.
//
// The server is built by deploy/vaultdev. It is never shipped.
package vaulttest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/marina-cloud/marina/deploy/artifacts"
	"github.com/marina-cloud/marina/internal/seal/vault"
)

// Server is a Vault server with a transit engine and AppRole. Its methods fail the
// test of t.
type Server struct {
	Address string
	CAFile  string
	Root    *api.Client // may do everything

	t       testing.TB
	dir     string
	program string
	owner   syscall.Credential
	unseal  string // the key
	leash   *os.File
	ended   chan error
}

const patience = 30 * time.Second

// New starts a server, which is unsealed and ends with the test.
func New(t testing.TB) *Server {
	t.Helper()
	s := &Server{t: t}
	s.must(s.prepare())
	s.Start()
	s.must(s.initialize())
	s.Unseal()
	s.must(s.furnish())
	return s
}

func (s *Server) must(err error) {
	s.t.Helper()
	if err != nil {
		log, _ := os.ReadFile(filepath.Join(s.dir, "log")) // without it, the error alone
		s.t.Fatalf("Vault for tests: %v\n%s", err, log[max(0, len(log)-2000):])
	}
}

// prepare makes what a server needs to start.
func (s *Server) prepare() (err error) {
	if s.program, err = artifacts.Path(artifacts.Vault); err != nil {
		return err
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		return err
	}
	uid, err1 := strconv.ParseUint(nobody.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(nobody.Gid, 10, 32)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	s.owner = syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	if s.dir, err = os.MkdirTemp("", "marina-vault-"); err != nil {
		return err
	}
	s.t.Cleanup(s.close)
	var ports [2]string
	for i := range ports {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer ln.Close()
		ports[i] = ln.Addr().String()
	}
	s.Address, s.CAFile = "https://"+ports[0], filepath.Join(s.dir, "ca.pem")
	if err := certify(s.CAFile, filepath.Join(s.dir, "key.pem")); err != nil {
		return err
	}
	config := fmt.Sprintf(`
storage "raft" { path = "%[1]s/data", node_id = "one", performance_multiplier = 1 }
listener "tcp" { address = "%[2]s", tls_cert_file = "%[1]s/ca.pem", tls_key_file = "%[1]s/key.pem" }
api_addr = "https://%[2]s"
cluster_addr = "https://%[3]s"
disable_mlock = true
`, s.dir, ports[0], ports[1])
	err = errors.Join(os.WriteFile(filepath.Join(s.dir, "vault.hcl"), []byte(config), 0o644), os.Mkdir(filepath.Join(s.dir, "data"), 0o700))
	for _, name := range []string{"", "data", "key.pem"} {
		err = errors.Join(err, os.Chown(filepath.Join(s.dir, name), int(uid), int(gid)))
	}
	return errors.Join(err, os.Chmod(s.dir, 0o755))
}

// guardian serves until it is told to stop, or until its standard input ends, which
// the kernel sees to when the test process is gone: then it also removes the files.
// The program is open as file 3: the directory that it lies in is closed to nobody.
const guardian = `
/proc/self/fd/3 server -config="$1/vault.hcl" >>"$1/log" 2>&1 </dev/null &
read -r stop
kill -KILL $!
wait
[ -n "$stop" ] || rm -rf "$1"
`

// Start starts the server, which is sealed then.
func (s *Server) Start() {
	s.t.Helper()
	program, err := os.Open(s.program)
	s.must(err)
	defer program.Close()
	end, leash, err := os.Pipe()
	s.must(err)
	defer end.Close()
	cmd := exec.Command("/bin/sh", "-c", guardian, "guardian", s.dir) //nolint:noctx // Kill ends it
	cmd.Dir, cmd.Stdin, cmd.ExtraFiles = "/", end, []*os.File{program}
	cmd.Env = []string{"HOME=" + s.dir, "PATH=/usr/bin:/bin"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &s.owner, Setsid: true}
	s.must(cmd.Start())
	s.leash, s.ended = leash, make(chan error, 1)
	go func() { s.ended <- cmd.Wait() }()
	if s.Root == nil {
		s.must(s.client())
	}
	s.wait("it answers", func(ctx context.Context) bool {
		_, err := s.Root.Sys().SealStatusWithContext(ctx)
		return err == nil
	})
}

func (s *Server) client() (err error) {
	c := api.DefaultConfig()
	c.Address, c.MaxRetries = s.Address, 0
	if err := c.ConfigureTLS(&api.TLSConfig{CACert: s.CAFile}); err != nil {
		return err
	}
	s.Root, err = api.NewClient(c)
	return err
}

// Kill kills the server, as a crash would.
func (s *Server) Kill() {
	s.t.Helper()
	if s.leash == nil {
		return
	}
	_, err := s.leash.WriteString("stop\n")
	err = errors.Join(err, s.leash.Close())
	s.leash = nil
	<-s.ended
	s.must(err)
}

func (s *Server) close() {
	s.Kill()
	if err := os.RemoveAll(s.dir); err != nil {
		s.t.Error(err)
	}
}

func (s *Server) initialize() error {
	r, err := s.Root.Sys().Init(&api.InitRequest{SecretShares: 1, SecretThreshold: 1})
	if err != nil {
		return err
	}
	s.unseal = r.KeysB64[0]
	s.Root.SetToken(r.RootToken)
	return nil
}

// Unseal unseals the server and waits until it does its work.
func (s *Server) Unseal() {
	s.t.Helper()
	_, err := s.Root.Sys().Unseal(s.unseal)
	s.must(err)
	s.wait("it is unsealed and leads", func(ctx context.Context) bool {
		h, err := s.Root.Sys().HealthWithContext(ctx)
		return err == nil && !h.Sealed && !h.Standby
	})
}

// Seal seals the server.
func (s *Server) Seal() {
	s.t.Helper()
	s.must(s.Root.Sys().Seal())
}

// furnish makes what an operator makes by the runbook.
func (s *Server) furnish() error {
	return errors.Join(
		s.Root.Sys().Mount(vault.DefaultMount, &api.MountInput{Type: "transit"}),
		s.write(vault.DefaultMount+"/keys/"+vault.DefaultKey, nil),
		s.Root.Sys().PutPolicy("marina", vault.Config{Mount: vault.DefaultMount, Key: vault.DefaultKey}.Policy()),
		s.Root.Sys().EnableAuthWithOptions(vault.DefaultAppRole, &api.EnableAuthOptions{Type: "approle"}),
	)
}

func (s *Server) write(path string, data map[string]any) error {
	_, err := s.Root.Logical().Write(path, data)
	return err
}

// Write writes to any path.
func (s *Server) Write(path string, data map[string]any) *api.Secret {
	s.t.Helper()
	secret, err := s.Root.Logical().Write(path, data)
	s.must(err)
	return secret
}

// AppRole makes a role and returns a configuration that logs in with it: its tokens
// live for ttl, and with renewals for longest.
func (s *Server) AppRole(name string, ttl, longest time.Duration) vault.Config {
	s.t.Helper()
	s.Write("auth/approle/role/"+name, map[string]any{"token_policies": "marina", "token_ttl": ttl.String(), "token_max_ttl": longest.String()})
	role, err := s.Root.Logical().Read("auth/approle/role/" + name + "/role-id")
	s.must(err)
	c := s.base()
	c.RoleID, _ = role.Data["role_id"].(string)
	c.SecretIDFile = filepath.Join(s.t.TempDir(), "secret-id")
	s.NewSecretID(name, c)
	return c
}

// NewSecretID puts a new secret id in the file of a configuration.
func (s *Server) NewSecretID(name string, c vault.Config) {
	s.t.Helper()
	id, _ := s.Write("auth/approle/role/"+name+"/secret-id", nil).Data["secret_id"].(string)
	s.must(os.WriteFile(c.SecretIDFile, []byte(id+"\n"), 0o600))
}

// Token returns a configuration with a token in a file, and the token.
func (s *Server) Token(ttl time.Duration) (c vault.Config, token string) {
	s.t.Helper()
	c = s.base()
	c.TokenFile = filepath.Join(s.t.TempDir(), "token")
	return c, s.NewToken(c, ttl)
}

// NewToken puts a new token in the file of a configuration.
func (s *Server) NewToken(c vault.Config, ttl time.Duration) string {
	s.t.Helper()
	secret, err := s.Root.Auth().Token().Create(&api.TokenCreateRequest{Policies: []string{"marina"}, TTL: ttl.String()})
	s.must(err)
	s.must(os.WriteFile(c.TokenFile, []byte(secret.Auth.ClientToken+"\n"), 0o600))
	return secret.Auth.ClientToken
}

func (s *Server) base() vault.Config {
	return vault.Config{Address: s.Address, CAFile: s.CAFile, Mount: vault.DefaultMount, Key: vault.DefaultKey, AppRole: vault.DefaultAppRole}
}

// wait asks until the condition holds.
func (s *Server) wait(what string, holds func(context.Context) bool) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !holds(ctx) {
		select {
		case err := <-s.ended:
			s.must(fmt.Errorf("waiting until %s: it ended: %w", what, err))
		case <-ctx.Done():
			s.must(fmt.Errorf("waiting until %s: not within %s", what, patience))
		case <-tick.C:
		}
	}
}
