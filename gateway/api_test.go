//go:build integration

package gateway_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/gateway"
	"github.com/marina-cloud/marina/gateway/gatewaytest"
	"github.com/marina-cloud/marina/gateway/identity"
	"github.com/marina-cloud/marina/internal/seal"
	"github.com/marina-cloud/marina/internal/tenant"
	"github.com/marina-cloud/marina/migrations/pg"
	"github.com/marina-cloud/marina/migrations/pgtest"
)

const password = gatewaytest.Password

// api is the whole API over HTTP, on a database of its own.
type api struct {
	*world
	handler http.Handler
	server  *httptest.Server
	db      *pg.DB
	secrets seal.Store
	log     *lockedBuffer
}

func start(t *testing.T) *api { return startWith(t, nil) }

// startWith is start with other dependencies.
func startWith(t testing.TB, change func(*gateway.Deps)) *api {
	t.Helper()
	a := &api{world: &world{}, db: pgtest.New(t), log: &lockedBuffer{}}
	d := gateway.Deps{
		DB: a.db, Clusters: a.world, Workloads: a.world, Fleet: a.world, Installation: a.world, Prices: a.world, Kubectl: func() string { return "https://203.0.113.7:6443" },
		PublicURL: "http://localhost:8080",
		Log:       slog.New(slog.NewJSONHandler(a.log, &slog.HandlerOptions{Level: slog.LevelDebug})), Version: "v0",
	}
	var err error
	if d.Secrets, err = seal.Open(t.Context(), a.db, filepath.Join(t.TempDir(), "master.key")); err != nil {
		t.Fatal(err)
	}
	a.secrets = d.Secrets
	if change != nil {
		change(&d)
	}
	a.handler = gateway.New(d)
	a.server = httptest.NewServer(a.handler)
	t.Cleanup(a.server.Close)
	return a
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

// do sends a request; headers are names and values in turn. An empty body is none.
func (a *api) do(t testing.TB, method, path, body string, headers ...string) answer {
	t.Helper()
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	return a.send(t, method, path, r, headers...)
}

func (a *api) send(t testing.TB, method, path string, body io.Reader, headers ...string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, a.server.URL+path, body)
	if err != nil {
		t.Fatal(err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for h := range slices.Chunk(headers, 2) {
		req.Header.Set(h[0], h[1])
	}
	resp, err := a.server.Client().Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	data, err := readAll(resp)
	if err != nil {
		t.Fatalf("%s %s: read answer: %v", method, path, err)
	}
	return answer{resp.StatusCode, resp.Header, string(data)}
}

// readAll reads an answer to its end; a stream, which has none, until it waits for
// changes.
func readAll(resp *http.Response) ([]byte, error) {
	if resp.Header.Get("Content-Type") != "text/event-stream" || resp.Request.Method == http.MethodHead {
		return io.ReadAll(resp.Body)
	}
	var read []byte
	for lines := bufio.NewReader(resp.Body); ; {
		line, err := lines.ReadBytes('\n')
		read = append(read, line...)
		if err != nil || string(line) == "event: synced\n" {
			return read, err
		}
	}
}

// decode checks that the answer is a success and reads it into v.
func (a answer) decode(t testing.TB, status int, v any) {
	t.Helper()
	if a.status != status || a.header.Get("Content-Type") != "application/json" {
		t.Fatalf("answer %d, %s: %s; want %d and JSON", a.status, a.header.Get("Content-Type"), a.body, status)
	}
	if err := json.Unmarshal([]byte(a.body), v); err != nil {
		t.Fatalf("answer %s: %v", a.body, err)
	}
}

// problem checks that the answer is a problem in all that RFC 9457 and RFC 9110
// ask of one, and returns where it sees errors, in order.
func (a answer) problem(t testing.TB, status int, code string) []string {
	t.Helper()
	var p gateway.Problem
	if err := json.Unmarshal([]byte(a.body), &p); err != nil {
		t.Fatalf("answer %d is no problem: %q", a.status, a.body)
	}
	if a.status != status || p.Code != code {
		t.Fatalf("answer %d, %s; want %d with code %s", a.status, a.body, status, code)
	}
	if got := a.header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("content type of a problem: %s", got)
	}
	if p.Type != "about:blank" || p.Title != http.StatusText(status) || p.Status != status || p.Detail == "" {
		t.Errorf("problem %s is incomplete", a.body)
	}
	if got := a.header.Get("WWW-Authenticate"); (status == http.StatusUnauthorized) != (got == `Bearer realm="marina"`) {
		t.Errorf("WWW-Authenticate of a %d: %q", status, got)
	}
	var where []string
	for _, e := range p.Errors {
		if e.Message == "" {
			t.Errorf("an error without a message: %s", a.body)
		}
		where = append(where, e.Location)
	}
	return where
}

// errorsAt checks the same of a 422 and that it names exactly these places.
func (a answer) errorsAt(t testing.TB, want ...string) {
	t.Helper()
	got := a.problem(t, http.StatusUnprocessableEntity, "invalid")
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("errors at %v, want %v: %s", got, want, a.body)
	}
}

