//go:build integration

package gateway_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/internal/tenant"
)

// makeOperator has somebody run the installation from now on.
func (a *api) makeOperator(t testing.TB, id tenant.UserID) {
	t.Helper()
	a.exec(t, "UPDATE users SET operator = true WHERE id = $1", id)
}

// exec changes the database as its owner would.
func (a *api) exec(t testing.TB, sql string, args ...any) {
	t.Helper()
	err := a.db.AsLogin(t.Context(), func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), "SET LOCAL ROLE NONE"); err != nil {
			return err
		}
		_, err := tx.Exec(t.Context(), sql, args...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

type mailView struct{ ID, To, Subject, Text, State string }

func TestMails(t *testing.T) {
	t.Parallel()
	a := start(t)
	ada, eve := a.signUp(t, "ada@example.com"), a.signUp(t, "eve@example.com")
	a.makeOperator(t, ada.User)
	a.exec(t, "DELETE FROM mails")
	ids := []string{string(tenant.NewMailID()), string(tenant.NewMailID()), string(tenant.NewMailID())}
	for i, id := range ids {
		to := []string{"bob@example.com", "eve@example.com", "bob@example.com"}[i]
		a.exec(t, "INSERT INTO mails (id, recipient, subject, state, created_at) VALUES ($1, $2, 'Hello', 'sent', now())", id, to)
	}
	text, err := a.secrets.Seal(t.Context(), "mails", []byte("the link"), []byte(ids[2]))
	if err != nil {
		t.Fatal(err)
	}
	a.exec(t, "INSERT INTO mailbox (mail_id, sealed) VALUES ($1, $2)", ids[2], text)

	var page struct {
		Items      []mailView
		NextCursor string `json:"next_cursor"`
	}
	seen := func() string {
		var all []string
		for _, m := range page.Items {
			all = append(all, m.ID)
		}
		return strings.Join(all, " ")
	}
	got := a.do(t, "GET", "/v1/operator/mails?limit=2", "", ada.bearer()...)
	got.decode(t, http.StatusOK, &page)
	if seen() != ids[2]+" "+ids[1] || strings.Contains(got.body, "the link") {
		t.Errorf("the newest two, without texts: %s", got.body)
	}
	a.do(t, "GET", "/v1/operator/mails?limit=2&cursor="+page.NextCursor, "", ada.bearer()...).decode(t, http.StatusOK, &page)
	if seen() != ids[0] {
		t.Errorf("the rest: %s", seen())
	}
	a.do(t, "GET", "/v1/operator/mails?to=BOB@example.com", "", ada.bearer()...).decode(t, http.StatusOK, &page)
	if seen() != ids[2]+" "+ids[0] {
		t.Errorf("those to one address: %s", seen())
	}
	for id, want := range map[string]mailView{
		ids[2]: {ids[2], "bob@example.com", "Hello", "the link", "sent"}, ids[1]: {ids[1], "eve@example.com", "Hello", "", "sent"},
	} {
		var m mailView
		if a.do(t, "GET", "/v1/operator/mails/"+id, "", ada.bearer()...).decode(t, http.StatusOK, &m); m != want {
			t.Errorf("mail %+v, want %+v", m, want)
		}
	}
	a.do(t, "GET", "/v1/operator/mails/mail-nothing", "", ada.bearer()...).problem(t, http.StatusNotFound, "mail_not_found")
	a.do(t, "GET", "/v1/operator/mails/"+ids[2], "", eve.bearer()...).problem(t, http.StatusNotFound, "not_found")
	var ci token
	a.do(t, "POST", "/v1/tokens", `{"name":"ci"}`, ada.bearer()...).decode(t, http.StatusCreated, &ci)
	a.do(t, "GET", "/v1/operator/mails", "", "Authorization", "Bearer "+ci.Secret).problem(t, http.StatusNotFound, "not_found")
}
