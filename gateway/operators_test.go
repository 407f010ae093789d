//go:build integration

package gateway_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/marina-cloud/marina/gateway"
)

// TestAddOperator: root makes an operator without a mail, and nobody an operator who
// has an account already.
func TestAddOperator(t *testing.T) {
	t.Parallel()
	a := start(t)
	add := func(email, password string) error {
		return gateway.AddOperator(t.Context(), a.db, email, password, "Marina")
	}
	if err := add("Root@example.com", password); err != nil {
		t.Fatal(err)
	}
	var root account
	a.do(t, "POST", "/v1/login", `{"email":"root@example.com","password":"`+password+`"}`).decode(t, http.StatusCreated, &root)
	a.do(t, "GET", "/v1/operator/mails", "", root.bearer()...).decode(t, http.StatusOK, &struct{}{})
	ada := a.signUp(t, "ada@example.com")
	for why, err := range map[string]error{"an account": add("ada@example.com", other), "it again": add("root@example.com", other)} {
		if !errors.Is(err, gateway.ErrEmailTaken) {
			t.Errorf("the address of %s: %v, want ErrEmailTaken", why, err)
		}
	}
	a.do(t, "GET", "/v1/operator/mails", "", ada.bearer()...).problem(t, http.StatusNotFound, "not_found")
	a.do(t, "POST", "/v1/login", credentials).decode(t, http.StatusCreated, &account{})
	if err := add("eve@example.com", "short"); err == nil {
		t.Error("a short password is taken")
	}
}
