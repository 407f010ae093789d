//go:build integration

package gateway_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/marina-cloud/marina/gateway"
)

// The tests of this file attack the API. Each has a control: somebody else, who is
// served meanwhile, so that a server which serves nobody does not pass for one that
// defends itself.

// behindProxy lets the tests come from any address.
func behindProxy(d *gateway.Deps) {
	d.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
}

// from are headers of a request from an address.
func from(address string, more ...string) []string {
	return append([]string{"X-Forwarded-For", address}, more...)
}

// tooMany checks that an answer tells somebody to wait, and how long.
func (a answer) tooMany(t *testing.T) {
	t.Helper()
	a.problem(t, http.StatusTooManyRequests, "too_many_requests")
	if wait, err := strconv.Atoi(a.header.Get("Retry-After")); err != nil || wait < 1 {
		t.Errorf("Retry-After is %q, want seconds", a.header.Get("Retry-After"))
	}
}

const flooder, honest = "198.51.100.1", "203.0.113.7"

func TestFloodFromOneAddress(t *testing.T) {
	t.Parallel()
	a := startWith(t, func(d *gateway.Deps) {
		behindProxy(d)
		d.Limits.Address = gateway.Rate{PerSecond: 0.01, Burst: 10}
	})
	flood := func(headers ...string) (served int) {
		for served < 100 {
			got := a.do(t, "GET", "/v1/options", "", from(flooder, headers...)...)
			if got.status != http.StatusOK {
				got.tooMany(t)
				return served
			}
			served++
		}
		return served
	}
	if n := flood(); n != 10 {
		t.Errorf("%d requests of one address were served, want 10", n)
	}
	for _, path := range []string{"/nowhere", "/healthz", "/openapi.json", "/v1/account"} { // whatever it asks for
		a.do(t, "GET", path, "", from(flooder)...).tooMany(t)
	}
	if n := flood("X-Real-Ip", honest, "Forwarded", "for="+honest, "True-Client-Ip", honest); n != 0 {
		t.Errorf("%d more, with headers that claim another address", n)
	}
	if got := a.do(t, "GET", "/v1/options", "", from(honest+", "+flooder)...); got.status != http.StatusTooManyRequests {
		t.Errorf("what a client writes itself is believed: %d", got.status)
	}
	if got := a.do(t, "GET", "/v1/options", "", from(honest)...); got.status != http.StatusOK {
		t.Errorf("control: another address is answered %d", got.status)
	}
	lines := map[bool]int{} // in the operator's log, by whether the request was turned away
	for line := range strings.Lines(a.log.String()) {
		if strings.Contains(line, `"level":"INFO"`) && strings.Contains(line, "request answered") {
			lines[strings.Contains(line, `"status":429`)]++
		}
	}
	if lines[true] > 0 || lines[false] != 11 {
		t.Errorf("the log has %d lines about requests that were turned away and %d about others, want none and 11: a flood must not push all else out of it", lines[true], lines[false])
	}
}

// TestFloodFromOneNetwork: a customer of a provider has a network of IPv6, and is one
// client with all of its addresses.
func TestFloodFromOneNetwork(t *testing.T) {
	t.Parallel()
	a := startWith(t, func(d *gateway.Deps) {
		behindProxy(d)
		d.Limits.Address = gateway.Rate{PerSecond: 0.01, Burst: 10}
	})
	served := 0
	for n := range 20 {
		if a.do(t, "GET", "/v1/options", "", from(fmt.Sprintf("2001:db8:0:1::%x", n+1))...).status == http.StatusOK {
			served++
		}
	}
	if served != 10 {
		t.Errorf("%d requests of one network were served, want 10", served)
	}
	if got := a.do(t, "GET", "/v1/options", "", from("2001:db8:0:2::1")...); got.status != http.StatusOK {
		t.Errorf("control: another network is answered %d", got.status)
	}
}

