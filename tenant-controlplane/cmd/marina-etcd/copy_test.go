package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// place is where a test's etcd runs.
func place(t *testing.T, name string) config {
	t.Helper()
	dir := t.TempDir()
	return config{
		dir:      filepath.Join(dir, name),
		client:   url.URL{Scheme: "unix", Path: filepath.Join(dir, "c.sock")},
		logLevel: "error",
	}
}

// copyFrom saves what a running etcd sends.
func copyFrom(t *testing.T, client *clientv3.Client, file string) {
	t.Helper()
	r, err := client.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(f, r)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

func copyCommand(t *testing.T, name string, args ...string) (c copied) {
	t.Helper()
	var out bytes.Buffer
	if err := runCopy(t.Context(), name, args, &out); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if err := json.Unmarshal(out.Bytes(), &c); err != nil {
		t.Fatalf("%s: %v in %s", name, err, &out)
	}
	return c
}

// TestCopyAndRestore: a restored etcd holds what the copy held, and gives no
// revision out twice.
func TestCopyAndRestore(t *testing.T) {
	c := place(t, "data")
	stop := start(t, c)
	client := connect(t, c)
	if _, err := client.Put(t.Context(), "/a", "1"); err != nil {
		t.Fatal(err)
	}
	live := filepath.Join(t.TempDir(), "live")
	copyFrom(t, client, live)
	// What the copy does not hold, but a client has seen.
	late, err := client.Put(t.Context(), "/b", "lost")
	if err != nil {
		t.Fatal(err)
	}
	stop()

	if got := copyCommand(t, "check", "--file", live); got.Keys != 1 || got.Revision != late.Header.Revision-1 {
		t.Errorf("check of a copy with one key at revision %d: %+v", late.Header.Revision-1, got)
	}
	next := place(t, "data")
	copyCommand(t, "restore", "--file", live, "--data-dir", next.dir)
	stop = start(t, next)
	defer stop()
	client = connect(t, next)
	all, err := client.Get(t.Context(), "/", clientv3.WithPrefix())
	if err != nil {
		t.Fatal(err)
	}
	if len(all.Kvs) != 1 || string(all.Kvs[0].Value) != "1" {
		t.Errorf("restored: %v", all.Kvs)
	}
	written, err := client.Put(t.Context(), "/b", "new")
	if err != nil {
		t.Fatal(err)
	}
	if written.Header.Revision <= late.Header.Revision {
		t.Errorf("revision %d was given out before, as %d", written.Header.Revision, late.Header.Revision)
	}
	watching, cancel := context.WithCancel(t.Context())
	defer cancel()
	w := <-client.Watch(watching, "/", clientv3.WithPrefix(), clientv3.WithRev(late.Header.Revision))
	if !errors.Is(w.Err(), rpctypes.ErrCompacted) {
		t.Errorf("a watch from a lost revision got %v, %v; want to be told to list anew", w.Events, w.Err())
	}
}

// TestCopyOfStopped: data of a killed etcd is copied with what was only in its log.
func TestCopyOfStopped(t *testing.T) {
	c := place(t, "data")
	stop := start(t, c)
	for _, k := range []string{"/a", "/b", "/c"} {
		if _, err := connect(t, c).Put(t.Context(), k, "1"); err != nil {
			t.Fatal(err)
		}
	}
	// As a kill would leave it: etcd writes its database down only now and then.
	killed := filepath.Join(t.TempDir(), "killed")
	if err := os.CopyFS(killed, os.DirFS(c.dir)); err != nil {
		t.Fatal(err)
	}
	stop()
	file := filepath.Join(t.TempDir(), "copy")
	if got := copyCommand(t, "snapshot", "--data-dir", killed, "--file", file); got.Keys != 3 {
		t.Errorf("the copy holds %+v, want three keys", got)
	}
	next := place(t, "data")
	if got := copyCommand(t, "restore", "--file", file, "--data-dir", next.dir); got.Keys != 3 {
		t.Errorf("restored %+v, want three keys", got)
	}
}

func TestDamagedCopies(t *testing.T) {
	c := place(t, "data")
	stop := start(t, c)
	file := filepath.Join(t.TempDir(), "copy")
	copyFrom(t, connect(t, c), file)
	stop()
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		why  string
		data []byte
	}{
		"Cut":     {"a connection that broke", good[:len(good)/2]},
		"NoEnd":   {"the digest did not come", good[:len(good)-32]},
		"Altered": {"a disk that lies", append(append(bytes.Clone(good[:5000]), good[5000]^1), good[5001:]...)},
		"Empty":   {"a full disk", nil},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			bad := filepath.Join(dir, "bad")
			if err := os.WriteFile(bad, tc.data, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := runCopy(t.Context(), "check", []string{"--file", bad}, io.Discard); err == nil {
				t.Errorf("check passes: %s", tc.why)
			}
			if err := runCopy(t.Context(), "restore", []string{"--file", bad, "--data-dir", filepath.Join(dir, "data")}, io.Discard); err == nil {
				t.Errorf("restore accepts: %s", tc.why)
			}
			if _, err := os.Stat(filepath.Join(dir, "data")); err == nil {
				t.Error("a refused copy left a directory")
			}
		})
	}
}
