package revoked_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"

	"github.com/marina-cloud/marina/tenant-controlplane/kubernetes/revoked"
)

const (
	good = "X509SHA256=00"
	bad  = "X509SHA256=11"

	patience = 20 * time.Second // for what takes a moment
)

// byHeader takes a client for who it says it is.
var byHeader = authenticator.RequestFunc(func(r *http.Request) (*authenticator.Response, bool, error) {
	id := r.Header.Get("Credential")
	if id == "" {
		return nil, false, nil
	}
	u := &user.DefaultInfo{Name: "ada@example.com", Extra: map[string][]string{user.CredentialIDKey: {id}}}
	return &authenticator.Response{User: u}, true, nil
})

func revoke(t *testing.T, dir, id string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, revoked.FileName(id)), nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

func list(t *testing.T, dir, uses string) *revoked.List {
	t.Helper()
	l, err := revoked.At(dir, revoked.UsesIn(uses))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func as(ctx context.Context, id string) *http.Request {
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/api", nil)
	r.Header.Set("Credential", id)
	return r
}

func TestAuthenticator(t *testing.T) {
	dir := t.TempDir()
	a := list(t, dir, "").Authenticator(byHeader)
	try := func(id string, want bool, why string) {
		t.Helper()
		resp, ok, err := a.AuthenticateRequest(as(t.Context(), id))
		if ok != want || (resp != nil) != want {
			t.Errorf("%q: let in %v, want %v: %s", id, ok, want, why)
		}
		if !want && id != "" && !errors.Is(err, revoked.ErrRevoked) {
			t.Errorf("%q: error %v, want ErrRevoked", id, err)
		}
	}
	try(bad, true, "it is not revoked yet")
	revoke(t, dir, bad)
	try(bad, false, "it was revoked, without anybody telling the process")
	try(good, true, "another one's does not matter")
	try("", false, "nobody")
	revoke(t, dir, "JTI=../../etc/passwd")
	try("JTI=../../etc/passwd", false, "the id of a token may hold anything")
	if err := os.Remove(filepath.Join(dir, revoked.FileName(bad))); err != nil {
		t.Fatal(err)
	}
	try(bad, true, "its entry has ended")
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	try(good, false, "what cannot be looked up is not let in")
	if _, err := revoked.At(filepath.Join(dir, "nowhere"), nil); err == nil {
		t.Error("a list that is not there is taken for an empty one")
	}
}

// serve serves h behind the list, with connections that can be taken over.
func serve(t *testing.T, l *revoked.List, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	a := l.Authenticator(byHeader)
	s := httptest.NewServer(l.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, ok, _ := a.AuthenticateRequest(r); !ok {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		h(w, r)
	})))
	t.Cleanup(s.Close)
	return s
}

// TestOpenRequestsEnd: a watch with a credential that is revoked ends, another goes on.
func TestOpenRequestsEnd(t *testing.T) {
	dir := t.TempDir()
	began, over := make(chan string, 2), make(chan string, 2)
	s := serve(t, list(t, dir, ""), func(_ http.ResponseWriter, r *http.Request) {
		began <- r.Header.Get("Credential")
		<-r.Context().Done()
		over <- r.Header.Get("Credential")
	})
	ctx, cancel := context.WithCancel(t.Context())
	for _, id := range []string{good, bad} {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Credential", id)
		go func() {
			if resp, err := http.DefaultClient.Do(r); err == nil {
				_ = resp.Body.Close()
			}
		}()
		<-began
	}
	revoke(t, dir, bad)
	select {
	case id := <-over:
		if id != bad {
			t.Fatalf("the request of %s ended", id)
		}
	case <-time.After(patience):
		t.Fatal("the request with the revoked credential goes on")
	}
	select {
	case <-over:
		t.Error("the other request ended, too")
	default:
	}
	cancel()
	<-over
}

// TestHijackedConnectionsEnd: so does an exec, whose bytes nobody's context ends.
func TestHijackedConnectionsEnd(t *testing.T) {
	dir := t.TempDir()
	s := serve(t, list(t, dir, ""), func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\n\r\n")
		_, _ = io.Copy(c, c)
	})
	open := func(id string) (net.Conn, *bufio.Reader) {
		c, err := net.Dial("tcp", s.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		_ = c.SetDeadline(time.Now().Add(patience))
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nCredential: "+id+"\r\n\r\n")
		r := bufio.NewReader(c)
		for range 2 {
			if _, err := r.ReadString('\n'); err != nil {
				t.Fatal(err)
			}
		}
		return c, r
	}
	echo := func(c net.Conn, r *bufio.Reader) error {
		_, _ = io.WriteString(c, "hello\n")
		_, err := r.ReadString('\n')
		return err
	}
	mine, mineIn := open(bad)
	other, otherIn := open(good)
	if err := errors.Join(echo(mine, mineIn), echo(other, otherIn)); err != nil {
		t.Fatal(err)
	}
	revoke(t, dir, bad)
	if _, err := mineIn.ReadString('\n'); !errors.Is(err, io.EOF) {
		t.Errorf("the connection with the revoked credential: %v, want its end", err)
	}
	if err := echo(other, otherIn); err != nil {
		t.Errorf("the other connection: %v", err)
	}
}

func TestUses(t *testing.T) {
	dir := t.TempDir()
	l := list(t, t.TempDir(), dir)
	machine := authenticator.RequestFunc(func(r *http.Request) (*authenticator.Response, bool, error) {
		u := &user.DefaultInfo{Name: "system:kube-scheduler", Extra: map[string][]string{user.CredentialIDKey: {"X509SHA256=22"}}}
		return &authenticator.Response{User: u}, true, nil
	})
	before := time.Now().Truncate(time.Minute).Unix()
	for _, a := range []authenticator.Request{l.Authenticator(byHeader), l.Authenticator(machine)} {
		for _, id := range []string{good, "JTI=33"} {
			if _, ok, err := a.AuthenticateRequest(as(t.Context(), id)); !ok {
				t.Fatal(err)
			}
		}
	}
	var got map[string]int64
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		data, err := os.ReadFile(filepath.Join(dir, revoked.UsesFile))
		if err == nil {
			if err := json.Unmarshal(data, &got); err != nil {
				t.Fatal(err)
			}
			break
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
	if len(got) != 1 || got[good] < before || got[good]%60 != 0 {
		t.Errorf("noted %v, want a person's certificate alone, to the minute", got)
	}
}