// account is a person who signed up.
type account struct {
	User         tenant.UserID         `json:"user_id"`
	Email        string                `json:"email"`
	Organization tenant.OrganizationID `json:"organization_id"`
	Name         string                `json:"organization"`
	Token        token                 `json:"token"`
}

type token struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Secret string `json:"secret"`
}

// bearer is the header that acts for the account.
func (a account) bearer() []string { return []string{"Authorization", "Bearer " + a.Token.Secret} }

func (a *api) signUp(t testing.TB, email string) (who account) {
	t.Helper()
	a.do(t, "POST", "/v1/signup", fmt.Sprintf(`{"email":%q}`, email)).decode(t, http.StatusAccepted, &struct{}{})
	a.do(t, "POST", "/v1/signup/verify", fmt.Sprintf(`{"secret":%q,"password":%q}`, a.link(t, email), password)).decode(t, http.StatusCreated, &who)
	return who
}

// letters are the mails to an address that wait to be sent, the newest first: no mailer
// runs here.
func (a *api) letters(t testing.TB, email string) (texts []string) {
	t.Helper()
	type mail struct {
		ID     string
		Sealed []byte
	}
	var mails []mail
	err := a.db.AsWorker(t.Context(), func(tx pgx.Tx) error {
		rows, err := tx.Query(t.Context(), "SELECT id, sealed FROM mails WHERE recipient = $1 ORDER BY id DESC", email)
		if err != nil {
			return err
		}
		mails, err = pgx.CollectRows(rows, pgx.RowToStructByPos[mail])
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range mails {
		text, err := a.secrets.Open(t.Context(), "mails", m.Sealed, []byte(m.ID))
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(text))
	}
	return texts
}

// link is the secret of the link in the newest mail to an address.
func (a *api) link(t testing.TB, email string) string {
	t.Helper()
	all := a.letters(t, email)
	if len(all) == 0 {
		t.Fatalf("there is no mail to %s", email)
	}
	_, rest, found := strings.Cut(all[0], "#")
	if !found {
		t.Fatalf("the mail to %s has no link with a secret:\n%s", email, all[0])
	}
	return strings.Fields(rest)[0]
}

// member adds somebody to an organization, who is logged in there.
func (a *api) member(t testing.TB, org tenant.OrganizationID, role identity.Role) (who account) {
	t.Helper()
	who.User, who.Organization = tenant.NewUserID(), org
	who.Email, who.Token.ID, who.Token.Secret = string(who.User)+"@example.com", string(tenant.NewSessionID()), identity.NewSecret()
	hash, _ := identity.SecretHash(who.Token.Secret)
	err := a.db.AsLogin(t.Context(), func(tx pgx.Tx) error {
		batch := &pgx.Batch{}
		batch.Queue("INSERT INTO users (id, organization_id, email, password_hash) VALUES ($1, $2, $3, '')", who.User, org, who.Email)
		batch.Queue("INSERT INTO memberships (organization_id, user_id, role) VALUES ($1, $2, $3)", org, who.User, role)
		batch.Queue(`INSERT INTO sessions (id, organization_id, user_id, hash, device, address, created_at, last_used_at, confirmed_at, expires_at)
			VALUES ($1, $2, $3, $4, '', '', now(), now(), now(), now() + interval '1 hour')`, who.Token.ID, org, who.User, hash)
		return tx.SendBatch(t.Context(), batch).Close()
	})
	if err != nil {
		t.Fatal(err)
	}
	return who
}

type resource struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Phase string `json:"phase"`
	Count int    `json:"count"`
}

type list struct {
	Items      []resource `json:"items"`
	NextCursor string     `json:"next_cursor"`
}
