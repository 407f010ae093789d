package main

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

func TestSocket(t *testing.T) {
	tests := []struct {
		name, value, path string
		ok                bool
		why               string
	}{
		{"absolute path", "unix:///run/tenant/etcd.sock", "/run/tenant/etcd.sock", true, "the one form there is"},
		{"host", "unix://localhost:2379", "", false, "etcd would make a file in the working directory of it"},
		{"relative", "unix:etcd.sock", "", false, "it would depend on the working directory"},
		{"tcp", "http://127.0.0.1:2379", "", false, "a tenant's etcd is never on a network"},
		{"empty", "", "", false, "there is no default: two homes would share it"},
		{"too long", "unix:///" + strings.Repeat("a", 107), "", false, "the kernel's error names neither the limit nor the flag"},
		{"longest", "unix:///" + strings.Repeat("a", 106), "/" + strings.Repeat("a", 106), true, "107 bytes are what fits"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			u, err := socket("client", tt.value)
			if (err == nil) != tt.ok || u.Path != tt.path {
				t.Errorf("socket(%q) = %q, %v: %s", tt.value, u.Path, err, tt.why)
			}
		})
	}
}

func TestRunRefuses(t *testing.T) {
	good := []string{"--data-dir", "/nowhere/etcd", "--client", "unix:///nowhere/c"}
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"relative directory", []string{"--data-dir", "x"}, "absolute path"},
		{"negative quota", append(good[:2:2], "--quota-bytes", "-1"), "--quota-bytes"},
		{"no client socket", good[:2], "--client"},
		{"left-over argument", append(good[:4:4], "now"), `"now"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := run(t.Context(), tt.args)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("run(%q) = %v, want an error that says %q", tt.args, err, tt.want)
			}
		})
	}
}

// TestLife starts etcd, writes, stops it, and reads after a second start.
func TestLife(t *testing.T) {
	dir := t.TempDir()
	c := config{
		dir:      filepath.Join(dir, "data"),
		client:   url.URL{Scheme: "unix", Path: filepath.Join(dir, "c.sock")},
		quota:    64 << 20,
		logLevel: "error",
	}
	if err := health(t.Context(), c.client.Path); err == nil {
		t.Error("health said yes before etcd was there")
	}

	stop := start(t, c)
	client := connect(t, c)
	if _, err := client.Put(t.Context(), "/registry/a", "1"); err != nil {
		t.Fatalf("put: %v", err)
	}
	info, err := os.Stat(c.client.Path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o770 {
		t.Errorf("the socket's mode is %o, want 770: the API server connects by its group, nobody else may", got)
	}
	if got := size(t, c.dir); got > 20<<20 {
		t.Errorf("a fresh directory holds %d bytes: too much, multiplied by every tenant", got)
	}
	stop()
	if err := health(t.Context(), c.client.Path); err == nil {
		t.Error("health said yes after etcd had stopped")
	}

	// A stale socket, as a killed process leaves it, must not be in the way.
	if err := os.WriteFile(c.client.Path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	stop = start(t, c)
	defer stop()
	got, err := connect(t, c).Get(t.Context(), "/registry/a")
	if err != nil {
		t.Fatalf("get: %v", err)
	}
	if len(got.Kvs) != 1 || string(got.Kvs[0].Value) != "1" {
		t.Errorf("after a restart etcd holds %v, want what was written", got.Kvs)
	}
}

func start(t *testing.T, c config) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- serve(ctx, c) }()
	deadline := time.Now().Add(20 * time.Second)
	for err := health(ctx, c.client.Path); err != nil; err = health(ctx, c.client.Path) {
		select {
		case err := <-done:
			t.Fatalf("serve: %v", err)
		case <-time.After(5 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("etcd is not healthy: %v", err)
		}
	}
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	}
}

func connect(t *testing.T, c config) *clientv3.Client {
	t.Helper()
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{c.client.String()}, Logger: zap.NewNop(), DialTimeout: 5 * time.Second})
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// size is what the files in dir take on the disk, holes not counted.
func size(t *testing.T, dir string) int64 {
	t.Helper()
	var n int64
	err := filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		n += 512 * info.Sys().(*syscall.Stat_t).Blocks
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}
