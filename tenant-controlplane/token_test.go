package controlplane_test

import (
	"strings"
	"testing"
	"time"

	controlplane "github.com/marina-cloud/marina/tenant-controlplane"
)

func TestRevokedToken(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		token controlplane.RevokedToken
		want  string // part of the error; "": none
	}{
		"good":        {controlplane.RevokedToken{ID: "a", Life: time.Hour}, ""},
		"no id":       {controlplane.RevokedToken{Life: time.Hour}, "token_id"},
		"a whole one": {controlplane.RevokedToken{ID: strings.Repeat("x", 257), Life: time.Hour}, "token_id"},
		"ended":       {controlplane.RevokedToken{ID: "a"}, "expires_in_seconds"},
		"for ever":    {controlplane.RevokedToken{ID: "a", Life: 1 << 62}, "expires_in_seconds"},
	} {
		err := tc.token.Validate()
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
	}
}
