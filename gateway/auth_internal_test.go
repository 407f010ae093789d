package gateway

import (
	"errors"
	"testing"

	"github.com/marina-cloud/marina/gateway/identity"
)

// TestPermitted: what is for operators is not there for anybody else, whatever else
// they may do.
func TestPermitted(t *testing.T) {
	t.Parallel()
	owner := identity.Caller{Organization: "org-1", Role: identity.Owner, Permissions: identity.Owner.Permissions(nil)}
	session, token, operator := owner, owner, owner
	session.Session, token.Token = "ses-1", "tok-1"
	operator.Session, operator.Operator, operator.Organization, operator.Permissions = "ses-2", true, "", nil
	for _, tc := range []struct {
		who  identity.Caller
		p    identity.Permission
		want error
		why  string
	}{
		{session, forAnybody, nil, "anybody"},
		{session, forPerson, nil, "a person"},
		{token, forPerson, identity.ErrNeedsSession, "a program"},
		{session, identity.ClustersDelete, nil, "an owner"},
		{operator, forOperator, nil, "an operator, without an organization"},
		{session, forOperator, errNothingHere, "an owner who is no operator"},
		{token, forOperator, errNothingHere, "a program"},
	} {
		if err := permitted(tc.who, tc.p); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", tc.why, err, tc.want)
		}
	}
}