// TestFloodOfOneOrganization: an organization has one share, with however many
// tokens and from however many addresses.
func TestFloodOfOneOrganization(t *testing.T) {
	t.Parallel()
	a := startWith(t, func(d *gateway.Deps) {
		behindProxy(d)
		d.Limits.Organization = gateway.Rate{PerSecond: 0.01, Burst: 10}
	})
	eve, ada := a.signUp(t, "eve@example.com"), a.signUp(t, "ada@example.com")
	var second token
	a.do(t, "POST", "/v1/tokens", `{"name":"another"}`, eve.bearer()...).decode(t, http.StatusCreated, &second)
	secrets := []string{eve.Token.Secret, second.Secret}
	for i := range 20 {
		got := a.do(t, "GET", "/v1/account", "", from(fmt.Sprintf("198.51.100.%d", i+1), "Authorization", "Bearer "+secrets[i%2])...)
		if policy := got.header.Get("RateLimit-Policy"); policy != `"organization";q=10;w=1000` {
			t.Errorf("RateLimit-Policy is %s", policy)
		}
		left := max(0, 8-i)
		if limit := got.header.Get("RateLimit"); !strings.HasPrefix(limit, fmt.Sprintf(`"organization";r=%d;t=`, left)) {
			t.Errorf("RateLimit is %s, want %d left", limit, left)
		}
		if i < 9 && got.status != http.StatusOK {
			t.Errorf("request %d: %d", i, got.status)
		}
		if i >= 9 {
			got.tooMany(t)
		}
	}
	if got := a.do(t, "GET", "/v1/account", "", ada.bearer()...); got.status != http.StatusOK {
		t.Errorf("control: another organization is answered %d", got.status)
	}
}

// TestSlowRequestsOfOne: whoever has many requests worked on at once, by address or by
// organization, has half of what there is, and the others have their share.
func TestSlowRequestsOfOne(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		address  func(n int) string
		accounts int
	}{
		"OneAddress":      {func(int) string { return flooder }, 2},
		"OneOrganization": {func(n int) string { return fmt.Sprintf("198.51.100.%d", n+1) }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := startWith(t, func(d *gateway.Deps) {
				behindProxy(d)
				d.Limits.Requests = 8
			})
			ada, bad := a.signUp(t, "ada@example.com"), []account{}
			for n := range tc.accounts {
				bad = append(bad, a.signUp(t, fmt.Sprintf("eve%d@example.com", n)))
			}
			release, entered := make(chan struct{}), make(chan struct{}, 100)
			a.before = func(context.Context) error {
				entered <- struct{}{}
				<-release
				return nil
			}
			var all sync.WaitGroup
			refused := make(chan struct{}, 8)
			for n := range 8 {
				all.Go(func() {
					got := a.do(t, "POST", "/v1/clusters", fmt.Sprintf(`{"name":"c%d"}`, n), from(tc.address(n), bad[n%tc.accounts].bearer()...)...)
					if got.status == http.StatusTooManyRequests {
						got.tooMany(t)
						refused <- struct{}{}
					} else if got.status != http.StatusCreated {
						t.Errorf("answered %d %s", got.status, got.body)
					}
				})
			}
			wait, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			for range 4 {
				for what, c := range map[string]chan struct{}{"refused": refused, "worked on": entered} {
					select {
					case <-c:
					case <-wait.Done():
						t.Errorf("fewer than 4 of 8 requests are %s", what)
					}
				}
			}
			if got := a.do(t, "GET", "/v1/account", "", from(honest, ada.bearer()...)...); got.status != http.StatusOK {
				t.Errorf("control: somebody else is answered %d", got.status)
			}
			close(release)
			all.Wait()
			if len(entered) != 0 {
				t.Errorf("%d more requests were worked on", len(entered))
			}
		})
	}
}

