package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"google.golang.org/grpc"
)

// TestFullAndBack: an etcd that was filled up to its quota takes writes again, by
// itself, once there is something to give up.
func TestFullAndBack(t *testing.T) {
	c := place(t, "data")
	c.quota, c.look = 16<<20, 20*time.Millisecond
	stop := start(t, c)
	defer stop()
	client := connect(t, c)

	// Different keys, so that nothing is old.
	value := strings.Repeat("x", 256<<10)
	n := fill(t, client, func(n int) (string, string) { return fmt.Sprintf("/registry/%d", n), value })
	// The count may be a second old, the write that is refused may have been made (etcd
	// looks once more after that, when somebody was quicker), and the garbage that large
	// objects leave, a fifth, may have been packed meanwhile.
	wait(t, "the usage of a full etcd", func() error {
		if u := ask(t, c); !u.Full || u.Keys < n || u.Keys > n+1 || u.Quota != c.quota || u.Size < c.quota*3/4 {
			return fmt.Errorf("after %d keys it is %+v", n, u)
		}
		return nil
	})
	if err := health(t.Context(), c.client.Path); err == nil || !strings.Contains(err.Error(), "NOSPACE") {
		t.Errorf("health of a full etcd: %v, want its alarm", err)
	}

	if _, err := client.Delete(t.Context(), "/registry/", clientv3.WithPrefix()); err != nil {
		t.Fatalf("a full etcd refuses a delete: %v", err)
	}
	wait(t, "a write after room was made", func() error {
		_, err := client.Put(t.Context(), "/registry/again", "x")
		return err
	})
	wait(t, "the usage after room was made", func() error {
		if u := ask(t, c); u.Full || u.Keys != 1 || u.Size > c.quota*3/4 {
			return fmt.Errorf("it is %+v", u)
		}
		return nil
	})
	if err := health(t.Context(), c.client.Path); err != nil {
		t.Errorf("health: %v", err)
	}
}

// TestOverwriting: one key that is written again and again never fills etcd, with
// nobody there to compact.
func TestOverwriting(t *testing.T) {
	c := place(t, "data")
	c.quota, c.look = 16<<20, 20*time.Millisecond
	stop := start(t, c)
	defer stop()
	client := connect(t, c)
	value := strings.Repeat("x", 256<<10)
	for range 3 * c.quota / int64(len(value)) {
		wait(t, "a write", func() error {
			_, err := client.Put(t.Context(), "/registry/one", value)
			return err
		})
	}
	wait(t, "the database to be small again", func() error {
		if u := ask(t, c); u.Used > c.quota*7/10 || u.Full {
			return fmt.Errorf("the usage is %+v", u)
		}
		return nil
	})
}

// TestCopies: whoever is being sent a copy of the database is known, so that there is
// no defragmentation, which would hold up everybody until that one has read it.
func TestCopies(t *testing.T) {
	c, copies := place(t, "data"), &copies{}
	e := c.etcd()
	e.GRPCAdditionalServerOptions = []grpc.ServerOption{grpc.ChainStreamInterceptor(copies.intercept)}
	server, err := embed.StartEtcd(e)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	client := connect(t, c)
	counted := func(want int64) func() error {
		return func() error {
			if n := copies.n.Load(); n != want {
				return fmt.Errorf("%d are counted, want %d", n, want)
			}
			return nil
		}
	}
	for n := range 30 { // more than fits into what lies between server and client
		if _, err := client.Put(t.Context(), fmt.Sprint(n), strings.Repeat("x", 1<<20)); err != nil {
			t.Fatal(err)
		}
	}
	wait(t, "nobody to copy", counted(0))
	copying, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, err := client.Snapshot(copying)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if err := counted(1)(); err != nil {
		t.Error(err)
	}
	cancel()
	wait(t, "nobody to copy any more", counted(0))
}

// fill writes until etcd is full, and returns how many writes it took.
func fill(t *testing.T, client *clientv3.Client, next func(n int) (key, value string)) int {
	t.Helper()
	for n := range 1000 {
		k, v := next(n)
		_, err := client.Put(t.Context(), k, v)
		if errors.Is(err, rpctypes.ErrNoSpace) {
			return n
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Fatal("etcd does not become full")
	return 0
}

// wait repeats what until it works.
func wait(t *testing.T, what string, try func() error) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for err := try(); err != nil; err = try() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", what, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func ask(t *testing.T, c config) (u usage) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", c.client.Path)
		},
	}}
	res, err := client.Get("http://etcd" + usagePath)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(&u); err != nil {
		t.Fatalf("usage (HTTP %d): %v", res.StatusCode, err)
	}
	return u
}
