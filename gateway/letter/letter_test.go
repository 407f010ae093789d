package letter_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/marina-cloud/marina/gateway/letter"
)

func TestLetters(t *testing.T) {
	t.Parallel()
	w := letter.Writer{PublicURL: "https://marina.example.com/"}
	const secret = "marina_abc"
	for name, tc := range map[string]struct {
		letter letter.Letter
		pages  []string
	}{
		"SignUp":          {w.SignUp(secret), []string{"/verify#" + secret}},
		"Known":           {w.Known(), []string{"/login", "/forgot"}},
		"Reset":           {w.Reset(secret), []string{"/reset#" + secret}},
		"Unknown":         {w.Unknown(), []string{"/signup"}},
		"PasswordChanged": {w.PasswordChanged(time.Now()), []string{"/forgot"}},
		"Invitation":      {w.Invitation(secret, "Acme", "ada@example.com", "viewer"), []string{"/invitation#" + secret}},
	} {
		var pages []string
		for word := range strings.FieldsSeq(tc.letter.Text) {
			if !strings.Contains(word, "://") {
				continue
			}
			u, err := url.Parse(word)
			if err != nil || u.Host != "marina.example.com" || u.RawQuery != "" || strings.Contains(u.Path, secret) {
				t.Errorf("%s links to %s", name, word)
				continue
			}
			if u.Fragment != "" {
				u.Path += "#" + u.Fragment
			}
			pages = append(pages, u.Path)
		}
		if strings.Join(pages, " ") != strings.Join(tc.pages, " ") {
			t.Errorf("%s links to %v, want %v", name, pages, tc.pages)
		}
		if tc.letter.Subject == "" || strings.ContainsAny(tc.letter.Subject, "\r\n") || strings.Contains(tc.letter.Subject, secret) {
			t.Errorf("%s has the subject %q", name, tc.letter.Subject)
		}
		for line := range strings.Lines(tc.letter.Text) {
			if len(line) > 80 && !strings.Contains(line, "://") || !strings.HasSuffix(line, "\n") {
				t.Errorf("%s: %q is long, or does not end", name, line)
			}
		}
	}
}

// TestInvitationOfAStranger: a name that somebody chose adds no line to a letter.
func TestInvitationOfAStranger(t *testing.T) {
	t.Parallel()
	w := letter.Writer{PublicURL: "http://localhost:8080"}
	plain := w.Invitation("s", "Acme", "eve@example.com", "admin")
	odd := w.Invitation("s", "Acme\r\n\r\nPay here:\thttps://evil.example \"", "eve@example.com", "admin")
	if strings.Count(odd.Text, "\n") != strings.Count(plain.Text, "\n") || strings.Count(odd.Text, `"`) != 2 {
		t.Errorf("the name is more than a name:\n%s", odd.Text)
	}
	if !strings.Contains(plain.Text, `"Acme" at Marina, as an admin.`) {
		t.Errorf("the invitation reads\n%s", plain.Text)
	}
}