// TestGuessing tries passwords of an account: from one address, then from many. The
// owner is not shut out where they have been, and a guesser does not learn whether
// there is an account.
func TestGuessing(t *testing.T) {
	t.Parallel()
	for name, email := range map[string]string{"Account": "ada@example.com", "NoAccount": "nobody@example.com"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := startWith(t, func(d *gateway.Deps) {
				behindProxy(d)
				d.Limits.Failures = gateway.Rate{PerSecond: 0.001, Burst: 3}
				d.Limits.Strange = gateway.Rate{PerSecond: 0.001, Burst: 6}
			})
			a.signUp(t, "ada@example.com")
			logIn := func(address, email, password string) answer {
				return a.do(t, "POST", "/v1/login", fmt.Sprintf(`{"email":%q,"password":%q}`, email, password), from(address)...)
			}
			for range 8 { // good passwords are no guesses
				if got := logIn(honest, "ada@example.com", password); got.status != http.StatusCreated {
					t.Fatalf("log in: %d %s", got.status, got.body)
				}
			}
			guesses := func(address string) (n int) {
				for range 10 {
					got := logIn(address, strings.ToUpper(email), "a wrong password") // however it is written
					if got.status == http.StatusTooManyRequests {
						got.tooMany(t)
						return n
					}
					got.problem(t, http.StatusUnauthorized, "bad_credentials")
					n++
				}
				return n
			}
			if n := guesses(flooder); n != 3 {
				t.Errorf("%d guesses from one address, want 3", n)
			}
			if got := logIn(flooder, email, password); got.status != http.StatusTooManyRequests {
				t.Errorf("the right password is told from wrong ones: %d", got.status)
			}
			others := 0
			for i := range 10 {
				others += guesses(fmt.Sprintf("198.51.100.%d", i+2))
			}
			if others != 3 {
				t.Errorf("%d guesses from other addresses, want 3 more", others)
			}
			if got := logIn(honest, "ada@example.com", password); got.status != http.StatusCreated {
				t.Errorf("control: the owner, where they have been: %d %s", got.status, got.body)
			}
			if got := logIn(flooder, "eve@example.com", "a wrong password"); got.status != http.StatusUnauthorized {
				t.Errorf("control: another account: %d", got.status)
			}
		})
	}
}

// TestPasswordsOfMany bounds attempts from one address, whichever accounts they are for.
func TestPasswordsOfMany(t *testing.T) {
	t.Parallel()
	a := startWith(t, func(d *gateway.Deps) {
		behindProxy(d)
		d.Limits.Attempts = gateway.Rate{PerSecond: 0.001, Burst: 6}
	})
	for i := range 10 {
		path, body := "/v1/login", fmt.Sprintf(`{"email":"n%d@example.com","password":"a wrong password"}`, i)
		if i%2 == 1 {
			path, body = "/v1/signup", fmt.Sprintf(`{"email":"n%d@example.com"}`, i)
		}
		if got := a.do(t, "POST", path, body, from(flooder)...); (got.status == http.StatusTooManyRequests) != (i >= 6) {
			t.Errorf("attempt %d: %d %s", i, got.status, got.body)
		}
	}
	a.signUp(t, "ada@example.com") // control: from elsewhere
}

// TestHashingOfOne: whoever sends log-ins faster than they can be worked on waits with
// a few of them; the others do not wait behind all.
func TestHashingOfOne(t *testing.T) {
	t.Parallel()
	a := startWith(t, func(d *gateway.Deps) {
		behindProxy(d)
		d.Limits.Hashing = 4
		d.Limits.Attempts = gateway.Rate{PerSecond: 1000, Burst: 1000}
	})
	a.signUp(t, "ada@example.com")
	stop := make(chan struct{})
	var all sync.WaitGroup
	var refused, served sync.Map
	for n := range 8 {
		all.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				who := fmt.Sprintf("%d-%d", n, i)
				got := a.do(t, "POST", "/v1/login", fmt.Sprintf(`{"email":"%s@example.com","password":"a wrong password"}`, who), from(flooder)...)
				if got.status == http.StatusTooManyRequests {
					refused.Store(who, true)
				} else {
					served.Store(who, true)
				}
			}
		})
	}
	count := func(m *sync.Map) (n int) { m.Range(func(any, any) bool { n++; return true }); return n }
	for deadline := time.Now().Add(20 * time.Second); count(&refused) < 10 || count(&served) < 2; {
		if time.Now().After(deadline) {
			t.Errorf("of one address's log-ins %d were refused and %d worked on; want some of both", count(&refused), count(&served))
			break
		}
		if got := a.do(t, "POST", "/v1/login", `{"email":"ada@example.com","password":"`+password+`"}`, from(honest)...); got.status != http.StatusCreated {
			t.Errorf("control: somebody else's log-in: %d %s", got.status, got.body)
			break
		}
	}
	close(stop)
	all.Wait()
}

