package config_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/marina-cloud/marina/tenant-controlplane/kubernetes/config"
)

const good = `{
	"apiServer": ["--secure-port=6443"], "controllerManager": ["--kubeconfig=/a"], "scheduler": ["--kubeconfig=/b"],
	"listen": {"tcp": "127.0.0.1:6443", "unix": "/run/tenant/api.sock"},
	"limits": {"cluster": "kc-a", "etcd": "/run/tenant/etcd.sock", "objects": {"soft": 8, "reserve": 9}, "database": {"soft": 80, "reserve": 90},
		"audit": {"eventsPerSecond": 1, "bytesPerSecond": 1000}},
	"tunnel": {"agents": "/run/tenant/tunnel.sock", "apiServer": "/tmp/tunnel.sock", "certificate": "/c", "key": "/k", "clientCA": "/ca"}
}`

func TestRead(t *testing.T) {
	tests := []struct {
		name     string
		old, new string // replaced in the good file
		want     string // part of the error; empty: none
		why      string
	}{
		{name: "complete", why: "it is what the control plane writes"},
		{"no tunnel", `"tunnel"`, `"tunnel": null, "tunnel"`, "", "the last one wins in JSON; see the next case for none at all"},
		{"unknown field", `"listen"`, `"listne"`, "listne", "a misspelled field must not be ignored"},
		{"no scheduler", `["--kubeconfig=/b"]`, `[]`, "scheduler: no flags", "a component without flags would talk to nobody"},
		{"another address", "127.0.0.1:6443", "0.0.0.0:6443", "not a loopback address", "connections over TCP are trusted with their own address"},
		{"IPv6 loopback", "127.0.0.1:6443", "[::1]:6443", "", "it is loopback, too"},
		{"no port", "127.0.0.1:6443", "127.0.0.1", "listen.tcp", "the controllers' kubeconfig names the port"},
		{"relative socket", "/run/tenant/api.sock", "api.sock", "listen.unix", "it would depend on the working directory"},
		{"long socket", "/run/tenant/api.sock", "/" + strings.Repeat("a", 107), "longer than", "the kernel's error says less"},
		{"relative members", `"tunnel"`, `"members": "members", "tunnel"`, "members", "it would depend on the working directory"},
		{"members", `"tunnel"`, `"members": "/run/members", "tunnel"`, "", "it is what the control plane writes"},
		{"no key", `"key": "/k"`, `"key": ""`, "tunnel.key", "agents would be refused later, and far away"},
		{"no limits", `"objects": {"soft": 8, "reserve": 9}`, `"objects": {}`, "limits.objects", "everything would be refused"},
		{"marks the wrong way round", `"soft": 80`, `"soft": 95`, "limits.database", "the cluster's own writes would end first"},
		{"no audit", `"eventsPerSecond": 1`, `"eventsPerSecond": 0`, "limits.audit", "nothing would be written"},
		{"a second object", `"/ca"}` + "\n}", `"/ca"}` + "\n}{}", "something follows", "it is a file that was written twice"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "stack.json")
			if err := os.WriteFile(path, []byte(strings.Replace(good, tt.old, tt.new, 1)), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := config.Read(path)
			if tt.want == "" && err != nil {
				t.Errorf("Read: %v: %s", err, tt.why)
			}
			if tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("Read: %v, want an error that says %q: %s", err, tt.want, tt.why)
			}
		})
	}
}

func TestReadWithoutTunnel(t *testing.T) {
	path := filepath.Join(t.TempDir(), "stack.json")
	before, _, _ := strings.Cut(good, ",\n\t\"tunnel\"")
	if err := os.WriteFile(path, []byte(before+"}"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Read(path)
	if err != nil {
		t.Fatalf("Read: %v", err)
	}
	if c.Tunnel != nil {
		t.Errorf("Tunnel = %+v, want none: a cluster without nodes needs no tunnel", c.Tunnel)
	}
}

func TestReadNoFile(t *testing.T) {
	if _, err := config.Read("/nowhere/stack.json"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Read: %v, want that the file does not exist", err)
	}
}
