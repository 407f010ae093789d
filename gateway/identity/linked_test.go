package identity_test

import (
	"errors"
	"testing"

	"github.com/marina-cloud/marina/gateway/identity"
)

func TestArrive(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		claims              identity.Claims
		exists, hasPassword bool
		want                identity.Arrival
		err                 error
		why                 string
	}{
		{identity.Claims{Email: "ada@example.com", Verified: true}, false, false, identity.SignUp, nil, "somebody new"},
		{identity.Claims{Email: "ada@example.com", Verified: true}, true, false, identity.Link, nil, "an account that only providers lead to"},
		{identity.Claims{Email: "ada@example.com", Verified: true}, true, true, identity.Refuse, identity.ErrOpenIDNotLinked, "the password is asked for first"},
		{identity.Claims{Email: "ada@example.com"}, true, false, identity.Refuse, identity.ErrOpenIDUnverified, "anybody can write an address down"},
		{identity.Claims{Email: "ada@example.com"}, true, true, identity.Refuse, identity.ErrOpenIDUnverified, "nor is it told whether there is an account"},
		{identity.Claims{Email: "ada@example.com"}, false, false, identity.Refuse, identity.ErrOpenIDUnverified, "nor made"},
		{identity.Claims{Verified: true}, false, false, identity.Refuse, identity.ErrOpenIDUnverified, "no address"},
	} {
		if got, err := identity.Arrive(tc.claims, tc.exists, tc.hasPassword); got != tc.want || !errors.Is(err, tc.err) {
			t.Errorf("Arrive(%+v, %v, %v) = %v, %v; want %v, %v: %s", tc.claims, tc.exists, tc.hasPassword, got, err, tc.want, tc.err, tc.why)
		}
	}
}
