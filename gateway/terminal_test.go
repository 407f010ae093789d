//go:build integration

package gateway_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/internal/tenant"
)

// dial opens a terminal; headers are names and values in turn.
func (a *api) dial(t *testing.T, cluster tenant.ClusterID, query string, headers ...string) (*websocket.Conn, *http.Response, error) {
	t.Helper()
	h := http.Header{}
	for i := 0; i < len(headers); i += 2 {
		h.Set(headers[i], headers[i+1])
	}
	url := a.server.URL + "/v1/clusters/" + string(cluster) + "/terminal" + query
	ws, resp, err := websocket.Dial(t.Context(), url, &websocket.DialOptions{HTTPHeader: h, Subprotocols: []string{"marina.terminal.v1"}})
	if err == nil {
		t.Cleanup(func() { _ = ws.CloseNow() })
	}
	return ws, resp, err
}

func read(t *testing.T, ws *websocket.Conn) string {
	t.Helper()
	kind, data, err := ws.Read(t.Context())
	if err != nil || kind != websocket.MessageBinary {
		t.Fatalf("read: %v, %v", kind, err)
	}
	return string(data)
}

func TestTerminal(t *testing.T) {
	t.Parallel()
	a := start(t)
	ada, eve := a.signUp(t, "ada@example.com"), a.signUp(t, "eve@example.com")
	c, _, _ := a.populate(ada.Organization, 0)
	ws, _, err := a.dial(t, c.ID, "?columns=132&rows=43", ada.bearer()...)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := read(t, ws), c.Name+" "+string(ada.User)+" 127.0.0.1 132x43\n"; got != want {
		t.Errorf("shown: %q, want %q", got, want)
	}
	for _, m := range []struct {
		kind       websocket.MessageType
		send, want string
	}{
		{websocket.MessageBinary, "kubectl get nodes\r", "kubectl get nodes\r"},
		{websocket.MessageText, `{"columns":40,"rows":20}`, "now 40x20\n"},
	} {
		if err := ws.Write(t.Context(), m.kind, []byte(m.send)); err != nil {
			t.Fatal(err)
		}
		if got := read(t, ws); got != m.want {
			t.Errorf("after %q: %q, want %q", m.send, got, m.want)
		}
	}
	ends(t, ws, "exit", "The terminal has ended.")
	a.until(t, "the terminal is closed", func() bool { return a.closed.Load() == 1 })
	if ws, _, err = a.dial(t, c.ID, "", ada.bearer()...); err != nil {
		t.Fatal(err)
	}
	read(t, ws)
	ends(t, ws, "sleep", "Nobody used the terminal.")

	a.do(t, "GET", "/v1/clusters/"+string(c.ID)+"/terminal", "", ada.bearer()...).problem(t, http.StatusUpgradeRequired, "websocket_required")
	for name, tc := range map[string]struct {
		headers []string
		want    int
	}{
		"nobody":               {nil, http.StatusUnauthorized},
		"another organization": {eve.bearer(), http.StatusNotFound},
		"a page of others":     {append(ada.bearer(), "Origin", "https://evil.example"), http.StatusForbidden},
	} {
		_, resp, err := a.dial(t, c.ID, "", tc.headers...)
		if err == nil || resp == nil || resp.StatusCode != tc.want {
			t.Errorf("%s: %v, %v; want %d", name, resp, err, tc.want)
		}
	}
	a.until(t, "no terminal is left", func() bool { return a.closed.Load() == 3 }) // the page's was open for a moment
}

// ends types something that ends a terminal, and looks at what the person is told.
func ends(t *testing.T, ws *websocket.Conn, typed, why string) {
	t.Helper()
	if err := ws.Write(t.Context(), websocket.MessageBinary, []byte(typed)); err != nil {
		t.Fatal(err)
	}
	_, _, err := ws.Read(t.Context())
	if end, ok := errors.AsType[websocket.CloseError](err); !ok || end.Code != websocket.StatusNormalClosure || end.Reason != why {
		t.Errorf("after %q: %v, want the end with the reason %q", typed, err, why)
	}
}

// TestTerminalInOneOfTheirOrganizations: a browser's WebSocket sends no header that
// names the organization.
func TestTerminalInOneOfTheirOrganizations(t *testing.T) {
	t.Parallel()
	a := start(t)
	ada, eve := a.signUp(t, "ada@example.com"), a.signUp(t, "eve@example.com")
	hers, _, _ := a.populate(eve.Organization, 0)
	open := func() (*websocket.Conn, *http.Response, error) {
		return a.dial(t, hers.ID, "?organization_id="+string(eve.Organization), ada.bearer()...)
	}
	if _, resp, err := open(); err == nil || resp == nil || resp.StatusCode != http.StatusNotFound {
		t.Errorf("a terminal of somebody else's organization: %v, %v; want 404", resp, err)
	}
	err := a.db.AsLogin(t.Context(), func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "INSERT INTO memberships (organization_id, user_id, role) VALUES ($1, $2, 'viewer')", eve.Organization, ada.User)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, resp, err := a.dial(t, hers.ID, "", ada.bearer()...); err == nil || resp == nil || resp.StatusCode != http.StatusNotFound {
		t.Errorf("a terminal of an organization that is not named: %v, %v; want 404", resp, err)
	}
	ws, _, err := open()
	if err != nil {
		t.Fatal(err)
	}
	if got := read(t, ws); !strings.HasPrefix(got, hers.Name+" "+string(ada.User)) {
		t.Errorf("shown: %q", got)
	}
}

// TestTerminalOfOneWhoLeft holds that a terminal does not outlive its window, and that
// nonsense ends it.
func TestTerminalOfOneWhoLeft(t *testing.T) {
	t.Parallel()
	a := start(t)
	ada := a.signUp(t, "ada@example.com")
	c, _, _ := a.populate(ada.Organization, 0)
	ws, _, err := a.dial(t, c.ID, "", ada.bearer()...)
	if err != nil {
		t.Fatal(err)
	}
	read(t, ws)
	_ = ws.CloseNow() // as when a laptop is shut
	a.until(t, "the terminal is closed", func() bool { return a.closed.Load() == 1 })
	for i, send := range []string{"what?", `{"columns":0,"rows":9}`, strings.Repeat("x", 1<<17)} {
		ws, _, err := a.dial(t, c.ID, "", ada.bearer()...)
		if err != nil {
			t.Fatal(err)
		}
		read(t, ws)
		_ = ws.Write(t.Context(), websocket.MessageText, []byte(send)) // it may be cut off while it sends
		if _, _, err := ws.Read(t.Context()); err == nil {
			t.Errorf("%.20q was taken", send)
		}
		a.until(t, "the terminal is closed", func() bool { return a.closed.Load() == int64(2+i) })
	}
}

// until waits for a condition.
func (a *api) until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}
