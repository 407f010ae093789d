//go:build integration

package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/internal/fault"
)

// endless is a body that counts what is taken from it.
type endless struct {
	left  int64
	taken atomic.Int64
}

func (e *endless) Read(p []byte) (int, error) {
	n := min(int64(len(p)), e.left)
	if n == 0 {
		return 0, io.EOF
	}
	for i := range n {
		p[i] = ' '
	}
	e.left -= n
	e.taken.Add(n)
	return int(n), nil
}

func TestHugeBody(t *testing.T) {
	t.Parallel()
	a := start(t)
	ada := a.signUp(t, "ada@example.com")
	const huge = 100 << 20
	for name, tc := range map[string]struct {
		path    string
		length  int64
		headers []string
	}{
		"Declared":       {"/v1/clusters", huge, nil},
		"Chunked":        {"/v1/clusters", -1, nil},
		"WithKey":        {"/v1/clusters", -1, []string{"Idempotency-Key", "k"}},
		"WithoutAccount": {"/v1/signup", -1, nil},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second) // a hang
			defer cancel()
			body := &endless{left: huge}
			req, err := http.NewRequestWithContext(ctx, "POST", a.server.URL+tc.path, body)
			if err != nil {
				t.Fatal(err)
			}
			req.ContentLength = tc.length
			req.Header.Set("Authorization", ada.bearer()[1])
			if tc.headers != nil {
				req.Header.Set(tc.headers[0], tc.headers[1])
			}
			resp, err := a.server.Client().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			data, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			answer{resp.StatusCode, resp.Header, string(data)}.problem(t, http.StatusRequestEntityTooLarge, "too_large")
			if n := body.taken.Load(); n > huge/4 { // what fits into the sockets' buffers
				t.Errorf("%d MiB were read", n>>20)
			}
		})
	}
}

func TestBody(t *testing.T) {
	t.Parallel()
	a := start(t)
	ada := a.signUp(t, "ada@example.com")
	clusters := func(body io.Reader, headers ...string) answer {
		return a.send(t, "POST", "/v1/clusters", body, append(ada.bearer(), headers...)...)
	}
	padded := func(name string, size int) string {
		s := `{"name":"` + name + `"}`
		return s + strings.Repeat(" ", size-len(s))
	}
	clusters(strings.NewReader(padded("limit", 256<<10))).decode(t, http.StatusCreated, &resource{})
	clusters(strings.NewReader(padded("over", 256<<10+1))).problem(t, http.StatusRequestEntityTooLarge, "too_large")
	// A reader of no known length is sent in chunks.
	clusters(io.MultiReader(strings.NewReader(padded("chunked", 256<<10)))).decode(t, http.StatusCreated, &resource{})

	for body, where := range map[string]string{
		`{"name":"a"`:             "line 1, column 11",
		"{\n  \"name\": hunter2}": "line 2, column 11",
		"{\n\n}x":                 "line 3, column 2",
		`{"name":"a",}`:           "line 1, column 13",
		"\xff":                    "line 1, column 1",
		"   ":                     "line 1, column 3",
	} {
		got := clusters(strings.NewReader(body))
		if at := got.problem(t, http.StatusBadRequest, "malformed"); len(at) != 1 || at[0] != "body" || !strings.Contains(got.body, where) {
			t.Errorf("%q: %s; want one error at %s", body, got.body, where)
		}
		if strings.Contains(got.body, "hunter2") {
			t.Errorf("the answer repeats the body: %s", got.body)
		}
	}
	clusters(strings.NewReader("")).problem(t, http.StatusBadRequest, "malformed")
	clusters(strings.NewReader(strings.Repeat("[", 100_000))).problem(t, http.StatusBadRequest, "malformed")

	for _, mediaType := range []string{"text/plain", "application/xml", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ";+"} {
		clusters(strings.NewReader(`{"name":"a"}`), "Content-Type", mediaType).problem(t, http.StatusUnsupportedMediaType, "unsupported_media_type")
	}
	clusters(strings.NewReader(`{"name":"charset"}`), "Content-Type", "application/json; charset=utf-8").decode(t, http.StatusCreated, &resource{})
	a.do(t, "POST", "/v1/clusters?dry_run=1", `{"name":"a"}`, ada.bearer()...).errorsAt(t, "query.dry_run")
}