// TestSilentConnections: whoever opens connections and says nothing has no more than a
// share of them, and does not have it for long.
func TestSilentConnections(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := gateway.Server(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "served") }))
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(gateway.Share(ln, 16)) }()
	t.Cleanup(func() {
		_ = s.Close()
		<-ended
	})
	dial := func(address string) (net.Conn, error) {
		c, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}).DialContext(t.Context(), "tcp", ln.Addr().String())
		if err == nil {
			t.Cleanup(func() { _ = c.Close() })
		}
		return c, err
	}
	ask := func(address string) error {
		c, err := dial(address)
		if err != nil {
			return err
		}
		if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			return err
		}
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			return err
		}
		return resp.Body.Close()
	}
	var silent []net.Conn
	for range 20 {
		c, err := dial("127.0.0.2")
		if err == nil {
			_, err = io.WriteString(c, "GET / HTTP/1.1\r\nHost: ")
			silent = append(silent, c)
		}
		if err != nil && len(silent) < 8 {
			t.Fatalf("after %d: %v", len(silent), err)
		}
	}
	for range 4 {
		if err := ask("127.0.0.3"); err != nil {
			t.Errorf("control: another address: %v", err)
		}
	}
	stays := func(c net.Conn, limit time.Duration) bool {
		if err := c.SetReadDeadline(time.Now().Add(limit)); err != nil {
			t.Fatal(err)
		}
		_, err := io.Copy(io.Discard, c)
		return errors.Is(err, os.ErrDeadlineExceeded)
	}
	var kept []net.Conn
	for _, c := range silent {
		if stays(c, 50*time.Millisecond) {
			kept = append(kept, c)
		}
	}
	if len(kept) != 8 {
		t.Errorf("%d of %d silent connections were kept, want half of the 16 that there may be", len(kept), len(silent))
	}
	for _, c := range kept {
		if stays(c, 20*time.Second) {
			t.Fatal("a connection that never says what it wants stays open")
		}
	}
	if err := ask("127.0.0.2"); err != nil {
		t.Errorf("when they are gone, the address is served again: %v", err)
	}
	if s.WriteTimeout == 0 || s.IdleTimeout == 0 || s.MaxHeaderBytes == 0 {
		t.Errorf("the server lets a client that does not read, that is idle, or that sends endless headers hold it up: %+v", s)
	}
}

// TestSlowBody: a body that does not arrive is not waited for.
func TestSlowBody(t *testing.T) {
	t.Parallel()
	a := start(t)
	c, err := net.Dial("tcp", a.server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "POST /v1/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"); err != nil {
		t.Fatal(err)
	}
	if err := c.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusRequestTimeout {
		t.Errorf("a body that stops is answered %s, want 408", resp.Status)
	}
}

// TestHugeHeaders: endless headers are refused, not kept.
func TestHugeHeaders(t *testing.T) {
	t.Parallel()
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config = gateway.Server(s.Config.Handler)
	s.Start()
	t.Cleanup(s.Close)
	for size, want := range map[int]int{8 << 10: http.StatusNotFound, 128 << 10: http.StatusRequestHeaderFieldsTooLarge} {
		req, err := http.NewRequestWithContext(t.Context(), "GET", s.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X", strings.Repeat("x", size))
		resp, err := s.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%d bytes of headers: %d, want %d", size, resp.StatusCode, want)
		}
	}
}
