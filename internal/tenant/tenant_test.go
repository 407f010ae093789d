package tenant_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/marina-cloud/marina/internal/tenant"
)

func TestIdentifiers(t *testing.T) {
	t.Parallel()
	label := regexp.MustCompile(`^[a-z]{2,4}-[0-9a-z]{26}$`)
	for _, id := range []string{
		string(tenant.NewOrganizationID()), string(tenant.NewUserID()), string(tenant.NewTokenID()),
		string(tenant.NewClusterID()), string(tenant.NewPoolID()), string(tenant.NewNodeID()),
		string(tenant.NewSessionID()), string(tenant.NewInvitationID()), string(tenant.NewMailID()),
	} {
		if !label.MatchString(id) {
			t.Errorf("%q is not a prefix and a lower-case ULID", id)
		}
	}
	if a, b := tenant.NewClusterID(), tenant.NewClusterID(); a == b {
		t.Errorf("twice %s", a)
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	good := string(tenant.NewClusterID())
	if id, ok := tenant.ParseClusterID(good); !ok || string(id) != good {
		t.Errorf("ParseClusterID(%q) = %q, %v", good, id, ok)
	}
	for _, bad := range []string{
		"", "kc-", strings.ToUpper(good), good[3:], "nd-" + good[3:], good + "a", good[:len(good)-1],
		"kc-../../../../etc/passwd00000", "kc-" + strings.Repeat("u", 26), "kc-" + strings.Repeat("8", 26),
	} {
		if _, ok := tenant.ParseClusterID(bad); ok {
			t.Errorf("ParseClusterID accepts %q", bad)
		}
	}
	if _, ok := tenant.ParseNodeID(string(tenant.NewNodeID())); !ok {
		t.Error("ParseNodeID refuses its own")
	}
}
