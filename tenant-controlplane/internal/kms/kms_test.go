//go:build integration

package kms_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	kmsapi "k8s.io/kms/apis/v2"

	"github.com/marina-cloud/marina/internal/seal"
	"github.com/marina-cloud/marina/internal/tenant"
	"github.com/marina-cloud/marina/migrations/pgtest"
	"github.com/marina-cloud/marina/tenant-controlplane/internal/kms"
)

const gid = 212_344

// place is a directory of sockets and a secret store.
type place struct {
	dir     string
	secrets *seal.Keystore
	server  *kms.Server
}

func newPlace(t *testing.T) *place {
	t.Helper()
	// A short path: that of a socket is limited.
	dir, err := os.MkdirTemp("", "kms-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	secrets, err := seal.Open(t.Context(), pgtest.New(t), filepath.Join(t.TempDir(), "master.key"))
	if err != nil {
		t.Fatal(err)
	}
	p := &place{dir: dir, secrets: secrets}
	p.server = p.open(t, secrets)
	return p
}

// open returns another server of the same place, as a program that was started
// again would have.
func (p *place) open(t *testing.T, secrets kms.Secrets) *kms.Server {
	t.Helper()
	s := kms.New(secrets, p.socket, slog.New(slog.DiscardHandler))
	t.Cleanup(s.Shutdown)
	return s
}

func (p *place) socket(id tenant.ClusterID) string { return filepath.Join(p.dir, string(id)) }

func (p *place) serve(t *testing.T) tenant.ClusterID {
	t.Helper()
	id := tenant.NewClusterID()
	if err := p.server.Serve(t.Context(), id, gid); err != nil {
		t.Fatal(err)
	}
	return id
}

func (p *place) client(t *testing.T, id tenant.ClusterID) kmsapi.KeyManagementServiceClient {
	t.Helper()
	conn, err := grpc.NewClient("unix://"+p.socket(id), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	})
	return kmsapi.NewKeyManagementServiceClient(conn)
}

func version(t *testing.T, c kmsapi.KeyManagementServiceClient) string {
	t.Helper()
	s, err := c.Status(t.Context(), &kmsapi.StatusRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if s.GetVersion() != "v2" || s.GetHealthz() != "ok" || s.GetKeyId() == "" {
		t.Errorf("status = %v, want v2, ok and a key", s)
	}
	return s.GetKeyId()
}

// eventually is version for a client whose connection was cut: a request that was
// under way fails once, as an API server's would.
func eventually(t *testing.T, c kmsapi.KeyManagementServiceClient) string {
	t.Helper()
	for {
		_, err := c.Status(t.Context(), &kmsapi.StatusRequest{}, grpc.WaitForReady(true))
		if status.Code(err) != codes.Unavailable {
			return version(t, c)
		}
	}
}

func TestEncrypt(t *testing.T) {
	p := newPlace(t)
	id := p.serve(t)
	c := p.client(t, id)
	seed := bytes.Repeat([]byte{7}, 32)
	keyID := version(t, c)
	enc, err := c.Encrypt(t.Context(), &kmsapi.EncryptRequest{Plaintext: seed, Uid: "1"})
	if err != nil {
		t.Fatal(err)
	}
	if enc.GetKeyId() != keyID {
		t.Errorf("key = %q, want that of the status, %q", enc.GetKeyId(), keyID)
	}
	if n := len(enc.GetCiphertext()); n == 0 || n >= 1024 || bytes.Contains(enc.GetCiphertext(), seed) {
		t.Errorf("the ciphertext has %d bytes or holds the seed; the API server accepts less than 1024", n)
	}
	dec, err := c.Decrypt(t.Context(), &kmsapi.DecryptRequest{Ciphertext: enc.GetCiphertext(), KeyId: enc.GetKeyId(), Uid: "2"})
	if err != nil || !bytes.Equal(dec.GetPlaintext(), seed) {
		t.Errorf("Decrypt = %x, %v; want the seed", dec.GetPlaintext(), err)
	}

	if err := p.secrets.Rotate(t.Context(), "kms-"+string(id)); err != nil {
		t.Fatal(err)
	}
	if after := version(t, c); after == keyID {
		t.Error("the key of the status is the same after a rotation: the API server would not notice")
	}
	if _, err := c.Decrypt(t.Context(), &kmsapi.DecryptRequest{Ciphertext: enc.GetCiphertext(), KeyId: keyID, Uid: "3"}); err != nil {
		t.Errorf("Decrypt of what was encrypted before the rotation: %v", err)
	}
}

func TestClustersCannotReadOneAnother(t *testing.T) {
	p := newPlace(t)
	mine, theirs := p.client(t, p.serve(t)), p.client(t, p.serve(t))
	version(t, theirs) // so that its key exists
	enc, err := mine.Encrypt(t.Context(), &kmsapi.EncryptRequest{Plaintext: []byte("seed")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := theirs.Decrypt(t.Context(), &kmsapi.DecryptRequest{Ciphertext: enc.GetCiphertext()}); status.Code(err) != codes.InvalidArgument {
		t.Errorf("Decrypt of another cluster's seed = %v, want it refused", err)
	}
	altered := bytes.Clone(enc.GetCiphertext())
	altered[len(altered)-1] ^= 1
	if _, err := mine.Decrypt(t.Context(), &kmsapi.DecryptRequest{Ciphertext: altered}); status.Code(err) != codes.InvalidArgument {
		t.Errorf("Decrypt of an altered seed = %v, want it refused", err)
	}
	if _, err := mine.Encrypt(t.Context(), &kmsapi.EncryptRequest{Plaintext: make([]byte, 1<<20)}); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("Encrypt of a megabyte = %v, want it refused", err)
	}
}

func TestSocketIsForOneGroup(t *testing.T) {
	p := newPlace(t)
	id := p.serve(t)
	for _, tc := range []struct {
		why      string
		uid, gid uintptr
		good     bool
	}{
		{"the cluster's stack has the group", 212_345, gid, true},
		{"another cluster's has not", 212_347, gid + 2, false},
	} {
		if err := dialAs(p.socket(id), tc.uid, tc.gid); (err == nil) != tc.good {
			t.Errorf("dial = %v, want it to work: %v: %s", err, tc.good, tc.why)
		}
	}
}

// dialAs connects to a socket as another user, who has one group.
func dialAs(path string, uid, gid uintptr) error {
	done := make(chan error)
	go func() {
		// The identity is the thread's alone, and the thread ends with the
		// goroutine, which does not give it back.
		runtime.LockOSThread()
		for _, call := range [][4]uintptr{{unix.SYS_SETGROUPS, 0, 0, 0}, {unix.SYS_SETRESGID, gid, gid, gid}, {unix.SYS_SETRESUID, uid, uid, uid}} {
			if _, _, errno := unix.RawSyscall(call[0], call[1], call[2], call[3]); errno != 0 {
				done <- errno
				return
			}
		}
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err == nil {
			err = errors.Join(unix.Connect(fd, &unix.SockaddrUnix{Name: path}), unix.Close(fd))
		}
		done <- err
	}()
	return <-done
}

func TestServe(t *testing.T) {
	p := newPlace(t)
	ctx := t.Context()
	id := p.serve(t)
	c := p.client(t, id)
	before := version(t, c)
	if !p.server.Serving(id) || p.server.Serving(tenant.NewClusterID()) {
		t.Error("Serving does not tell who is served")
	}
	if err := p.server.Serve(ctx, id, gid); err != nil {
		t.Errorf("a second Serve: %v, want nothing", err)
	}

	// The directory was cleared under it.
	if err := os.Remove(p.socket(id)); err != nil {
		t.Fatal(err)
	}
	if p.server.Serving(id) {
		t.Error("Serving = true without a socket")
	}
	if err := p.server.Serve(ctx, id, gid); err != nil {
		t.Fatal(err)
	}
	if after := eventually(t, c); after != before {
		t.Errorf("key = %q after the socket was opened again, want %q", after, before)
	}

	// A former process died and left its socket.
	p.server.Shutdown()
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: p.socket(id)})
	if err != nil {
		t.Fatal(err)
	}
	ln.SetUnlinkOnClose(false)
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	next := p.open(t, p.secrets)
	if err := next.Serve(ctx, id, gid); err != nil {
		t.Fatal(err)
	}
	if after := eventually(t, c); after != before {
		t.Errorf("key = %q from the next process, want %q", after, before)
	}

	for range 2 {
		if err := next.Close(id); err != nil {
			t.Errorf("Close: %v, want it done, also the second time", err)
		}
	}
	if _, err := os.Stat(p.socket(id)); err == nil || next.Serving(id) {
		t.Error("the socket is there after Close")
	}
	if err := p.server.Serve(ctx, "absent/cluster", gid); err == nil {
		t.Error("Serve in an absent directory worked")
	}
}