// TestBrokenBody has bodies that end otherwise than clients send them on purpose.
func TestBrokenBody(t *testing.T) {
	t.Parallel()
	a := start(t)
	for want, err := range map[int]error{
		http.StatusRequestTimeout: os.ErrDeadlineExceeded,
		http.StatusBadRequest:     io.ErrUnexpectedEOF,
	} {
		r := httptest.NewRequestWithContext(t.Context(), "POST", "/v1/login", io.MultiReader(strings.NewReader(`{"email":`), failing{err}))
		w := httptest.NewRecorder()
		a.handler.ServeHTTP(w, r)
		answer{w.Code, w.Header(), w.Body.String()}.problem(t, want, map[int]string{408: "timeout", 400: "malformed"}[want])
		if w.Header().Get("Connection") != "close" {
			t.Errorf("%v: the connection is kept, and what comes next on it is the rest of the body", err)
		}
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestAddresses(t *testing.T) {
	t.Parallel()
	a := start(t)
	ada := a.signUp(t, "ada@example.com")
	for _, path := range []string{"/", "/v1", "/v1/", "/v2/clusters", "/v1/clusters/", "/v1/clusters//nodes", "/docs", "/schemas/Problem.json", "/v1/clusters/x/y", "/debug/pprof/"} {
		for _, headers := range [][]string{nil, ada.bearer()} {
			a.do(t, "GET", path, "", headers...).problem(t, http.StatusNotFound, "not_found")
		}
	}
	for why, path := range map[string]string{
		"Postgres refuses NUL in a text": "/v1/clusters/%00",
		"and what is not UTF-8":          "/v1/clusters/kc-%ff/nodes",
		"and in other places":            "/v1/tokens/%00",
		"and without an account":         "/clusters/a%00/openid/v1/jwks",
		"a line feed is no id":           "/v1/clusters/kc%0a",
	} {
		method := "GET"
		if strings.HasPrefix(path, "/v1/tokens/") {
			method = "DELETE"
		}
		if got := a.do(t, method, path, "", ada.bearer()...); got.status != http.StatusNotFound {
			t.Errorf("%s: %d: %s", path, got.status, why)
		}
	}
	a.do(t, "GET", "/v1/clusters/..%2f..%2fv1%2ftokens", "", ada.bearer()...).problem(t, http.StatusNotFound, "cluster_not_found")
}

func TestMethods(t *testing.T) {
	t.Parallel()
	a := start(t)
	ada := a.signUp(t, "ada@example.com")
	for _, tc := range []struct{ method, path, allow string }{
		{"DELETE", "/v1/clusters", "GET, HEAD, OPTIONS, POST"},
		{"PUT", "/v1/clusters/kc-x", "DELETE, GET, HEAD, OPTIONS, PATCH"},
		{"GET", "/v1/signup", "OPTIONS, POST"},
		{"HEAD", "/v1/signup", "OPTIONS, POST"},
		{"POST", "/v1/clusters/kc-x/node-pools/np-x", "DELETE, GET, HEAD, OPTIONS, PATCH"},
		{"TRACE", "/v1/clusters", "GET, HEAD, OPTIONS, POST"},
		{"BREW", "/v1/clusters", "GET, HEAD, OPTIONS, POST"},
		{"POST", "/openapi.json", "GET, HEAD, OPTIONS"},
	} {
		got := a.do(t, tc.method, tc.path, "", ada.bearer()...)
		if tc.method != "HEAD" {
			got.problem(t, http.StatusMethodNotAllowed, "method_not_allowed")
		}
		if got.status != http.StatusMethodNotAllowed || got.header.Get("Allow") != tc.allow {
			t.Errorf("%s %s: %d, Allow: %s; want 405, %s", tc.method, tc.path, got.status, got.header.Get("Allow"), tc.allow)
		}
	}
	a.do(t, "BREW", "/nowhere", "").problem(t, http.StatusNotFound, "not_found")
	a.do(t, "OPTIONS", "/nowhere", "").problem(t, http.StatusNotFound, "not_found")

	got := a.do(t, "OPTIONS", "/v1/clusters", "")
	if got.status != http.StatusNoContent || got.header.Get("Allow") != "GET, HEAD, OPTIONS, POST" || got.body != "" {
		t.Errorf("OPTIONS: %d %v %q", got.status, got.header, got.body)
	}
	for name := range got.header {
		if strings.HasPrefix(name, "Access-Control-") {
			t.Errorf("%s: pages of other origins have no business here", name)
		}
	}
	got = a.do(t, "HEAD", "/v1/clusters", "", ada.bearer()...)
	if got.status != http.StatusOK || got.header.Get("Content-Type") != "application/json" || got.body != "" {
		t.Errorf("HEAD: %d %v %q", got.status, got.header, got.body)
	}
	if got := a.do(t, "HEAD", "/v1/clusters", ""); got.status != http.StatusUnauthorized {
		t.Errorf("HEAD without a token: %d", got.status)
	}
}

func TestSecurityHeaders(t *testing.T) {
	t.Parallel()
	a := start(t)
	ada := a.signUp(t, "ada@example.com")
	for _, path := range []string{"/healthz", "/openapi.json", "/v1/options", "/v1/clusters", "/v1/account", "/nowhere", "/v1/signup", "/v1/clusters/%00"} {
		got := a.do(t, "GET", path, "", ada.bearer()...)
		for name, want := range map[string]string{
			"X-Content-Type-Options":  "nosniff",
			"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
			"Cache-Control":           "no-store",
		} {
			if got.header.Get(name) != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got.header.Get(name), want)
			}
		}
		if got.header.Get("X-Request-Id") == "" || got.header.Get("Server") != "" {
			t.Errorf("%s: headers are %v", path, got.header)
		}
	}
	// A client may choose the id, but write nothing else into the log with it.
	for id, taken := range map[string]bool{"client-7.retry_2": true, "forged": false, "forged=1 level=ERROR": false, strings.Repeat("x", 65): false} {
		if got := a.do(t, "GET", "/nowhere", "", "X-Request-Id", id); (got.header.Get("X-Request-Id") == id) != taken || !strings.Contains(got.body, got.header.Get("X-Request-Id")) {
			t.Errorf("request %q: the answer is of request %q: %s", id, got.header.Get("X-Request-Id"), got.body)
		}
	}
}

