package identity_test

import (
	"strings"
	"testing"
	"time"

	"github.com/marina-cloud/marina/gateway/identity"
)

// TestMatchTOTP uses the secret and the times of RFC 6238, appendix B, of whose eight
// digits six are shown.
func TestMatchTOTP(t *testing.T) {
	t.Parallel()
	secret := []byte("12345678901234567890")
	for _, tc := range []struct {
		at   int64
		code string
		step int64
		ok   bool
		why  string
	}{
		{59, "287082", 1, true, "the first vector"},
		{1111111109, "081804", 37037036, true, "leading zeros count"},
		{20000000000, "353130", 666666666, true, "the last vector"},
		{59 + 30, "287082", 1, true, "a clock that is slow"},
		{59 - 30, "287082", 1, true, "a clock that is fast"},
		{59 + 60, "287082", 0, false, "too slow"},
		{59, "287083", 0, false, "another code"},
		{59, "", 0, false, "none"},
		{59, "94287082", 0, false, "eight digits"},
	} {
		if step, ok := identity.MatchTOTP(secret, tc.code, time.Unix(tc.at, 0)); step != tc.step || ok != tc.ok {
			t.Errorf("MatchTOTP(%q at %d) = %d, %v; want %d, %v: %s", tc.code, tc.at, step, ok, tc.step, tc.ok, tc.why)
		}
	}
}

func TestTOTPKey(t *testing.T) {
	t.Parallel()
	k, err := identity.NewTOTPKey("ada+x@example.com", []byte("12345678901234567890"))
	if err != nil {
		t.Fatal(err)
	}
	if k.Text != "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ" || !strings.HasPrefix(k.URL, "otpauth://totp/Marina:ada+x@example.com?") || !strings.Contains(k.URL, "secret="+k.Text) {
		t.Errorf("key %+v", k)
	}
	// A finder pattern (ISO/IEC 18004, 6.3.3) is in three corners of every QR code.
	for i, row := range []string{"1111111", "1000001", "1011101", "1011101", "1011101", "1000001", "1111111"} {
		n := len(k.QR)
		if len(k.QR[i]) != n || k.QR[i][:7] != row || k.QR[i][n-7:] != row || k.QR[n-7+i][:7] != row {
			t.Fatalf("no QR code:\n%s", strings.Join(k.QR, "\n"))
		}
	}
}

func TestRecoveryCodes(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, code := range identity.NewRecoveryCodes() {
		hash, ok := identity.RecoveryHash(code)
		typed, ok2 := identity.RecoveryHash(" " + strings.ToUpper(strings.ReplaceAll(code, "-", " ")))
		if !ok || !ok2 || string(hash) != string(typed) || seen[code] || len(code) != 19 {
			t.Errorf("recovery code %q: %v, %v, seen %v", code, ok, ok2, seen[code])
		}
		seen[code] = true
	}
	if len(seen) != 10 {
		t.Errorf("%d codes, want 10", len(seen))
	}
	for _, bad := range []string{"", "123456", "abcd-efgh-ijkl-mno", "abcd-efgh-ijkl-mnop-q", "abcd-efgh-ijkl-mno1", strings.Repeat("a", 24)} {
		if _, ok := identity.RecoveryHash(bad); ok {
			t.Errorf("RecoveryHash accepts %q", bad)
		}
	}
}