func TestDestroy(t *testing.T) {
	p := newPlace(t)
	id := p.serve(t)
	c := p.client(t, id)
	enc, err := c.Encrypt(t.Context(), &kmsapi.EncryptRequest{Plaintext: []byte("seed")})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := p.server.Destroy(t.Context(), id); err != nil {
			t.Fatalf("Destroy: %v, want it done, also the second time", err)
		}
	}
	if err := p.server.Serve(t.Context(), id, gid); err != nil {
		t.Fatal(err)
	}
	eventually(t, c)
	_, err = c.Decrypt(t.Context(), &kmsapi.DecryptRequest{Ciphertext: enc.GetCiphertext()})
	if status.Code(err) != codes.InvalidArgument {
		t.Errorf("Decrypt = %v, want the key to be gone", err)
	}
}

// down is a secret store that does not answer.
type down struct{}

var errDown = errors.New("dial tcp 10.0.0.7:5432: connection refused")

func (down) Seal(context.Context, string, []byte, []byte) ([]byte, error) { return nil, errDown }
func (down) Open(context.Context, string, []byte, []byte) ([]byte, error) { return nil, errDown }
func (down) Destroy(context.Context, string) error                        { return errDown }

func TestStoreIsDown(t *testing.T) {
	p := newPlace(t)
	p.server = p.open(t, down{})
	c := p.client(t, p.serve(t))
	_, statusErr := c.Status(t.Context(), &kmsapi.StatusRequest{})
	_, encryptErr := c.Encrypt(t.Context(), &kmsapi.EncryptRequest{Plaintext: []byte("seed")})
	for _, err := range []error{statusErr, encryptErr} {
		if status.Code(err) != codes.Unavailable || strings.Contains(err.Error(), "10.0.0.7") {
			t.Errorf("error = %v, want it unavailable and nothing said of the hosting layer", err)
		}
	}
}

func TestManyClusters(t *testing.T) {
	p := newPlace(t)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			id := tenant.NewClusterID()
			if err := p.server.Serve(t.Context(), id, gid); err != nil {
				t.Error(err)
				return
			}
			if _, err := p.client(t, id).Status(t.Context(), &kmsapi.StatusRequest{}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	p.server.Shutdown()
	if left, err := os.ReadDir(p.dir); err != nil || len(left) > 0 {
		t.Errorf("sockets are left after Shutdown: %v, %v", left, err)
	}
}