// TestAccessLog holds that each request has its line, which shows what it was about
// and nothing that somebody could use.
func TestAccessLog(t *testing.T) {
	t.Parallel()
	a := start(t)
	ada := a.signUp(t, "ada@example.com")
	c, _, _ := a.populate(ada.Organization, 0)
	cluster := string(c.ID)
	a.do(t, "GET", "/v1/clusters/"+cluster+"?password=hunter2", "", append(ada.bearer(), "X-Request-Id", "of-the-test")...)
	a.do(t, "GET", "/hunter2/"+ada.Token.Secret, "", ada.bearer()...)
	var line string
	for l := range strings.Lines(a.log.String()) {
		if strings.Contains(l, `"request":"of-the-test"`) && strings.Contains(l, "request answered") {
			line = l
		}
	}
	for _, want := range []string{
		`"method":"GET"`, `"route":"/v1/clusters/{cluster_id}"`, `"status":422`, `"took":`, `"cluster":"` + cluster,
		`"organization":"` + string(ada.Organization), `"user":"` + string(ada.User),
	} {
		if !strings.Contains(line, want) {
			t.Errorf("the line lacks %s: %s", want, line)
		}
	}
	for _, secret := range []string{"hunter2", ada.Token.Secret, password} {
		if strings.Contains(a.log.String(), secret) {
			t.Errorf("the log shows %s:\n%s", secret, a.log)
		}
	}
}

func TestFailuresSayNothing(t *testing.T) {
	t.Parallel()
	a := start(t)
	ada := a.signUp(t, "ada@example.com")
	for name, f := range map[string]func(context.Context) error{
		"Panic": func(context.Context) error { panic("the inner workings") },
		"Error": func(context.Context) error { return errors.New("the inner workings") },
	} {
		a.before = f
		got := a.do(t, "POST", "/v1/clusters", `{"name":"a"}`, ada.bearer()...)
		got.problem(t, http.StatusInternalServerError, "internal")
		if strings.Contains(got.body, "workings") {
			t.Errorf("%s: the client reads %s", name, got.body)
		}
		var found bool
		for line := range strings.Lines(a.log.String()) {
			found = found || strings.Contains(line, "the inner workings") && strings.Contains(line, got.header.Get("X-Request-Id"))
		}
		if !found {
			t.Errorf("%s: the log does not say why request %s failed: %s", name, got.header.Get("X-Request-Id"), a.log)
		}
	}
}

func TestKindsOfFaults(t *testing.T) {
	t.Parallel()
	a := start(t)
	ada := a.signUp(t, "ada@example.com")
	for kind, status := range map[fault.Kind]int{
		fault.Internal: 500, fault.Invalid: 422, fault.NotFound: 404, fault.Conflict: 409, fault.Unauthorized: 401,
		fault.Forbidden: 403, fault.Exhausted: 403, fault.Unavailable: 503,
	} {
		a.before = func(context.Context) error {
			f := fault.New(kind, "some_code", "Something is the matter.")
			f.Fields = []fault.Field{{Name: "name", Reason: "is wrong"}}
			return fmt.Errorf("on the way: %w", f)
		}
		where := a.do(t, "POST", "/v1/clusters", `{"name":"a"}`, ada.bearer()...).problem(t, status, "some_code")
		if len(where) != 1 || where[0] != "body.name" {
			t.Errorf("kind %d: errors at %v", kind, where)
		}
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	a := start(t)
	if got := a.do(t, "GET", "/healthz", ""); got.status != http.StatusOK || got.body != "ok\n" {
		t.Errorf("health: %d %s", got.status, got.body)
	}
	a.db.Close()
	got := a.do(t, "GET", "/healthz", "")
	if got.status < 500 || strings.Contains(got.body, "pool") {
		t.Errorf("health without a database: %d %s", got.status, got.body)
	}
}

// TestAuditLog holds that every change says who made it, and from where.
func TestAuditLog(t *testing.T) {
	t.Parallel()
	a := start(t)
	ada := a.signUp(t, "ada@example.com")
	a.do(t, "POST", "/v1/login", `{"email":"ada@example.com","password":"`+password+`"}`)
	var ci token
	a.do(t, "POST", "/v1/tokens", `{"name":"ci"}`, ada.bearer()...).decode(t, http.StatusCreated, &ci)
	var another token // made by a program
	a.do(t, "POST", "/v1/tokens", `{"name":"another"}`, "Authorization", "Bearer "+ci.Secret).decode(t, http.StatusCreated, &another)
	a.do(t, "DELETE", "/v1/tokens/"+ci.ID, "", ada.bearer()...)
	var got []string
	err := a.db.AsTenant(t.Context(), ada.Organization, func(tx pgx.Tx) error {
		rows, err := tx.Query(t.Context(), "SELECT actor || ' ' || action || ' ' || subject || ' ' || address FROM audit_log ORDER BY id")
		if err != nil {
			return err
		}
		got, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	user := string(ada.User)
	want := []string{
		user + " organization.create " + string(ada.Organization) + " 127.0.0.1",
		user + " user.login " + user + " 127.0.0.1",
		user + " user.login " + user + " 127.0.0.1",
		user + " token.create " + ci.ID + " 127.0.0.1",
		ci.ID + " token.create " + another.ID + " 127.0.0.1",
		user + " token.revoke " + ci.ID + " 127.0.0.1",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("audit log:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
